/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel's own paths cost, in a guest whose clock counts instructions: a nanosecond is one.
 *
 *	mcr-paths paths			page faults, reads and writes, per 1,000 of them
 *	mcr-paths recharge FROM TO MIB	shared memory that FROM is charged and this process has mapped, to TO
 *
 * A line per figure: "what|value|unit". Of many rounds the cheapest counts: no timer fell into it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "fileio.h"
#include "util.h"

#define PAGE	4096UL
#define PAGES	512UL	/* of an object, which is used once a round */
#define ROUNDS	200
#define RECHARGE "/sys/kernel/mm/memcg_recharge/recharge"

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static void figure(const char *what, uint64_t value, const char *unit)
{
	printf("%s|%" PRIu64 "|%s\n", what, value, unit);
}

static char *map(int fd, size_t len, int flags)
{
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

/* What a round is done to. */
struct object {
	int fd;
	char *map;
};

static char page[PAGE];

static void write_each(struct object *o)
{
	for (unsigned long i = 0; i < PAGES; i++)
		if (pwrite(o->fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("pwrite");
}

static void read_each(struct object *o)
{
	for (unsigned long i = 0; i < PAGES; i++)
		if (pread(o->fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("pread");
}

static void touch_each(struct object *o)
{
	for (unsigned long i = 0; i < PAGES; i++)
		o->map[i * PAGE]++;
}

static void unmap(struct object *o)
{
	if (madvise(o->map, PAGES * PAGE, MADV_DONTNEED) < 0)
		die("madvise");
}

static void cut_off(struct object *o)
{
	if (ftruncate(o->fd, 0) < 0 || ftruncate(o->fd, PAGES * PAGE) < 0)
		die("ftruncate");
}

static void nothing(struct object *o)
{
	(void)o;
}

static struct object make_file(const char *dir)
{
	struct object o = { .fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) };

	if (o.fd < 0)
		die(dir);
	write_each(&o);
	fsync(o.fd);
	o.map = map(o.fd, PAGES * PAGE, MAP_SHARED);
	madvise(o.map, PAGES * PAGE, MADV_RANDOM);
	return o;
}

static struct object make_memory(const char *dir)
{
	struct object o = { .fd = -1, .map = map(-1, PAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS) };

	(void)dir;
	madvise(o.map, PAGES * PAGE, MADV_NOHUGEPAGE);
	return o;
}

/* A run of faults ends with unmapping what was touched. */
static void touch_and_unmap(struct object *o)
{
	touch_each(o);
	unmap(o);
}

static void look_and_unmap(struct object *o)
{
	for (unsigned long i = 0; i < PAGES; i++)
		(void)((const volatile char *)o->map)[i * PAGE];
	unmap(o);
}

static const struct {
	const char *what, *dir;
	struct object (*make)(const char *dir);
	void (*before)(struct object *o), (*round)(struct object *o);
} paths[] = {
	{ "fault of private memory", NULL, make_memory, unmap, touch_and_unmap },
	{ "fault of new shared memory", "/dev/shm", make_file, cut_off, touch_and_unmap },
	{ "fault of shared memory that is there", "/dev/shm", make_file, unmap, touch_and_unmap },
	{ "fault of page cache", "/var/tmp", make_file, unmap, touch_and_unmap },
	{ "fault of page cache, reading", "/var/tmp", make_file, unmap, look_and_unmap },
	{ "unmapping of shared memory", "/dev/shm", make_file, touch_each, unmap },
	{ "read of shared memory", "/dev/shm", make_file, nothing, read_each },
	{ "read of page cache", "/var/tmp", make_file, nothing, read_each },
	{ "write to shared memory", "/dev/shm", make_file, nothing, write_each },
	{ "write to page cache", "/var/tmp", make_file, nothing, write_each },
	{ "write of new shared memory", "/dev/shm", make_file, cut_off, write_each },
};

static void measure(size_t i)
{
	struct object o = paths[i].make(paths[i].dir);
	uint64_t best = UINT64_MAX, start, took;

	for (int n = 0; n < ROUNDS; n++) {
		paths[i].before(&o);
		start = mcr_now_ns();
		paths[i].round(&o);
		took = mcr_now_ns() - start;
		best = took < best ? took : best;
	}
	figure(paths[i].what, best * 1000 / PAGES, "instructions per 1,000");
	munmap(o.map, PAGES * PAGE);
	close_fd(o.fd);
}

/* ---- Recharging ---- */

static uint64_t id_of(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		die(dir);
	return st.st_ino;
}

/* A child that begins its life there touches it all first. */
static void fill_in(const char *dir, char *at, size_t len)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	pid_t pid = fd < 0 ? -1 : syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die(dir);
	if (pid == 0) {
		for (size_t i = 0; i < len; i += PAGE)
			at[i] = 1;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		die("child");
	close(fd);
}

static long touch_all(const char *at, size_t len)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < len; i += PAGE)
		if (((const volatile char *)at)[i] != 1)
			die("content");
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * MCR_NSEC_PER_SEC + ts.tv_nsec;
}

static void recharge(const char *from, const char *to, size_t len)
{
	int fd = memfd_create("recharge", MFD_CLOEXEC), r;
	uint64_t start, cpu, pages = len / PAGE;
	char text[64], *at;
	long faults;

	if (fd < 0 || ftruncate(fd, len) < 0)
		die("memfd");
	at = map(fd, len, MAP_SHARED);
	fill_in(from, at, len);
	touch_all(at, len);
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, id_of(from), id_of(to));
	start = mcr_now_ns();
	cpu = cpu_ns();
	r = mcr_write_at(AT_FDCWD, RECHARGE, text);
	cpu = cpu_ns() - cpu;
	start = mcr_now_ns() - start;
	faults = touch_all(at, len);
	if (r < 0) {
		fprintf(stderr, "recharge: %s\n", strerror(-r));
		exit(1);
	}
	figure("recharge, per page", start / pages, "instructions");
	figure("recharge, per page, without waiting", cpu / pages, "instructions");
	figure("page faults of who has it mapped", faults, "faults");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "paths") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
			measure(i);
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "recharge") == 0) {
		recharge(argv[2], argv[3], strtoul(argv[4], NULL, 0) << 20);
		return 0;
	}
	fputs("usage: mcr-paths paths | recharge FROM TO MIB\n", stderr);
	return 2;
}

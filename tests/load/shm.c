/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes that read and write shared memory and notice every byte that is not what it was.
 *
 *	mcr-shm ALLOC GROUP1 GROUP2 FILE MIB
 *
 * Four objects of MIB each: FILE on a tmpfs, a memfd, a SysV segment, shared anonymous memory; their pages are charged to ALLOC.
 * Two processes use each (one in GROUP1, one in GROUP2); of the first two objects the second one by read and write. A ninth opens
 * FILE again and again. Prints "target PATH" for each and "ready"; on SIGTERM all look at every word once
 * more, and it prints what they found. Exits 1 when anything was lost.
 *
 * In each page word 0 and word 1 count, each for one process, in 40 bits; the other 24 prove that the count is one. The
 * rest of the page never changes.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

#define PAGE 4096
#define WORDS (PAGE / 8)
#define N_OBJECTS 4
#define N_WORKERS (2 * N_OBJECTS + 1)

struct object {
	_Atomic uint64_t *base;
	int fd;			/* of the first two */
};

/* Shared with all, and too small to be anybody's target. */
struct tally {
	_Atomic uint64_t rounds, lost, torn, changed;
};

static struct object objects[N_OBJECTS];
static struct tally *tallies;
static size_t n_pages;
static volatile sig_atomic_t over;

static int die(const char *what)
{
	perror(what);
	_exit(1);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

/* What word of page is made of. */
static uint64_t pattern(size_t page, size_t word)
{
	return mix(page * WORDS + word + 1);
}

static uint64_t count_word(size_t page, size_t word, uint64_t count)
{
	return count << 24 | (mix(pattern(page, word) ^ count) & 0xffffff);
}

static bool is_count(size_t page, size_t word, uint64_t value)
{
	return value == count_word(page, word, value >> 24);
}

static pid_t start_in(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	pid_t pid = fd < 0 ? -1 : syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die(dir);
	close(fd);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* Its own copy of what each of its words should be is on its stack of knowledge: counts[]. */
struct worker {
	struct object *o;
	struct tally *t;
	size_t slot;
	bool by_call;
	uint64_t *counts;
};

static uint64_t get(const struct worker *w, size_t page, size_t word)
{
	uint64_t value = 0;

	if (!w->by_call)
		return atomic_load(&w->o->base[page * WORDS + word]);
	if (pread(w->o->fd, &value, sizeof(value), page * PAGE + word * 8) != sizeof(value))
		return 0;
	return value;
}

static void put(const struct worker *w, size_t page, uint64_t value)
{
	if (!w->by_call)
		atomic_store(&w->o->base[page * WORDS + w->slot], value);
	else if (pwrite(w->o->fd, &value, sizeof(value), page * PAGE + w->slot * 8) != sizeof(value))
		die("pwrite");
}

static void turn(struct worker *w, size_t page, uint64_t random)
{
	size_t word = 2 + random % (WORDS - 2), other = !w->slot;
	uint64_t value = get(w, page, w->slot);

	if (value != count_word(page, w->slot, w->counts[page]))
		w->t->lost++;
	put(w, page, count_word(page, w->slot, ++w->counts[page]));
	if (get(w, page, word) != pattern(page, word))
		w->t->changed++;
	/* One that is written by a system call may be seen in the middle of that. */
	if (!w->by_call && w->o->fd < 0 && !is_count(page, other, get(w, page, other)))
		w->t->torn++;
}

static void look_at_all(struct worker *w)
{
	for (size_t page = 0; page < n_pages; page++) {
		if (get(w, page, w->slot) != count_word(page, w->slot, w->counts[page]))
			w->t->lost++;
		for (size_t word = 2; word < WORDS; word++)
			if (get(w, page, word) != pattern(page, word))
				w->t->changed++;
	}
}

static int work(struct object *o, size_t slot, struct tally *t)
{
	struct worker w = { .o = o, .t = t, .slot = slot, .by_call = o->fd >= 0 && slot == 1 };
	uint64_t random = slot + 1;

	w.counts = calloc(n_pages, sizeof(*w.counts));
	if (!w.counts)
		die("calloc");
	while (!over) {
		for (size_t page = 0; page < n_pages && !over; page++)
			turn(&w, page, random = mix(random + page + 1));
		t->rounds++;
	}
	w.by_call = false;
	look_at_all(&w);
	return 0;
}

/* Opens it anew each time, and never sees a hole. */
static int open_and_read(const char *path, struct tally *t)
{
	static uint64_t page_of[WORDS];
	uint64_t random = 1;

	while (!over) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			die(path);
		for (int i = 0; i < 16; i++) {
			size_t page = (random = mix(random + i + 1)) % n_pages;

			if (pread(fd, page_of, PAGE, page * PAGE) != PAGE)
				die("pread");
			for (size_t word = 2; word < WORDS; word++)
				if (page_of[word] != pattern(page, word))
					t->changed++;
		}
		close(fd);
		t->rounds++;
		usleep(1000);
	}
	return 0;
}

static void fill(void)
{
	for (int i = 0; i < N_OBJECTS; i++)
		for (size_t page = 0; page < n_pages; page++)
			for (size_t word = 0; word < WORDS; word++)
				objects[i].base[page * WORDS + word] =
					word < 2 ? count_word(page, word, 0) : pattern(page, word);
}

static void *map_or_die(int flags, int fd)
{
	void *at = mmap(NULL, n_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void make_objects(const char *alloc, const char *file)
{
	int id, status;
	pid_t pid;

	objects[0].fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	objects[1].fd = memfd_create("torture", MFD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		if (objects[i].fd < 0 || ftruncate(objects[i].fd, n_pages * PAGE) < 0)
			die(file);
		objects[i].base = map_or_die(0, objects[i].fd);
	}
	id = shmget(IPC_PRIVATE, n_pages * PAGE, IPC_CREAT | 0600);
	objects[2].base = shmat(id, NULL, 0);
	objects[3].base = map_or_die(MAP_ANONYMOUS, -1);
	objects[2].fd = objects[3].fd = -1;
	if (id < 0 || objects[2].base == (void *)-1)
		die("shm");
	shmctl(id, IPC_RMID, NULL);	/* it goes with the last of us */
	pid = start_in(alloc);
	if (pid == 0) {
		fill();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		die("fill");
}

static void tell_targets(const char *file)
{
	printf("target %s\ntarget /proc/%d/fd/%d\n", file, getpid(), objects[1].fd);
	for (int i = 2; i < N_OBJECTS; i++)
		printf("target /proc/%d/map_files/%lx-%lx\n", getpid(), (unsigned long)objects[i].base,
		       (unsigned long)objects[i].base + n_pages * PAGE);
	printf("ready %d\n", getpid());
	fflush(stdout);
}

static int sum_up(void)
{
	uint64_t bad = 0, least = UINT64_MAX;

	for (int i = 0; i < N_WORKERS; i++) {
		const struct tally *t = &tallies[i];

		printf("worker %d rounds=%" PRIu64 " lost=%" PRIu64 " torn=%" PRIu64 " changed=%" PRIu64 "\n", i, t->rounds,
		       t->lost, t->torn, t->changed);
		bad += t->lost + t->torn + t->changed;
		least = t->rounds < least ? t->rounds : least;
	}
	printf("bad=%" PRIu64 " least_rounds=%" PRIu64 "\n", bad, least);
	fflush(stdout);
	return bad != 0;
}

/* In GROUP1: has all objects, and the workers are its children. */
static int lead(char **argv)
{
	pid_t pids[N_WORKERS];
	int status, failed = 0;

	make_objects(argv[1], argv[4]);
	for (int i = 0; i < N_WORKERS; i++) {
		pids[i] = start_in(argv[2 + (i & 1)]);
		if (pids[i] == 0)
			_exit(i < 2 * N_OBJECTS ? work(&objects[i / 2], i & 1, &tallies[i]) :
						  open_and_read(argv[4], &tallies[i]));
	}
	tell_targets(argv[4]);
	while (!over)
		pause();
	for (int i = 0; i < N_WORKERS; i++)
		kill(pids[i], SIGTERM);
	for (int i = 0; i < N_WORKERS; i++)
		failed |= waitpid(pids[i], &status, 0) != pids[i] || status;
	return sum_up() || failed;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_term };
	int status = 1;
	pid_t pid;

	if (argc != 6 || (n_pages = strtoul(argv[5], NULL, 10) * 256) == 0)
		return 2;
	sigaction(SIGTERM, &act, NULL);
	tallies = mmap(NULL, N_WORKERS * sizeof(*tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED)
		return 1;
	pid = start_in(argv[2]);
	if (pid == 0)
		_exit(lead(argv));
	while (waitpid(pid, &status, 0) < 0)
		if (over)
			kill(pid, SIGTERM);
	return status != 0;
}

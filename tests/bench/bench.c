/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Benchmarks in guest instructions: under -icount a nanosecond of guest time is an instruction, so
 * CLOCK_MONOTONIC counts them, repeatably on any machine.  Run by tests/bench/run in a guest of one
 * CPU; elsewhere the figures are plain nanoseconds.
 *
 * A line per figure: "what|value|unit".
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "census.h"
#include "cgroup.h"
#include "fileio.h"
#include "gate.h"
#include "hierarchy.h"
#include "pins.h"
#include "util.h"

#define ROUNDS 200
#define GROUPS 1000
#define ZOMBIES 10000
#define PINNED_FILES 10000
#define PINNED_FILE_PAGES 26	/* a GiB in all */

static struct mcr_hierarchy *h;

static void figure(const char *what, uint64_t value, const char *unit)
{
	printf("%s|%" PRIu64 "|%s\n", what, value, unit);
	fflush(stdout);
}

static int die(const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int make_dir(int dir_fd, const char *name)
{
	int fd;

	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		die(name, -errno);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(name, -errno);
	return fd;
}

/* A page of tmpfs charged to the cgroup. */
static void charge(int cgroup_fd, unsigned int n)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd };
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));
	char path[64];

	if (pid < 0)
		die("clone3", -errno);
	if (pid == 0) {
		snprintf(path, sizeof(path), "/dev/shm/bench/%u", n);
		_exit(mcr_replace_at(AT_FDCWD, path, "x", 1, 0600) < 0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* Median time of a walk, and what it visits. */
static uint64_t time_census(struct mcr_census_walker *w, unsigned int rounds, uint64_t *ret_visited, size_t *ret_n)
{
	uint64_t t[ROUNDS];

	for (unsigned int i = 0; i < rounds; i++) {
		auto_(mcr_census_freep) struct mcr_census *c = NULL;
		uint64_t start = mcr_now_ns();
		int r = mcr_census_walk(w, &c);

		t[i] = mcr_now_ns() - start;
		if (r < 0)
			die("census", r);
		*ret_visited = c->visited;
		*ret_n = c->n;
	}
	return median(t, rounds);
}

/* What each further cgroup costs: the difference, so that what a call costs by itself cancels out. */
static void bench_census(int base)
{
	struct mcr_census_walker *w = NULL;
	uint64_t none, live, dead, all, v0, v1, v2;
	size_t n0, n1, n2;
	char name[64];
	int r = mcr_census_walker_new(&w, NULL);

	if (r < 0)
		die("census program", r);
	none = time_census(w, 9, &v0, &n0);
	for (unsigned int i = 0; i < GROUPS; i++) {
		snprintf(name, sizeof(name), "live-%u", i);
		close_fd(make_dir(base, name));
	}
	live = time_census(w, 9, &v1, &n1);
	figure("census, per live cgroup visited", (live - none) / (v1 - v0), "instructions");
	for (unsigned int i = 0; i < GROUPS; i++) {
		auto_(closep) int fd = -EBADF;

		snprintf(name, sizeof(name), "live-%u", i);
		fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		charge(fd, i);
		unlinkat(base, name, AT_REMOVEDIR);
	}
	dead = time_census(w, 9, &v2, &n2);
	figure("census, per zombie: walk, record and path", (dead - none) / (n2 - n0), "instructions");
	for (unsigned int i = n2 - n0; i < ZOMBIES; i++) {
		auto_(closep) int fd = -EBADF;

		snprintf(name, sizeof(name), "z-%u", i);
		fd = make_dir(base, name);
		charge(fd, i);
		unlinkat(base, name, AT_REMOVEDIR);
	}
	time_census(w, 1, &v2, &n2);	/* the ring grows here, once */
	all = time_census(w, 5, &v2, &n2);
	figure("census, zombies found", n2, "memcgs");
	figure("census of all of them", all, "instructions");
	mcr_census_walker_free(w);
}

static void ignore_event(const struct mcr_gate_event *e, void *userdata)
{
	(void)e;
	(void)userdata;
}

/* Median time of rmdir, in a child: the daemon's own removals are answered differently. */
static uint64_t time_rmdir(int base, bool charged, bool refused)
{
	uint64_t *t = mmap(NULL, ROUNDS * sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static unsigned int series;
	int status;
	pid_t pid;

	series++;
	pid = fork();
	if (pid == 0) {
		for (unsigned int i = 0; i < ROUNDS; i++) {
			char name[64];
			uint64_t start;
			int fd, r;

			snprintf(name, sizeof(name), "r-%u-%u", series, i);
			fd = make_dir(base, name);
			if (charged)
				charge(fd, i);
			close_fd(fd);
			start = mcr_now_ns();
			r = unlinkat(base, name, AT_REMOVEDIR);
			t[i] = mcr_now_ns() - start;
			if ((r < 0) != refused)
				_exit(1);
		}
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		die("a removal was answered otherwise than it should be", -EPROTO);
	return median(t, ROUNDS);
}

static void bench_rmdir(int base, int elsewhere)
{
	const struct mcr_gate_opts opts = {
		.mount = mcr_hierarchy_path(h), .heartbeat_max_ns = 3600 * MCR_NSEC_PER_SEC,
		.held_max = 4096,
	};
	const struct mcr_gate_rule hold = { .hold_max_ns = 3600 * MCR_NSEC_PER_SEC, .hold = true };
	struct mcr_gate_range range = { .n = 1 };
	struct mcr_gate *g = NULL;
	uint64_t id;
	int r;

	figure("rmdir elsewhere (tmpfs), no gate", time_rmdir(elsewhere, false, false), "instructions");
	figure("rmdir of a charged cgroup, no gate", time_rmdir(base, true, false), "instructions");
	r = mcr_gate_new(&opts, ignore_event, NULL, &g, NULL);
	if (r < 0)
		die("gate", r);
	mcr_gate_make(g, 1);
	r = mcr_gate_add_rule(g, &hold, &range.first);
	if (r < 0)
		die("rule", r);
	mcr_gate_put_in_force(g, &opts);
	mcr_gate_heartbeat(g);
	figure("rmdir elsewhere (tmpfs), gate active", time_rmdir(elsewhere, false, false), "instructions");
	figure("rmdir of a charged cgroup, gate active, not covered", time_rmdir(base, true, false), "instructions");
	r = mcr_cgroup_id(base, &id);
	if (r == 0)
		r = mcr_gate_cover(g, id, range);
	if (r < 0)
		die("cover", r);
	figure("rmdir of a charged cgroup, covered: refused and reported", time_rmdir(base, true, true), "instructions");
	mcr_gate_free(g);
}

static void write_many(unsigned int files, unsigned int pages)
{
	static char page[4096];
	char path[64];

	for (unsigned int i = 0; i < files; i++) {
		auto_(closep) int fd = -EBADF;

		snprintf(path, sizeof(path), "/dev/shm/pinned/%u", i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		for (unsigned int k = 0; k < pages; k++)
			if (write(fd, page, sizeof(page)) != sizeof(page))
				_exit(1);
	}
	_exit(0);
}

/* A CPU keeps the last 15 pages to itself before they come to their lists. */
static void drain_page_batches(void)
{
	auto_(closep) int fd = memfd_create("batch", MFD_CLOEXEC);
	static char page[4096];

	for (unsigned int i = 0; i < 64; i++)
		if (write(fd, page, sizeof(page)) < 0)
			die("memfd", -errno);
}

/* A zombie that is pinned by this much; its id. */
static uint64_t make_pinned(int base, const char *name, unsigned int files, unsigned int pages)
{
	auto_(closep) int fd = make_dir(base, name);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	uint64_t id = 0;
	int status;
	pid_t pid;

	mkdir("/dev/shm/pinned", 0700);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		write_many(files, pages);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status || mcr_cgroup_id(fd, &id) < 0)
		die(name, -EIO);
	if (unlinkat(base, name, AT_REMOVEDIR) < 0)
		die(name, -errno);
	drain_page_batches();
	return id;
}

static uint64_t time_pins(struct mcr_pins_walker *w, uint64_t id, uint64_t pages, bool scanned)
{
	uint64_t t[5];

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		auto_(mcr_pins_freep) struct mcr_pins *p = NULL;
		uint64_t start = mcr_now_ns();
		int r = mcr_pins_walk(w, id, &p);

		t[i] = mcr_now_ns() - start;
		if (r < 0)
			die("pins", r);
		if (p->pages < pages || p->refs_explained != p->refs_held || p->scanned != scanned) {
			fprintf(stderr, "bench: %" PRIu64 " pages of %" PRIu64 ", %" PRIu64 " of %" PRIu64 " references%s\n",
				p->pages, pages, p->refs_explained, p->refs_held, p->scanned ? ", scanned" : "");
			exit(1);
		}
	}
	return median(t, ARRAY_SIZE(t));
}

static uint64_t time_loading_census(void)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	uint64_t start = mcr_now_ns();
	int r = mcr_census_walker_new(&w, NULL);

	if (r < 0)
		die("census program", r);
	return mcr_now_ns() - start;
}

static void bench_pins(int base)
{
	struct mcr_pins_walker *w = NULL;
	uint64_t none, many, one, id, start;
	int r;

	figure("census, loading the program", time_loading_census(), "instructions");
	start = mcr_now_ns();
	r = mcr_pins_walker_new(&w, NULL);
	if (r < 0)
		die("pins programs", r);
	figure("pins, loading the programs", mcr_now_ns() - start, "instructions");
	id = make_pinned(base, "pinned-none", 1, 1);
	none = time_pins(w, id, 1, false);
	figure("pins of a zombie with one page", none, "instructions");
	id = make_pinned(base, "pinned-one", 1, PINNED_FILES);
	one = time_pins(w, id, PINNED_FILES - 1, false);
	figure("pins, per page of one file", (one - none) / PINNED_FILES, "instructions");
	unlink("/dev/shm/pinned/0");
	id = make_pinned(base, "pinned-many", PINNED_FILES, PINNED_FILE_PAGES);
	many = time_pins(w, id, PINNED_FILES * PINNED_FILE_PAGES, false);
	figure("pins, per file: its name, ranges and place in the order",
	       (many - none) / PINNED_FILES - (one - none) / PINNED_FILES * PINNED_FILE_PAGES, "instructions");
	figure("pins, per page of a GiB in 10000 files, all included", many / (PINNED_FILES * PINNED_FILE_PAGES), "instructions");
	figure("pins of a GiB in 10000 files", many, "instructions");
	mcr_pins_walker_free(w);
}

/* With the argument "pins", only these. */
int main(int argc, char **argv)
{
	bool only_pins = argc > 1 && strcmp(argv[1], "pins") == 0;
	int base, elsewhere, r;

	r = mcr_hierarchy_find(&h, NULL);
	if (r < 0)
		die("no cgroup v2", r);
	base = make_dir(mcr_hierarchy_fd(h), "bench");
	r = mcr_write_at(base, "cgroup.subtree_control", "+memory");
	if (r < 0)
		die("memory controller", r);
	mkdir("/dev/shm/bench", 0700);
	mkdir("/dev/shm/elsewhere", 0700);
	elsewhere = open("/dev/shm/elsewhere", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bench_pins(base);
	if (!only_pins) {
		bench_rmdir(base, elsewhere);
		bench_census(base);
	}
	close_fd(elsewhere);
	close_fd(base);
	mcr_hierarchy_free(h);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process of mcr-torture that has memory of all classes and knows what is in each page: it was written in some
 * generation, or reads as zeros. Whatever others do meanwhile must not change that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "torture.h"
#include "util.h"

#define MAX_PAGES	1024U
#define HUGE_PAGES	512U
#define WORDS		(TORTURE_PAGE / sizeof(uint64_t))

enum kind { ANON, HUGE, TMPFS, TMPFS_HUGE, MEMFD, ON_DISK, NR_KINDS };

struct region {
	enum kind kind;
	char *map;
	int fd;
	unsigned int nr;
	unsigned char gen[MAX_PAGES];	/* 0: zeros */
};

static struct torture *t;
static struct region regions[NR_KINDS];
static pid_t self;	/* whose content it is: a child checks its parent's */

static bool has_file(const struct region *r)
{
	return r->kind >= TMPFS;
}

static bool is_huge(const struct region *r)
{
	return r->kind == HUGE || r->kind == TMPFS_HUGE;
}

static uint64_t word_of(const struct region *r, unsigned int page, unsigned int word)
{
	return ((uint64_t)self << 40) + ((uint64_t)r->kind << 36) + ((uint64_t)page << 20) + word * 256 +
	       r->gen[page];
}

/* First, last and one between: a page that is another's or torn shows in them. */
static const unsigned int probes[] = { 0, 200, WORDS - 1 };

static void write_page(struct region *r, unsigned int page)
{
	uint64_t *at = (uint64_t *)(r->map + page * TORTURE_PAGE), content[WORDS] = { 0 };

	r->gen[page] = 1 + torture_rand(255);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		content[probes[i]] = word_of(r, page, probes[i]);
	if (has_file(r) && torture_rand(2)) {
		if (pwrite(r->fd, content, sizeof(content), page * TORTURE_PAGE) != sizeof(content))
			torture_bad(t, "pwrite of kind %d: %s", r->kind, strerror(errno));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		at[probes[i]] = content[probes[i]];
}

static void check_page(const struct region *r, unsigned int page)
{
	const volatile uint64_t *at = (uint64_t *)(r->map + page * TORTURE_PAGE);

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		uint64_t expected = r->gen[page] ? word_of(r, page, probes[i]) : 0, found = at[probes[i]];

		if (found == expected)
			continue;
		torture_bad(t, "kind %d page %u word %u: %lx, not %lx", r->kind, page, probes[i], (long)found,
			    (long)expected);
		return;
	}
}

static char *map_at(struct region *r, char *at, unsigned int first, unsigned int n, int fixed)
{
	return mmap(at, n * TORTURE_PAGE, PROT_READ | PROT_WRITE,
		    fixed | (has_file(r) ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), r->fd, first * TORTURE_PAGE);
}

static int open_file(const struct region *r)
{
	int fd;

	if (r->kind == MEMFD)
		fd = memfd_create("torture", MFD_CLOEXEC);
	else
		fd = open(r->kind == ON_DISK ? "/var/tmp" : r->kind == TMPFS ? "/dev/shm" : TORTURE_HUGE_DIR,
			  O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, r->nr * TORTURE_PAGE) < 0)
		torture_bad(t, "file of kind %d: %s", r->kind, strerror(errno));
	return fd;
}

/* Aligned as huge pages are. */
static char *reserve(unsigned int nr)
{
	char *at = mmap(NULL, (nr + HUGE_PAGES) * TORTURE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (char *)(((uintptr_t)at + HUGE_PAGES * TORTURE_PAGE - 1) & ~(HUGE_PAGES * TORTURE_PAGE - 1));
}

/* In the place of the one that was there. */
static void make_region(struct region *r, enum kind kind)
{
	r->kind = kind;
	r->nr = MAX_PAGES;
	r->fd = has_file(r) ? open_file(r) : -1;
	if (map_at(r, r->map, 0, r->nr, MAP_FIXED) == MAP_FAILED)
		torture_bad(t, "mmap: %s", strerror(errno));
	if (is_huge(r) || has_file(r))
		madvise(r->map, r->nr * TORTURE_PAGE, MADV_HUGEPAGE);
	memset(r->gen, 0, sizeof(r->gen));
}

static void op_write(struct region *r, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		write_page(r, first + i);
}

static void op_check(struct region *r, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		check_page(r, first + i);
}

static void op_punch(struct region *r, unsigned int first, unsigned int n)
{
	int err;

	/* Locked memory is not given up. */
	if (!has_file(r))
		munlock(r->map, r->nr * TORTURE_PAGE);
	err = has_file(r) ? fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first * TORTURE_PAGE,
				      n * TORTURE_PAGE) :
			    madvise(r->map + first * TORTURE_PAGE, n * TORTURE_PAGE, MADV_DONTNEED);
	if (err < 0)
		torture_bad(t, "punch of kind %d: %s", r->kind, strerror(errno));
	memset(r->gen + first, 0, n);
}

static void op_truncate(struct region *r, unsigned int first, unsigned int n)
{
	(void)n;
	if (!has_file(r))
		return;
	if (ftruncate(r->fd, first * TORTURE_PAGE) < 0 || ftruncate(r->fd, r->nr * TORTURE_PAGE) < 0)
		torture_bad(t, "truncate: %s", strerror(errno));
	memset(r->gen + first, 0, r->nr - first);
}

static void op_lock(struct region *r, unsigned int first, unsigned int n)
{
	if (torture_rand(2))
		mlock(r->map + first * TORTURE_PAGE, n * TORTURE_PAGE);
	else
		munlock(r->map, r->nr * TORTURE_PAGE);
}

/* The child looks at it, from another cgroup perhaps, writes to its own copy of what is private, and is gone. */
static void op_fork(struct region *r, unsigned int first, unsigned int n)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return;
	if (pid == 0) {
		if (torture_rand(2))
			torture_join(t, torture_rand(NR_LIVED_IN));
		op_check(r, first, n);
		for (unsigned int i = 0; i < n && !has_file(r); i += 2)
			r->map[(first + i) * TORTURE_PAGE] = 1;
		_exit(0);
	}
	op_check(r, first, n);
	if (waitpid(pid, &status, 0) < 0 || status)
		torture_bad(t, "child: %x", status);
}

static void op_move(struct region *r, unsigned int first, unsigned int n)
{
	void *pages[64];
	int nodes[64], status[64], node = torture_rand(2);

	n = n < 64 ? n : 64;
	for (unsigned int i = 0; i < n; i++) {
		pages[i] = r->map + (first + i) * TORTURE_PAGE;
		nodes[i] = node;
	}
	syscall(SYS_move_pages, 0, (long)n, pages, nodes, status, MPOL_MF_MOVE);
}

static void op_bind(struct region *r, unsigned int first, unsigned int n)
{
	unsigned long mask = 1UL << torture_rand(2);

	syscall(SYS_mbind, r->map + first * TORTURE_PAGE, n * TORTURE_PAGE, MPOL_PREFERRED, &mask, 8 * sizeof(mask),
		MPOL_MF_MOVE);
}

static void op_protect(struct region *r, unsigned int first, unsigned int n)
{
	mprotect(r->map + first * TORTURE_PAGE, n * TORTURE_PAGE, PROT_READ);
	op_check(r, first, n);
	mprotect(r->map + first * TORTURE_PAGE, n * TORTURE_PAGE, PROT_READ | PROT_WRITE);
}

static void op_unmap(struct region *r, unsigned int first, unsigned int n)
{
	munmap(r->map + first * TORTURE_PAGE, n * TORTURE_PAGE);
	if (map_at(r, r->map + first * TORTURE_PAGE, first, n, MAP_FIXED) == MAP_FAILED)
		torture_bad(t, "mmap again: %s", strerror(errno));
	if (!has_file(r))
		memset(r->gen + first, 0, n);
	if (is_huge(r))
		madvise(r->map, r->nr * TORTURE_PAGE, MADV_HUGEPAGE);
}

static void op_pageout(struct region *r, unsigned int first, unsigned int n)
{
	madvise(r->map + first * TORTURE_PAGE, n * TORTURE_PAGE, torture_rand(4) ? MADV_PAGEOUT : MADV_COLD);
}

static void op_disk(struct region *r, unsigned int first, unsigned int n)
{
	if (r->kind != ON_DISK)
		return;
	fdatasync(r->fd);
	posix_fadvise(r->fd, first * TORTURE_PAGE, n * TORTURE_PAGE, POSIX_FADV_DONTNEED);
}

static void op_anew(struct region *r, unsigned int first, unsigned int n)
{
	enum kind kind = r->kind;

	(void)first;
	(void)n;
	if (r->fd >= 0)
		close(r->fd);
	make_region(r, kind);
}

static void op_join(struct region *r, unsigned int first, unsigned int n)
{
	(void)r;
	(void)first;
	(void)n;
	torture_join(t, torture_rand(NR_LIVED_IN));
}

/* What is written comes often, so that there is something for the others. */
static void (*const ops[])(struct region *r, unsigned int first, unsigned int n) = {
	op_write, op_write, op_write, op_write, op_check, op_check, op_check, op_punch, op_truncate, op_lock,
	op_fork, op_move, op_bind, op_protect, op_unmap, op_pageout, op_pageout, op_disk, op_join,
};

/* One object that all have mapped, each in a cgroup of its own: zeros, or what everybody writes there. */
static void common_round(void)
{
	unsigned int page = torture_rand(TORTURE_COMMON_PAGES);
	volatile uint64_t *at = (uint64_t *)(t->common + page * TORTURE_PAGE);
	uint64_t found;

	switch (torture_rand(8)) {
	case 0:
		fallocate(t->common_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * TORTURE_PAGE, TORTURE_PAGE);
		break;
	case 1:
		madvise(t->common + page * TORTURE_PAGE, TORTURE_PAGE, torture_rand(2) ? MADV_DONTNEED : MADV_PAGEOUT);
		break;
	case 2: case 3: case 4:
		at[9] = page + 77;
		break;
	default:
		found = at[9];
		if (found && found != page + 77)
			torture_bad(t, "common page %u: %lx", page, (long)found);
	}
}

static void round_of(struct region *r)
{
	unsigned int first = torture_rand(r->nr), most = r->nr - first, n;

	/* Small ones, and now and then all that is left. */
	n = torture_rand(8) ? 1 + torture_rand(128) : most;
	n = n < most ? n : most;
	if (torture_rand(200) == 0)
		op_anew(r, first, n);
	else
		ops[torture_rand(ARRAY_SIZE(ops))](r, first, n);
}

void torture_load(struct torture *torture)
{
	t = torture;
	self = getpid();
	for (int i = 0; i < NR_KINDS; i++) {
		regions[i].nr = MAX_PAGES;
		regions[i].map = reserve(MAX_PAGES);
		make_region(&regions[i], i);
	}
	while (!t->shared->stop) {
		if (torture_rand(8))
			round_of(&regions[torture_rand(NR_KINDS)]);
		else
			common_round();
		__atomic_add_fetch(&t->shared->rounds, 1, __ATOMIC_RELAXED);
	}
	for (int i = 0; i < NR_KINDS; i++)
		op_check(&regions[i], 0, regions[i].nr);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exactly the ranges that were wanted come back, and nothing beyond: POSIX_FADV_WILLNEED reads what it is told and no
 * more, in parts as large as the device's readahead at most, which is why it is asked for in small ones;
 * MADV_POPULATE_READ then waits for the pages, with MADV_RANDOM against readahead around a page that has gone again.
 * O_NOATIME: nobody's access time changes.
 */
#include "readback.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fileio.h"
#include "pins.h"
#include "pressure.h"
#include "refusal.h"
#include "shmobject.h"
#include "util.h"
#include "wanted.h"
#include "worker.h"

#define WINDOW_BYTES (1ULL << 20)
/* No device reads less ahead at a time, unless somebody has told it to. */
#define ASK_BYTES (128ULL << 10)
/* Left free below the owner's limits, for page tables and what others charge meanwhile. */
#define ROOM_BYTES (2ULL << 20)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

struct reader {
	struct mcr_readback *job;
	int *fds;		/* of the files, -EBADF: not open */
	int out_fd;
	uint64_t page;
	struct mcr_readback_report now;
};

static int tell(struct reader *r, enum mcr_readback_kind kind)
{
	r->now.kind = kind;
	return mcr_worker_report(r->out_fd, &r->now, sizeof(r->now));
}

/* ---- Opening ---- */

/* Is this the file that was meant, and one that can be read without asking anybody? */
static enum mcr_refusal check(int fd, const struct mcr_wanted_file *f)
{
	struct statx x;
	dev_t dev;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &x) < 0)
		return MCR_REFUSED_CHANGED;
	dev = makedev(x.stx_dev_major, x.stx_dev_minor);
	if (dev != f->dev && dev != f->stat_dev)
		return MCR_REFUSED_FILE_SYSTEM;	/* mapped through another, which is overlayfs */
	if (x.stx_ino != f->ino || !S_ISREG(x.stx_mode))
		return MCR_REFUSED_CHANGED;	/* another is mapped there by now */
	return x.stx_attributes & STATX_ATTR_DAX ? MCR_REFUSED_DAX : MCR_REFUSED_NOT;
}

/*
 * Through a mapping, which leads to the file without a step through any directory: neither an automount nor a dead
 * server can be on the way, nor a file that has been put in its place.  Looked at before it is opened.
 */
static enum mcr_refusal open_way(int proc_fd, const struct mcr_wanted_file *f, const struct mcr_wanted_way *way,
				 int *ret)
{
	auto_(closep) int look = -EBADF;
	enum mcr_refusal refusal;
	char path[96];

	snprintf(path, sizeof(path), "%d/map_files/%" PRIx64 "-%" PRIx64, (int)way->pid, way->start, way->end);
	look = openat(proc_fd, path, O_PATH | O_CLOEXEC);
	refusal = look < 0 ? MCR_REFUSED_CHANGED : check(look, f);
	if (refusal)
		return refusal;
	snprintf(path, sizeof(path), "self/fd/%d", look);
	*ret = openat(proc_fd, path, O_RDONLY | O_NOATIME | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return *ret < 0 ? MCR_REFUSED_UNREADABLE : MCR_REFUSED_NOT;
}

static enum mcr_refusal open_file(struct reader *r, size_t i)
{
	const struct mcr_wanted_file *f = &r->job->wanted->files[i];
	enum mcr_refusal refusal = MCR_REFUSED_CHANGED;

	for (size_t k = 0; refusal && k < f->n_ways; k++)
		refusal = open_way(r->job->proc_fd, f, &f->ways[k], &r->fds[i]);
	return refusal;
}

static int open_all(struct reader *r)
{
	struct rlimit limit;
	int result = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (size_t i = 0; result == 0 && i < r->job->wanted->n; i++) {
		r->fds[i] = -EBADF;
		if (r->job->wanted->files[i].refusal)
			continue;
		r->now = (struct mcr_readback_report){ .file = i, .refusal = open_file(r, i) };
		if (r->now.refusal)
			result = tell(r, MCR_READBACK_FILE);
	}
	return result;
}

/* ---- Reading ---- */

/* Why no more may be read now. */
static enum mcr_refusal stop_now(const struct mcr_readback *job)
{
	const struct mcr_pressure_limits limits = { job->pressure_max_centi, job->available_min_centi };
	struct mcr_pressure p;
	uint64_t room;

	if (mcr_headroom(job->owner_fd, &room) < 0)
		return MCR_REFUSED_OWNER_GONE;
	if (room < WINDOW_BYTES + ROOM_BYTES)
		return MCR_REFUSED_OWNER_LIMIT;
	if (mcr_pressure_read(job->proc_fd, &p) == 0 && mcr_pressure_exceeds(&p, &limits))
		return MCR_REFUSED_PRESSURE;
	return MCR_REFUSED_NOT;
}

static uint64_t count_present(const unsigned char *in_core, size_t pages)
{
	uint64_t n = 0;

	for (size_t i = 0; i < pages; i++)
		n += in_core[i] & 1;
	return n;
}

/* Has what is missing read: asks for it, or waits for it. */
static enum mcr_refusal read_missing(const struct reader *r, int fd, char *at, uint64_t offset,
				     const unsigned char *in_core, size_t pages, bool wait)
{
	size_t most = (wait ? WINDOW_BYTES : ASK_BYTES) / r->page, first, i = 0;

	while (i < pages) {
		for (first = i; i < pages && !(in_core[i] & 1) && i - first < most; i++)
			;
		if (i == first)
			i++;
		else if (!wait)
			posix_fadvise(fd, offset + first * r->page, (i - first) * r->page, POSIX_FADV_WILLNEED);
		else if (madvise(at + first * r->page, (i - first) * r->page, MADV_POPULATE_READ) < 0)
			return errno == EFAULT ? MCR_REFUSED_CHANGED : MCR_REFUSED_UNREADABLE;
	}
	return MCR_REFUSED_NOT;
}

/* A part of a range that lies within the file. */
static enum mcr_refusal read_window(struct reader *r, int fd, uint64_t offset, uint64_t len)
{
	unsigned char in_core[WINDOW_BYTES / 4096];
	size_t pages = (len + r->page - 1) / r->page;
	char *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, offset);
	enum mcr_refusal refusal;
	uint64_t before;

	if (at == MAP_FAILED)
		return MCR_REFUSED_UNREADABLE;
	madvise(at, len, MADV_RANDOM);
	if (mincore(at, len, in_core) < 0) {
		munmap(at, len);
		return MCR_REFUSED_UNREADABLE;
	}
	before = count_present(in_core, pages);
	r->now.present_bytes += before * r->page;
	refusal = read_missing(r, fd, at, offset, in_core, pages, false);
	if (!refusal)
		refusal = read_missing(r, fd, at, offset, in_core, pages, true);
	if (mincore(at, len, in_core) == 0 && count_present(in_core, pages) > before)
		r->now.read_bytes += (count_present(in_core, pages) - before) * r->page;
	munmap(at, len);
	return refusal;
}

static enum mcr_refusal read_range(struct reader *r, int fd, const struct mcr_range *range)
{
	enum mcr_refusal refusal = MCR_REFUSED_NOT;

	for (uint64_t done = 0; !refusal && done < range->len;) {
		uint64_t len = range->len - done < WINDOW_BYTES ? range->len - done : WINDOW_BYTES;
		struct stat st;

		if (fstat(fd, &st) < 0 || (uint64_t)st.st_size <= range->offset + done)
			return MCR_REFUSED_CHANGED;	/* cut off */
		refusal = stop_now(r->job);
		if (!refusal)
			refusal = read_window(r, fd, range->offset + done, len);
		done += len;
		if (tell(r, MCR_READBACK_FILE) < 0)
			_exit(1);
	}
	return refusal;
}

static int read_file(struct reader *r, size_t i)
{
	const struct mcr_wanted_file *f = &r->job->wanted->files[i];
	enum mcr_refusal refusal = MCR_REFUSED_NOT;

	if (r->fds[i] < 0)
		return 0;
	r->now = (struct mcr_readback_report){ .file = i };
	for (size_t k = 0; !refusal && k < f->n_ranges; k++)
		refusal = read_range(r, r->fds[i], &f->ranges[k]);
	r->now.refusal = refusal;
	return tell(r, MCR_READBACK_FILE);
}

int mcr_readback_run(void *readback, int out_fd)
{
	struct mcr_readback *job = readback;
	struct reader r = { .job = job, .out_fd = out_fd, .page = sysconf(_SC_PAGESIZE) };
	char byte;
	int result;

	/* Should the owner run out of memory after all, then it is us the kernel ends. */
	mcr_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
	r.fds = calloc(job->wanted->n + 1, sizeof(*r.fds));
	if (!r.fds)
		return -ENOMEM;
	result = open_all(&r);
	r.now = (struct mcr_readback_report){ 0 };
	if (result == 0)
		result = tell(&r, MCR_READBACK_READY);
	if (result < 0 || read(job->go_fd, &byte, 1) != 1)
		return result;
	for (size_t i = 0; result == 0 && i < job->wanted->n; i++)
		result = read_file(&r, i);
	r.now = (struct mcr_readback_report){ 0 };
	return result < 0 ? result : tell(&r, MCR_READBACK_DONE);
}

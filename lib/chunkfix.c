/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Putting back what was punched: by the one who punched it, or by whoever comes after.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cgroup.h"
#include "chunklog.h"
#include "fileio.h"
#include "hierarchy.h"
#include "tmpfs.h"
#include "util.h"

#define REPAIR_USEC MCR_USEC_PER_SEC	/* at a time, for a file system that is full */
#define LOCK_USEC (3 * MCR_USEC_PER_SEC)
#define GROW_CHUNKS 16			/* what other writers may take of what was added, at most */

static uint64_t page_up(uint64_t bytes)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static void punch(int fd, const struct mcr_extent *e)
{
	if (e->len)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, e->offset, e->len);
}

/* Steps over the rest of an extent that lies beyond the end by now. True if there was something to step over. */
static bool skip_cut_off(const struct mcr_chunk *c, int fd, uint64_t *at)
{
	uint64_t base = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	for (uint32_t i = 0; i < c->n_extents; base += c->extents[i++].len) {
		const struct mcr_extent *e = &c->extents[i];

		if (*at >= base + e->len)
			continue;
		if (e->offset + (*at - base) < page_up(st.st_size))
			return false;
		*at = base + e->len;
		return true;
	}
	return false;
}

/* Room for a page more: out of the reserve, or else by making the file system larger than it was by what is missing. */
static void find_room(struct mcr_chunklog *l, int fd, uint64_t missing)
{
	struct mcr_extent reserve = mcr_chunklog_reserve(l), last;
	uint64_t page = page_up(1), size;

	if (reserve.len) {
		reserve.len -= reserve.len > page ? page : reserve.len;
		last = (struct mcr_extent){ reserve.offset + reserve.len, page };
		punch(fd, &last);
		mcr_chunklog_set_reserve(l, &reserve);
		return;
	}
	if (mcr_tmpfs_size(fd, &size) < 0 || !size ||
	    (mcr_chunklog_fs_bytes(l) && size >= mcr_chunklog_fs_bytes(l) + GROW_CHUNKS * mcr_chunklog_capacity(l)))
		return;
	if (!mcr_chunklog_fs_bytes(l))
		mcr_chunklog_set_fs_bytes(l, size);
	mcr_tmpfs_resize(fd, size + page_up(missing));
}

int mcr_chunklog_settle(struct mcr_chunklog *l, int object_fd, char *map, uint64_t patience_usec)
{
	uint64_t at = 0, end = mcr_now_ns() + patience_usec * MCR_NSEC_PER_USEC;
	struct mcr_chunk c;
	bool cut = false;
	int r = mcr_chunklog_chunk(l, &c);

	if (r <= 0)
		return r;
	while ((r = mcr_chunklog_put_back(l, map, &at)) == -EFAULT) {
		if (skip_cut_off(&c, object_fd, &at)) {
			cut = true;
			continue;
		}
		if (mcr_now_ns() >= end)
			return -ENOSPC;
		find_room(l, object_fd, mcr_chunk_bytes(&c) - at);
	}
	return r < 0 ? r : cut;
}

#define LOST_BITS (S_ISUID | S_ISGID)

/* The times last: all else changes them. */
static int restore(int fd, const struct mcr_attributes *a)
{
	struct stat st;
	char caps[1];
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* Writing and punching take these bits away; all others may have been set by its owner meanwhile. */
	if ((a->mode & ~st.st_mode & LOST_BITS) && fchmod(fd, (st.st_mode | (a->mode & LOST_BITS)) & 07777) < 0)
		r = -errno;
	if (a->caps_len && fgetxattr(fd, "security.capability", caps, 0) < 0 &&
	    fsetxattr(fd, "security.capability", a->caps, a->caps_len, 0) < 0)
		r = -errno;
	if (futimens(fd, (struct timespec[]){ a->atime, a->mtime }) < 0)
		r = -errno;
	return r;
}

static int same_object(dev_t dev, uint64_t ino, int fd)
{
	struct stat st;

	if (fd < 0)
		return -EBADF;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == dev && st.st_ino == ino ? 0 : -ESTALE;
}

int mcr_chunklog_tidy(struct mcr_chunklog *l, int object_fd)
{
	struct mcr_attributes a;
	struct stat st;
	bool noted = mcr_chunklog_attributes(l, &a);
	int r = noted && object_fd >= 0 ? same_object(a.dev, a.ino, object_fd) : 0;

	if (r < 0)
		return r;
	struct mcr_extent reserve = mcr_chunklog_reserve(l);
	uint64_t size = mcr_chunklog_fs_bytes(l);

	if (reserve.len) {
		/* A file that has grown so far since has content there. */
		if (object_fd >= 0 && fstat(object_fd, &st) == 0 && (uint64_t)st.st_size <= reserve.offset)
			punch(object_fd, &reserve);
		mcr_chunklog_set_reserve(l, &(struct mcr_extent){ 0 });
	}
	if (size) {
		if (object_fd >= 0)
			mcr_tmpfs_resize(object_fd, size);
		mcr_chunklog_set_fs_bytes(l, 0);
	}
	if (noted && object_fd >= 0)
		r = restore(object_fd, &a);
	mcr_chunklog_clear_attributes(l);
	return r;
}

/* 0: there is nothing to put back any more. */
static int repair_chunk(struct mcr_chunklog *l, int object_fd)
{
	const struct mcr_extent *last;
	struct mcr_chunk c;
	size_t len;
	char *map;
	int r = mcr_chunklog_chunk(l, &c);

	if (r <= 0)
		return r;
	r = same_object(c.dev, c.ino, object_fd);
	if (r < 0)
		return r;
	if (c.n_extents) {
		last = &c.extents[c.n_extents - 1];
		len = last->offset + last->len;
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, object_fd, 0);
		if (map == MAP_FAILED)
			return -errno;
		r = mcr_chunklog_settle(l, object_fd, map, REPAIR_USEC);
		munmap(map, len);
	}
	if (r >= 0)
		mcr_chunklog_done(l);
	return r < 0 ? r : 0;
}

static int thaw(const struct mcr_hierarchy *h, uint64_t id)
{
	auto_(closep) int fd = mcr_cgroup_open_id(h, id);
	int r = fd < 0 ? fd : mcr_write_at(fd, "cgroup.freeze", "0");

	return r == -ESTALE || r == -ENOENT || r == -ENODEV ? 0 : r;	/* gone: nobody is frozen there */
}

static int thaw_all(struct mcr_chunklog *l, const struct mcr_hierarchy *h)
{
	int r = 0;

	for (size_t i = 0; i < mcr_chunklog_n_frozen(l); i++) {
		int e = thaw(h, mcr_chunklog_frozen(l, i));

		if (e < 0 && r == 0)
			r = e;
	}
	if (r == 0)
		mcr_chunklog_thawed(l);
	return r;
}

static int repair(struct mcr_chunklog *l, const struct mcr_hierarchy *h, int object_fd)
{
	bool dirty = mcr_chunklog_dirty(l);
	int r = repair_chunk(l, object_fd), thawed, tidied;

	if (r < 0)
		return r;
	tidied = mcr_chunklog_tidy(l, object_fd);
	thawed = thaw_all(l, h);
	if (thawed < 0)
		return thawed;
	return tidied < 0 ? tidied : dirty;
}

int mcr_chunklog_repair(struct mcr_chunklog *l, const struct mcr_hierarchy *h, int object_fd)
{
	int r = mcr_chunklog_lock(l, LOCK_USEC);

	if (r < 0)
		return r;
	r = repair(l, h, object_fd);
	mcr_chunklog_unlock(l);
	return r;
}

int mcr_chunklog_give_up(struct mcr_chunklog *l, const struct mcr_hierarchy *h, int object_fd)
{
	int r = mcr_chunklog_lock(l, LOCK_USEC);

	if (r < 0)
		return r;
	mcr_chunklog_done(l);
	if (mcr_chunklog_tidy(l, object_fd) < 0)
		mcr_chunklog_tidy(l, -EBADF);	/* it is another object: there is nothing to be tidied */
	r = thaw_all(l, h);
	mcr_chunklog_unlock(l);
	return r;
}

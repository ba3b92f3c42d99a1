/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of a rewrite: what is about to be punched out of an object of shared memory, and which cgroups are frozen
 * meanwhile.  Whoever comes after a SIGKILL, at whatever instruction, puts all back with mcr_chunklog_repair().
 *
 * It lives in a memfd (the store), all of whose pages are there before it is used: writing to it neither fails nor
 * charges anybody.  The store survives whoever writes to it as long as somebody else keeps a descriptor of it and one of
 * the object (systemd's fd store).  A file on a tmpfs can be the store as well; what a descriptor does besides
 * (a lease, a fanotify group) is then lost with its process.
 *
 * One writer at a time, by a lock on the store that ends with the process: a mover that was killed may die later than
 * its parent.  The order that keeps the promise:
 *
 *	mcr_chunklog_freezing()		before cgroup.freeze is written
 *	mcr_chunklog_set_attributes()	before anything is punched or allocated
 *	mcr_chunklog_set_reserve()	before it is allocated
 *	mcr_chunklog_save()		content and checksum are in the store, and only then does the record count
 *	(punch, write back, compare)
 *	mcr_chunklog_done()		from here on the content belongs to its users again
 *	mcr_chunklog_tidy()		what was allocated, and the attributes
 *	mcr_chunklog_thawed()		after cgroup.freeze was written
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct mcr_hierarchy;
struct mcr_chunklog;

#define MCR_CHUNKLOG_EXTENTS 128	/* ranges of one chunk */
#define MCR_CHUNKLOG_CGROUPS 64		/* frozen at a time */

struct mcr_extent {
	uint64_t offset, len;
};

/* What is saved before it is punched. */
struct mcr_chunk {
	dev_t dev;
	uint64_t ino;
	struct mcr_extent extents[MCR_CHUNKLOG_EXTENTS];	/* ascending */
	uint32_t n_extents;
};

/* What punching and allocating change besides: times, file capabilities, and the mode of one without CAP_FSETID. */
struct mcr_attributes {
	dev_t dev;
	uint64_t ino;
	struct timespec atime, mtime;
	uint32_t mode;
	uint32_t caps_len;			/* 0: it has none */
	char caps[64];
};

/* Bytes of all its extents. */
uint64_t mcr_chunk_bytes(const struct mcr_chunk *c);

/*
 * Makes a store for chunks of up to capacity bytes, and opens it. 0; errno of making the memfd or of allocating
 * its pages, which are charged to the caller.
 */
int mcr_chunklog_new(size_t capacity, struct mcr_chunklog **ret);

/* Opens a store that somebody made; takes a copy of the descriptor.  0, -EBADMSG when it is none, or errno. */
int mcr_chunklog_open(int fd, struct mcr_chunklog **ret);

struct mcr_chunklog *mcr_chunklog_free(struct mcr_chunklog *l);
static inline void mcr_chunklog_freep(struct mcr_chunklog **l)
{
	*l = mcr_chunklog_free(*l);
}

/* The store's descriptor, for keeping it elsewhere; lives as long as l. */
int mcr_chunklog_fd(const struct mcr_chunklog *l);
size_t mcr_chunklog_capacity(const struct mcr_chunklog *l);

/*
 * Takes the store for this process (not for its children), waiting up to wait_usec for another to end. 0, -EBUSY, or errno.
 * mcr_chunklog_repair() does so by itself.
 */
int mcr_chunklog_lock(struct mcr_chunklog *l, uint64_t wait_usec);
void mcr_chunklog_unlock(struct mcr_chunklog *l);

/*
 * Saves the extents' content, read through map, where the object is mapped from its offset 0 on.
 * 0; -E2BIG: more than the capacity or the extents there are; -EBUSY: there is a chunk already; -EFAULT: the object ends before an
 * extent does. On failure nothing is saved.
 */
int mcr_chunklog_save(struct mcr_chunklog *l, const struct mcr_chunk *c, const char *map);

/* The chunk that is saved: 1 and *ret; 0: none; -EBADMSG: there is one, but its checksums are wrong. */
int mcr_chunklog_chunk(const struct mcr_chunklog *l, struct mcr_chunk *ret);

/*
 * Copies the saved content to where it came from, through a mapping of the object.  What lies beyond the object's end by now is
 * left out, by the kernel, and never makes the object longer. Goes on at *at (bytes of the chunk; 0 at first).
 * 0: all is there; -EFAULT: the kernel could not provide a page at *at: file system full, or the object ends.
 */
int mcr_chunklog_put_back(const struct mcr_chunklog *l, char *map, uint64_t *at);

/* Compares the saved content with the object's. 0; -EILSEQ: it differs; -ENODATA: the object ends before; or errno. */
int mcr_chunklog_compare(const struct mcr_chunklog *l, int object_fd);

/* The chunk is where it belongs. */
void mcr_chunklog_done(struct mcr_chunklog *l);

/* Notes a cgroup that is about to be frozen. 0, or -ENOSPC after MCR_CHUNKLOG_CGROUPS of them. */
int mcr_chunklog_freezing(struct mcr_chunklog *l, uint64_t cgroup_id);

/* All of them are thawed. */
void mcr_chunklog_thawed(struct mcr_chunklog *l);

/* Those that are noted: how many, and the i-th. */
size_t mcr_chunklog_n_frozen(const struct mcr_chunklog *l);
uint64_t mcr_chunklog_frozen(const struct mcr_chunklog *l, size_t i);

/* Notes what the object's attributes are to be afterwards. 0 or errno. */
int mcr_chunklog_set_attributes(struct mcr_chunklog *l, int object_fd);

/* They are as they were. */
void mcr_chunklog_clear_attributes(struct mcr_chunklog *l);

/* 1 and *ret, or 0: none are noted. */
int mcr_chunklog_attributes(const struct mcr_chunklog *l, struct mcr_attributes *ret);

/*
 * What is allocated beyond the object's end, so that there is something to give back when its file system is full;
 * len 0: nothing.
 */
void mcr_chunklog_set_reserve(struct mcr_chunklog *l, const struct mcr_extent *reserve);
struct mcr_extent mcr_chunklog_reserve(const struct mcr_chunklog *l);

/* The size the object's file system had before it was made larger; 0: it was not. */
void mcr_chunklog_set_fs_bytes(struct mcr_chunklog *l, uint64_t bytes);
uint64_t mcr_chunklog_fs_bytes(const struct mcr_chunklog *l);

/* Is there a chunk?  Nothing is checked; for looking on. */
bool mcr_chunklog_saved(const struct mcr_chunklog *l);

/* Is there something to repair? */
bool mcr_chunklog_dirty(const struct mcr_chunklog *l);

/*
 * Puts the chunk where it belongs, with patience: when the object's file system is full the reserve is given back
 * page by page, then the file system is made larger by what is missing, for up to patience_usec.
 * map: the object from its offset 0 to the end of the chunk.  The chunk stays on record.
 * 0; 1: all that is not beyond the object's end, which is nearer than it was; -ENOSPC: not all is there yet, call again;
 * or errno.
 */
int mcr_chunklog_settle(struct mcr_chunklog *l, int object_fd, char *map, uint64_t patience_usec);

/*
 * Gives back the reserve, makes the file system as small as it was unless more is in use by now, and restores
 * the attributes. 0, or errno of these; what could not be restored is not noted any more.  -ESTALE: it is another object, and
 * nothing is done; with object_fd < 0 all of it is forgotten.
 */
int mcr_chunklog_tidy(struct mcr_chunklog *l, int object_fd);

/*
 * Puts everything back, any number of times, whoever died before: the chunk, the reserve, the object's attributes; then thaws.
 * object_fd is open for reading and writing; -1 where there is no object any more (its reserve and attributes are forgotten then).
 * 1: there was something; 0: there was not.
 * -ESTALE: object_fd is another object; -EBADF: it is needed; -ENOSPC: its file system is full (call again); in these cases the
 * chunk stays and nobody is thawed: they would read a hole.
 * -EBADMSG: the chunk cannot be trusted. It stays for a person to look at, and nobody is thawed before
 * it was copied: mcr_chunklog_give_up().
 * -EBUSY: somebody is writing to it, and goes on doing so for seconds (one that was killed, and is in the kernel).
 * Another errno: something could not be put back or thawed (call again).
 */
int mcr_chunklog_repair(struct mcr_chunklog *l, const struct mcr_hierarchy *h, int object_fd);

/*
 * Lets go of what cannot be put back: forgets the chunk, gives back the reserve and restores attributes where object_fd (or -1) allows
 * it, thaws all. Only when a copy of the store is kept elsewhere: users will read what is in the object now.
 * 0; -EBUSY: somebody is writing to it; or errno of thawing (call again).
 */
int mcr_chunklog_give_up(struct mcr_chunklog *l, const struct mcr_hierarchy *h, int object_fd);

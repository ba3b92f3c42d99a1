/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One object of shared memory: a file on a tmpfs, a memfd, a SysV segment, shared anonymous memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

struct mcr_shmobject {
	int fd;			/* open for reading and writing, by us, for this purpose */
	dev_t dev;
	ino_t ino;
	off_t size;
	bool internal;		/* no tmpfs that is mounted: opening it by name is impossible, and a lease proves nothing */
	bool limited;		/* its file system has a size */
};
#define MCR_SHMOBJECT_INIT { .fd = -EBADF }

/*
 * Opens the object anew that path leads to: a file, /proc/PID/fd/N, /proc/PID/map_files/RANGE.  The open file must be nobody
 * else's, so that users can be told from ourselves.  0 and *ret (close with mcr_shmobject_close());
 * 1: *ret_refusal says why not; -ENOENT and others of opening it.
 */
int mcr_shmobject_open(const char *path, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);

/* The same for a SysV segment, which is attached for a moment. -EINVAL or -EIDRM: there is none with this id. */
int mcr_shmobject_open_sysv(int shmid, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);

/*
 * The same two for reading alone: whatever its seals, a read-only mount or programs that run from it forbid, its content can
 * be read.  The descriptor takes no lease and writes nothing.
 */
int mcr_shmobject_open_to_read(const char *path, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);
int mcr_shmobject_open_sysv_to_read(int shmid, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);

/* The same for a descriptor that mcr_shmobject_open() gave and somebody kept; takes it over. */
int mcr_shmobject_adopt(int fd, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);

/* What its seals forbid; they can be added at any time. */
enum mcr_refusal mcr_shmobject_seals(int fd);

void mcr_shmobject_close(struct mcr_shmobject *o);

/* Makes *room smaller where this cgroup alone reaches memory.max or memory.high before. 0 or errno; -ENOENT: it has no limits. */
int mcr_headroom_here(int cgroup_fd, uint64_t *room);

/*
 * Bytes that can be charged to this cgroup before it or one above reaches memory.max or memory.high; UINT64_MAX: no limit.
 * 0 or errno.
 */
int mcr_headroom(int cgroup_fd, uint64_t *ret);

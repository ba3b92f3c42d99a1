/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One live cgroup, named by its id.  A path can come to mean another cgroup at any moment; an id
 * (the kernfs node's 64-bit number, what stat calls the inode) never does within one boot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_hierarchy;

/*
 * Opens the directory of the live cgroup with this id. Returns the fd, which the caller closes;
 * -ESTALE or -ENOENT when no live cgroup has it; -EPERM without CAP_DAC_READ_SEARCH.
 */
int mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);

/*
 * Opens by path below the root ("/system.slice/x.service"), or with the mount point in front; refuses "..".
 * fd or errno.
 */
int mcr_cgroup_open_path(const struct mcr_hierarchy *h, const char *path);

/* The id of an open cgroup directory. 0 or errno. */
int mcr_cgroup_id(int fd, uint64_t *ret);

/*
 * Its path below the root ("/" for the root), allocated.  0, -ENOMEM, or -ENOENT when it was
 * removed.  Only for showing to people and for choosing policy: act by fd.
 */
int mcr_cgroup_path(const struct mcr_hierarchy *h, int fd, char **ret);

/* 1 or 0: are there processes in it or below? -ENODEV when it was removed, or another errno. */
int mcr_cgroup_populated(int fd);

/*
 * Calls visit with each live child, opened, and its name; the fd is closed afterwards.  Children that vanish meanwhile are
 * passed over. 0, what visit returned when that was not 0, or errno of reading the directory.
 */
int mcr_cgroup_children(int fd, int (*visit)(int child_fd, const char *name, void *userdata), void *userdata);

/* Number of live cgroups below it. 0 or errno. */
int mcr_cgroup_descendants(int fd, uint64_t *ret);

/* How many below it, at any depth, were removed and are not gone. 0 or errno. */
int mcr_cgroup_dying_descendants(int fd, uint64_t *ret);

/*
 * Brings the counters of a cgroup and all below it up to date.  memory.stat alone may lag by 64 pages
 * per CPU or two seconds (6.1); reading cpu.stat flushes without condition.
 */
void mcr_cgroup_flush_stats(int fd);

/* What user pages and swap it is charged, from memory.stat, flushed; kernel memory is left out: it does not pin. */
struct mcr_charge {
	uint64_t file_bytes;		/* page cache, shmem_bytes included */
	uint64_t shmem_bytes;		/* tmpfs, shared memory */
	uint64_t anon_bytes;
	uint64_t dirty_bytes;		/* dirty or under writeback */
	uint64_t mapped_bytes;		/* of files and shared memory, in page tables of any process */
	uint64_t swap_bytes;
	uint64_t swapcache_bytes;	/* in memory and in swap, on their way; in file_bytes they are not */
};
/* 0, -ENODEV when it was removed, or another errno. */
int mcr_cgroup_charge(int fd, struct mcr_charge *ret);

/*
 * Removes the live cgroup with this id, after checking that its name still leads to it.
 * 0; -ESTALE or -ENOENT: gone already; -EBUSY: in use, or wanted back; or another errno.
 */
int mcr_cgroup_remove(const struct mcr_hierarchy *h, uint64_t id);

/* The cgroup of the process whose directory in /proc this is, as the caller sees it; allocated. NULL: it has ended, or no memory. */
char *mcr_cgroup_of_process(int proc_pid_fd);

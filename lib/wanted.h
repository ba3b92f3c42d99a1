/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What live processes want of the page cache that is charged to memcgs which are dead or about to go: the pages they
 * have in their page tables.  Whoever reclaims them takes them from these processes, each of which would read them
 * from disk again.
 *
 * Files that are merely open are left out: nothing tells which of their pages anybody will read again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

struct mcr_pins;
struct mcr_range;

#define MCR_WANTED_WAYS 4

/* A mapping of the file by a process, through which it can be opened: /proc/PID/map_files/START-END. */
struct mcr_wanted_way {
	pid_t pid;
	uint64_t start, end;
};

struct mcr_wanted_file {
	dev_t dev;		/* of its file system, as in /proc/PID/maps */
	dev_t stat_dev;		/* what stat() calls st_dev */
	uint64_t ino;
	uint64_t magic;		/* of its file system */
	char *name;		/* as mcr_pin.name; NULL: not known */
	struct mcr_range *ranges;	/* mapped, and charged there: ascending, apart from each other */
	size_t n_ranges, size;
	uint64_t bytes;		/* the sum of them */
	struct mcr_range *cached;	/* all that is charged there */
	size_t n_cached;
	struct mcr_wanted_way ways[MCR_WANTED_WAYS];
	size_t n_ways;
	enum mcr_refusal refusal;	/* why it is not read back: mcr_wanted_judge() */
};

struct mcr_wanted {
	struct mcr_wanted_file *files;	/* by inode; none without ranges */
	size_t n;
	uint64_t bytes;
	size_t cgroups;		/* in which somebody wants some of it */
	bool complete;		/* false: some processes could not be looked into, or there were too many ranges */
};

struct mcr_wanted *mcr_wanted_free(struct mcr_wanted *w);
static inline void mcr_wanted_freep(struct mcr_wanted **w)
{
	*w = mcr_wanted_free(*w);
}

/*
 * Looks at the address space of every process below proc ("/proc") but the caller's own, for files among the pins of
 * n memcgs (NULL where there is none).  Bounded by 65,536 ranges; beyond, it is not complete.
 * 0 and *ret (free with mcr_wanted_free()); -ENOMEM, or errno of opening proc.
 */
int mcr_wanted_note(const char *proc, struct mcr_pins *const *pins, size_t n, struct mcr_wanted **ret);

/*
 * May a file of this file system be read back?  Only where reading asks nobody but a disk of this machine; decided by
 * what the kernel said of it, without touching the file.  MCR_REFUSED_NOT, FUSE, NETWORK_FS or FILE_SYSTEM.
 */
enum mcr_refusal mcr_wanted_judge(uint64_t magic, dev_t dev);

/* Puts [offset, offset + len) among ascending ranges that are apart, joining what touches. 0 or -ENOMEM. */
int mcr_ranges_put(struct mcr_range **ranges, size_t *n, size_t *size, uint64_t offset, uint64_t len);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shielded reclaim: take memory from the dying children of a live cgroup and from nobody else.
 *
 * The kernel has no file for a dead cgroup, but reclaim on its live ancestor visits it, and what
 * is dead has no protection.  So for a moment every live child of the ancestor gets memory.min=max,
 * memory.reclaim is written to the ancestor, and every memory.min gets its old value back.
 *
 * While it lasts, reclaim started further up is not hindered: protection counts against what the
 * ancestor itself is guaranteed (its own memory.min, usually 0).  Only the ancestor's own memory.max
 * or memory.high would find nothing to take: where one is near, the shield is refused.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_hierarchy;

/* Name of the journal of protections that must be put back; see restore.h. */
#define MCR_SHIELD_JOURNAL "restore.shield"

struct mcr_shield_opts {
	uint64_t step_bytes;	/* per write; 0: 32 MiB */
	uint64_t max_bytes;	/* in all, asked for; must not be 0 */
	int journal_dir_fd;	/* where the journal is kept, on a file system that survives us */
	int proc_fd;		/* /proc, to watch memory pressure; stops when it rises */
	unsigned int pressure_max_centi;
	unsigned int available_min_pct;
};

struct mcr_shield_result {
	uint64_t dying_before, dying_after;	/* below the ancestor, from cgroup.stat */
	uint64_t freed_bytes;			/* by the ancestor's counter */
	uint64_t lost_bytes;			/* taken from live children meanwhile, by their own counters */
	uint64_t worst_lost_id;			/* the child that lost most; 0: none lost anything */
	uint64_t worst_lost_bytes;
	unsigned int shielded;			/* live children */
	unsigned int writes;
	bool partial;				/* nothing unprotected was left (EAGAIN) */
	bool stopped;				/* by rising memory pressure */
};

/*
 * One shielded reclaim of the live cgroup with this id.  Blocks: call it in a worker.
 * 0 and *ret; -EAGAIN: refused, because the cgroup's own limit is too near; -ENODEV, -ESTALE: it is
 * gone; -ENOSPC and others: the journal could not be written, nothing was touched; or another
 * errno.  In every case all protections are put back, or the journal is still there.
 */
int mcr_shield_reclaim(const struct mcr_hierarchy *h, uint64_t ancestor_id, const struct mcr_shield_opts *opts,
		       struct mcr_shield_result *ret);

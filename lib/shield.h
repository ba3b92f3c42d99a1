/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shielded reclaim: take memory from the dying children of a live cgroup and from nobody else.
 *
 * The kernel has no file for a dead cgroup, but reclaim on its live ancestor visits it, and what
 * is dead has no protection.  So for a moment every live child of the ancestor is protected by its
 * memory.min, memory.reclaim is written to the ancestor, and every value is put back.
 *
 * Three things the kernel makes of that, all found by trying (see ARCHITECTURE.md):
 * - The protection given is twice the usage, not "max": with "max" the share of grandchildren
 *   overflows 64 bits in effective_protection().
 * - A protected cgroup that meets its own memory.max cannot reclaim from itself and is OOM-killed.
 *   Where any live cgroup below is near its limit, the shield is refused.
 * - Before 6.2 the protection in effect outlives its setting: it is only worked out anew when an
 *   ancestor is reclaimed.  So one page is reclaimed in the end, from a decoy made for that, while
 *   memory.low keeps everybody else out of it.
 * Reclaim started further up is not hindered: protection counts against what the ancestor itself is
 * guaranteed (its own memory.min, usually 0).
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
	unsigned int available_min_centi;
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
 * Puts back what a shield that was killed has changed. 1 when there was something, 0 when not, -EBUSY
 * when a shield is at work, or errno.
 */
int mcr_shield_recover(const struct mcr_hierarchy *h, int journal_dir_fd);

/*
 * One shielded reclaim of the live cgroup with this id, a second at most.  Blocks: call it in a worker.
 * 0 and *ret; -EAGAIN: refused, because it or a cgroup below is near its limit; -EBUSY: another shield is at work; -ENODEV, -ESTALE: it is
 * gone; -ENOSPC and others: the journal could not be written, nothing was touched; or another
 * errno.  In every case all protections are put back, or the journal is still there.
 */
int mcr_shield_reclaim(const struct mcr_hierarchy *h, uint64_t ancestor_id, const struct mcr_shield_opts *opts,
		       struct mcr_shield_result *ret);

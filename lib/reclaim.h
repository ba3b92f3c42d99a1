/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded memory.reclaim on one cgroup.
 *
 * A write to memory.reclaim may block for long and has no timeout: call this in a worker process
 * that can be killed (worker.h), never in an event loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_reclaim_opts {
	uint64_t step_bytes;	/* asked for per write; 0: 32 MiB */
	uint64_t max_bytes;	/* asked for in all; 0: no more than the cgroup's usage when called */
	bool only_empty;	/* stop with -EBUSY as soon as there are processes in it */
	bool swappiness_key;	/* the kernel takes "swappiness=0" (mcr_reclaim_has_swappiness()) */
};

struct mcr_reclaim_result {
	uint64_t freed_bytes;	/* by the cgroup's own counter, before less after; never below 0 */
	uint64_t left_bytes;	/* its counter afterwards */
	unsigned int writes;
	bool partial;		/* the kernel found less than asked for (EAGAIN): no failure */
};

/*
 * Reclaims step by step until the kernel finds nothing more, max_bytes were asked for, or the usage is 0.
 * 0 and *ret, also when nothing could be freed (partial); -ENODEV: the cgroup was removed;
 * -EBUSY: populated, see only_empty; -ENOENT: no memory.reclaim (before 5.19); -EINTR: a signal came; or another errno of write.
 */
int mcr_reclaim(int cgroup_fd, const struct mcr_reclaim_opts *opts, struct mcr_reclaim_result *ret);

/*
 * Does this kernel take "swappiness=" in memory.reclaim (6.9 and later)?  Found by asking a live
 * cgroup for zero bytes, which reclaims nothing. 1, 0, or errno.
 */
int mcr_reclaim_has_swappiness(int cgroup_fd);

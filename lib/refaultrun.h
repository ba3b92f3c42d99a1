/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a request to recharge that is about page cache: what is wanted of a cgroup that is dead or about to go
 * is evicted, and read back by its owner (refault.h).
 *
 * An empty cgroup is drained.  What is dead has no files to be drained by: its nearest live ancestor is reclaimed
 * under a shield (shield.h), and that takes from all that is dead there.  So what is wanted of all of these is noted,
 * and comes back to this owner.
 */
#pragma once

#include <stdint.h>

struct json_object;
struct mcr_recharge_opts;
struct mcr_recharge_request;

struct mcr_refault_outcome {
	uint64_t moved_bytes;	/* charged to the owner */
	uint64_t left_bytes;	/* wanted, and not moved: still where it was, or charged to whoever faulted it */
	uint64_t shield_bytes;	/* that shielded reclaim was asked for */
	const char *why_not;	/* static; NULL: nothing stood against it */
};

/*
 * Appends an object for all that is wanted, and one for each file that is not read back (16 at most). Nothing is
 * done, and nothing appended, where nothing is wanted, processes are in the cgroup, or q->evict_max_bytes is 0. 0 and
 * *ret, or errno; -ESTALE: it is gone, and nothing holds it.
 */
int mcr_refault_memcg(const struct mcr_recharge_opts *o, const struct mcr_recharge_request *q, int owner_fd,
		      struct json_object *objects, struct mcr_refault_outcome *ret);

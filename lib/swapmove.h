/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves shared memory by way of swap: pushed out while its cgroup is online, read back by a process in the owner's
 * cgroup once that cgroup is removed.  An entry in swap belongs to its cgroup as long as that is online; afterwards
 * the kernel charges whoever brings it back.
 *
 * Nobody is frozen, nothing is written, and the content is in the kernel's hands all the time: whoever is killed in
 * between, it stays where it is, and comes back when somebody asks for it (and pays).
 *
 * Both halves block, for as long as the device is slow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"

struct mcr_range;

/*
 * Bytes that may be pushed out of this cgroup: what is free in swap, less a quarter of all swap, which is kept for
 * others, and not over memory.swap.max or memory.swap.high of the cgroup or one above. 0 and *ret (0: no swap is on),
 * or errno.
 */
int mcr_swap_room(int cgroup_fd, uint64_t *ret);

/*
 * Is there little enough memory pressure, and this much memory to be had, to begin swapping?  The limits are those
 * that PressureMaxPct= and AvailableMinPct= have by default.  Not asked again on the way: what we do is memory
 * pressure itself.
 */
bool mcr_swap_is_quiet(uint64_t bytes);

/* Can swap do what rewriting was refused for?  Not what the kernel pins, or what is no memory of this kind. */
bool mcr_swap_helps(enum mcr_refusal refusal);

struct mcr_swap_out_result {
	uint64_t out_bytes;		/* that swap has more of it than before */
	uint64_t left_bytes;		/* still in memory: locked, in use all the time, or held by the kernel */
	enum mcr_refusal refusal;	/* why nothing (more) was tried */
	unsigned int writes;
};

/*
 * Pushes out what an empty cgroup is charged, step by step, until nothing is left, nothing more goes, max_usec are
 * over (0: 20 s), or there is no room.  0 and *ret, also when something is left; -EBUSY: there are processes in it;
 * -ENODEV: it was removed meanwhile, and *ret says how far it came; or errno.
 */
int mcr_swap_out(int cgroup_fd, uint64_t max_usec, struct mcr_swap_out_result *ret);

struct mcr_swap_in_result {
	uint64_t read_bytes;		/* of the ranges */
	uint64_t moved_bytes;		/* by which the owner is charged more shared memory; at most read_bytes */
	enum mcr_refusal refusal;	/* why not all was read */
	int cpu;			/* on which it was freed from swap; -1: nothing was read */
};

/*
 * Reads the ranges of the object (open for reading) by a process in the owner's cgroup, as far as there is room below
 * the limits of the owner and all above it; on this CPU, if it may, or (-1) wherever it starts. Holes stay holes. 0:
 * all was read; 1: ret->refusal says why not; -ECANCELED: the reader died (the owner was out of memory) or hung; or
 * errno. *ret is always set.
 */
int mcr_swap_in(int owner_fd, int object_fd, const struct mcr_range *ranges, size_t n, int cpu,
		struct mcr_swap_in_result *ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recharging by way of swap, object by object, for rechargerun.c: of a cgroup that is about to be removed, out,
 * removal, and back in by the owner (swapmove.h); of a zombie, back in what it has in swap already.
 *
 * Who removes the cgroup is somebody else, who is told when all is out; so there is one request, and no state but the
 * wait for that.  Whoever is killed on the way leaves a live cgroup or a zombie with entries in swap; both are found
 * again, and served like any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

struct mcr_hierarchy;
struct mcr_holderwalk;
struct mcr_pin;
struct mcr_pins_walker;
struct mcr_range;

struct mcr_swap_object {
	const char *kind;		/* static */
	char *name;			/* NULL: not known */
	dev_t dev;
	ino_t ino;
	int fd, owner_fd;
	enum mcr_refusal because;	/* of rewriting; MCR_REFUSED_NOT: it was in swap anyway */
	uint64_t bytes;			/* in memory and in swap, as last seen */
	struct mcr_range *ranges;	/* in swap, as last seen */
	size_t n_ranges;
	uint64_t stays_bytes;		/* in memory, as last seen */
	/* What came of it. */
	uint64_t moved_bytes;
	enum mcr_refusal refusal;
	int error;			/* errno, or 0 */
};

struct mcr_swaprun {
	const struct mcr_hierarchy *h;
	struct mcr_pins_walker *walker;
	struct mcr_holderwalk *walk;	/* makes sure of an object's inode; the caller's; NULL: its numbers must do */
	uint64_t cgroup_id;
	/* Called when all that goes is out: the cgroup may be removed now. 0, or an errno that ends the matter. */
	int (*out)(void *userdata);
	void *userdata;
	uint64_t wait_usec;		/* for the removal; 0: 10 s */

	struct mcr_swap_object *objects;
	size_t n;
	uint64_t out_bytes, stay_bytes;	/* of the cgroup: out, and in memory all the same */
	uint64_t left_entries;		/* that CPUs keep all the same; UINT64_MAX: nobody can tell */
	unsigned int cpus_flushed;
};

/*
 * Adds an object of a pin of the cgroup; opens it, and takes owner_fd over. 0; 1: *ret_refusal says why not (no room
 * in swap, or at the owner); or errno: there is no way to it.
 */
int mcr_swaprun_add(struct mcr_swaprun *s, const struct mcr_pin *p, int owner_fd, enum mcr_refusal because,
		    enum mcr_refusal *ret_refusal);

/*
 * Could it be added to what is there?  The same without opening anything. dead: it only comes back in. 0, or 1 and
 * *ret_refusal, or errno.
 */
int mcr_swaprun_room(const struct mcr_swaprun *s, const struct mcr_pin *p, int owner_fd, bool dead,
		     enum mcr_refusal *ret_refusal);

/*
 * Moves all that was added; blocks for as long as it takes. Each object has what came of it.  0, or errno: nothing
 * was tried.
 */
int mcr_swaprun_go(struct mcr_swaprun *s);

void mcr_swaprun_done(struct mcr_swaprun *s);

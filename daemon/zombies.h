/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon knows of each zombie from one census to the next: since when it has been seen,
 * how often it was tried, and whether it is pinned.  No loop, no kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_census;
struct mcr_zombie;

/* Longer reasons are cut. */
#define KNOWN_WHY_MAX 120

struct known {
	uint64_t id;
	uint64_t since_ns;	/* removed, or first seen */
	uint64_t refs;		/* when it was last tried */
	uint64_t tried_ns;
	unsigned int tries;	/* rounds that did not rid us of it */
	uint64_t looked_refs;	/* when its pins were looked at */
	bool looked;
	bool untold;		/* pinned, and not yet told of */
	char why[KNOWN_WHY_MAX];	/* the pin that holds most; "": not known */
	unsigned int main_pin;		/* enum mcr_pin_kind; of meaning where there is a why */
	uint64_t main_pin_bytes;
	uint64_t recharge_refs;	/* when it was last given to be recharged */
	uint64_t recharge_ns;	/* and when that was; 0: never */
	uint64_t wanted_bytes;		/* of its page cache, mapped by live users; of meaning when known */
	uint64_t waits_since_ns;	/* with that, until it was looked at and recharged; 0: it does not */
	bool wants_look, in_look, wanted_known, refaulted;
	bool swappable;		/* has memory to be recharged that a round would push to swap, and charge to its ancestor */
	bool since_exact;
	bool pinned;
	bool told_dry;		/* what would be done with it was told of */
	bool told;		/* its being there was told of */
	bool seen;		/* in the census at hand */
	bool trying;		/* part of the round under way */
	bool tried;		/* its anchor was reclaimed in that round */
	bool unreclaimed;	/* reclaim is refused at its anchor, or not wanted by policy: recharging may still help */
};

struct zombie_table {
	struct known *at;	/* by id */
	size_t n;
};

struct zombie_times {
	uint64_t grace_ns;
	uint64_t pinned_retry_ns;
};

/*
 * Rounds after which a zombie that is still there is called pinned.  What ext4 keeps in its journal
 * goes with the second or third: the buffers must be written, committed past, and reclaimed.
 */
#define ZOMBIE_TRIES_MAX 3

/*
 * Takes over a new census: forgets who is gone, enters who is new.  *ret_gone counts those that were
 * zombies (past the grace period) and are gone. 0 or -ENOMEM (the table is as it was).
 */
int zombies_update(struct zombie_table *t, const struct mcr_census *census, const struct zombie_times *times,
		   uint64_t now_ns, size_t *ret_gone);

struct known *zombies_find(const struct zombie_table *t, uint64_t id);
void zombies_clear(struct zombie_table *t);

/* Past the grace period? */
bool zombie_is_due(const struct known *k, const struct zombie_times *times, uint64_t now_ns);

/* Should it be tried now: due, and not pinned, or pinned long enough ago, or changed since. */
bool zombie_worth_trying(const struct known *k, const struct mcr_zombie *z, const struct zombie_times *times,
			 uint64_t now_ns);

/* It was tried and is still there. */
void zombie_survived(struct known *k, const struct mcr_zombie *z, uint64_t now_ns);

/* Why it is still there: the pin that holds most, or what its counters tell. Lives as long as k, or is static. */
const char *zombie_why(const struct known *k, const struct mcr_zombie *z);

/* Why it is still there, as far as its counters tell; static. */
const char *zombie_reason(const struct mcr_zombie *z, bool tried);

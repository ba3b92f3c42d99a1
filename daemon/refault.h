/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page cache that live users have mapped, of cgroups whose policy has their memory recharged: given to memcg-recharge
 * before a drain or a round takes it, because only before it is known what is wanted.  So is, where there is swap, the
 * shared memory of zombies: a round would push it there, and the kernel charge it to a live ancestor, who never had it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Less is left to be faulted by who wants it: what memcg-recharge reads to start is as much (its program alone: 550
 * KiB).
 */
#define REFAULT_MIN_BYTES (512ULL << 10)

struct manager;
struct mcr_charge;

/* Is enough of this empty cgroup's page cache in page tables? They are others', as it has no processes. */
bool refault_held_wants(const struct mcr_charge *c);

/* The ancestors of zombies whose page cache is being looked at or recharged first: no round must take it. */
struct refault_waits {
	uint64_t *anchors;	/* ascending */
	size_t n;
};

/*
 * Looks which zombies have to wait, and asks for those of which it is known that something is wanted.  None waits for
 * more than ten minutes to be looked at and asked for, and then until there is an answer or none is expected any more
 * (recharges_expire()); nor where nobody can be asked; and none for longer because of others below the same ancestor.
 * 0 (free with refault_waits_done()) or -ENOMEM.
 */
int refault_plan(struct manager *m, struct refault_waits *ret);
void refault_waits_done(struct refault_waits *w);
bool refault_waits_for(const struct refault_waits *w, uint64_t anchor_id);

/* A zombie's recharge has ended: it was that of all dead ones below the same ancestor, or of the one with this id alone (0: of all). */
void refault_ended(struct manager *m, uint64_t anchor_id, uint64_t id);

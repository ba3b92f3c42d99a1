/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Within one request to recharge (rechargerun.h): what its parts share, and how one object goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rechargeswap.h"
#include "refusal.h"

struct json_object;
struct mcr_holderwalk;
struct mcr_ledger;
struct mcr_pin;
struct mcr_pins;
struct mcr_recharge_opts;
struct mcr_recharge_request;
struct mcr_rewrite_result;
struct mcr_shmobject;

struct mcr_recharging {
	const struct mcr_recharge_opts *o;
	const struct mcr_recharge_request *q;
	struct mcr_holderwalk *walk;	/* NULL: BPF is refused */
	struct mcr_swaprun swap;	/* what goes by swap, all together, in the end */
	bool dead;			/* the cgroup was removed before we began */
	int owner_fd;			/* -EBADF: none, or not yet */
	struct json_object *objects;
	uint64_t moved_bytes, left_bytes, longest_pause_usec, shield_bytes;
	uint64_t drained_bytes;		/* that nobody had mapped, before the kernel moved the rest */
	const char *kernel, *kernel_why_not;	/* a word for what the kernel did, and why not; static; NULL: it was not asked */
	const char *why_not;		/* the first reason against one of them; static */
};

/* The next seconds are for what may hang; 0: that is over. */
void mcr_recharging_step(const struct mcr_recharging *run, unsigned int sec);

/* Of several reasons the first is told. NULL is none. */
void mcr_recharging_note_why(struct mcr_recharging *run, const char *why);

/* What came of an object of which so much is charged (0: as found): r is as of mcr_rewrite(). */
void mcr_recharging_note_object(struct mcr_recharging *run, const char *kind, const char *name, uint64_t bytes, int r,
				const struct mcr_rewrite_result *res);

/* It is not moved, and why. Returns 0. */
int mcr_recharging_refuse(struct mcr_recharging *run, const char *kind, const char *name, uint64_t bytes,
			  enum mcr_refusal refusal, const char *why);

/* Whoever maps most of it, if policy says so and they are found, or the owner. A descriptor of its own, or errno. */
int mcr_recharging_open_payer(const struct mcr_recharging *run, const char *user);

/*
 * A pin that swap can move is taken care of in the end, with all others.  Of a live cgroup only where somebody removes
 * it for us.  False: it is not, and *refusal, of rewriting, may have become what stands against swap.
 */
bool mcr_recharging_by_swap(struct mcr_recharging *run, const struct mcr_pin *p, const char *user, enum mcr_refusal *refusal);

/*
 * Moves an open object by rewriting, or has it go by swap, and notes what came of it. p NULL: it is a file that was
 * named. user: who maps most of it, or NULL. 0; -EUCLEAN: something has to be repaired; or errno.
 */
int mcr_recharging_move(struct mcr_recharging *run, const struct mcr_shmobject *object, const struct mcr_pin *p,
			const char *name, const char *user);

/*
 * Moves all that the cgroup is charged by the kernel, if it can and may; pins and ledger may be NULL: BPF is refused.
 * True: that was it, and what came of it is noted.  False: others may try; run->moved_bytes may have been moved before.
 */
bool mcr_recharging_whole(struct mcr_recharging *run, const struct mcr_pins *pins, const struct mcr_ledger *ledger);

/* Of what is left after the kernel ceased to move it, notes what no object by object would move. */
void mcr_recharging_whole_rest(struct mcr_recharging *run, const struct mcr_pins *pins);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Held cgroups: one record each, and the one table that says what can become of them.
 *
 *	HELD ---drain--> DRAINING --empty--> SETTLED --removed--> REMOVED
 *	  ^                 |  \--left--> PAUSED
 *	  \------due--------+---------------/        any --populated--> REUSED
 *	HELD, DRAINING --recharge--> RECHARGING --due--> HELD
 *				     RECHARGING --out--> SETTLED
 *	PARENT --childless--> SETTLED                HELD, DRAINING, PAUSED, RECHARGING --limit--> SETTLED
 *	PAUSED, SETTLED, PARENT, RECHARGING --again--> HELD
 *
 * SETTLED means "remove it as soon as nobody wants it back": everything was done, or the time is
 * over.  No loop, no kernel: the table is tested by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_config;
struct mcr_policy;

enum held_state {
	HELD_HELD,
	HELD_DRAINING,
	HELD_PAUSED,
	HELD_RECHARGING,	/* what no drain frees, or others want, is being moved to its owner */
	HELD_SETTLED,
	HELD_PARENT,		/* the kernel refused its removal because of one below */
	/* ends: the record is dropped */
	HELD_REMOVED,
	HELD_REUSED,		/* processes are back, or it is no longer ours to remove */
	HELD_STATES,
};
#define HELD_FIRST_END HELD_REMOVED

enum held_event {
	HELD_EV_DRAIN,		/* a worker has been given it */
	HELD_EV_EMPTY,		/* nothing is charged any more */
	HELD_EV_LEFT,		/* something is left that another try may free */
	HELD_EV_STUCK,		/* something is left that no try will free */
	HELD_EV_OUT,		/* it is in swap, and comes back to the owner once the cgroup is removed */
	HELD_EV_RECHARGE,	/* and it is being moved; HELD: something others have mapped, before a drain takes it */
	HELD_EV_NO_MEMCG,	/* its memory controller was switched off: nothing to drain, only to remove */
	HELD_EV_FAILED,		/* the worker failed or was late */
	HELD_EV_DUE,		/* the pause, or the recharge, is over */
	HELD_EV_LIMIT,		/* held for as long as is allowed */
	HELD_EV_AGAIN,		/* it was used since, and its removal is refused anew */
	HELD_EV_CHILDLESS,	/* what kept the parent is gone */
	HELD_EV_POPULATED,
	HELD_EV_GONE,		/* it was removed, by us or others */
	HELD_EVENTS,
};

struct held {
	uint64_t id;
	char *path;		/* when it was first held; for people */
	uint64_t since_ns;
	uint64_t hold_max_ns;
	struct mcr_config *config;	/* it is held under this one's policy, whatever is read later */
	const struct mcr_policy *policy;
	uint64_t due_ns;	/* PAUSED, SETTLED: not before; RECHARGING before a drain: no longer */
	uint64_t charged_bytes;	/* when it was first held */
	uint64_t freed_bytes;
	uint64_t left_bytes;	/* user pages and swap, as last seen */
	unsigned int tries;
	enum held_state state;
	bool looked;		/* HELD: its charge was read, it waits for a worker; PARENT: it is one of ours that keeps it */
	bool adopted;		/* left by a predecessor */
	bool wants_sync;	/* what is left may be dirty: sync before the next try */
	bool recharged;		/* what a drain had left was moved, or it was tried */
	bool refaulted;		/* what others have mapped of its page cache was, before the drain */
	bool stuck;		/* DRAINING: no drain frees what is left; the worker has others in hand */
	bool out;		/* what is left of it is in swap, for the owner to bring back */
	bool expired;		/* the limit ended it, not success */
	const char *given_up;	/* REUSED: why it is left in place, though nobody is in it; NULL: somebody is */
	uint64_t doubted;	/* the reading of the gate's events after which there were others below it, and none of ours; 0: none */
	struct held *next_removed;	/* in held_table.removed */
};

struct held_table {
	struct held **at;
	size_t n, size;
	struct held *removed;	/* since held_forget_removed() */
};

/* The state after the event; the same state when it means nothing there. Pure. */
enum held_state held_next(enum held_state state, enum held_event event);

const char *held_state_name(enum held_state state);

/* The removal of a cgroup on record was refused anew: its time and its tries begin again. */
void held_again(struct held *h, uint64_t now_ns);

/* Takes a copy of path. NULL without memory. The table owns the record. */
struct held *held_add(struct held_table *t, uint64_t id, const char *path, enum held_state state, uint64_t now_ns);
struct held *held_find(const struct held_table *t, uint64_t id);
void held_drop(struct held_table *t, struct held *h);

/* The end of a record whose cgroup is removed. It is known as removed until held_forget_removed(). */
void held_drop_removed(struct held_table *t, struct held *h);
void held_forget_removed(struct held_table *t);

/* Is a cgroup below this path on record? */
bool held_has_below(const struct held_table *t, const char *path);
/*
 * Is it due to one of ours that the kernel refused to remove this path: one below it that is on record, or was removed since
 * held_forget_removed()? Parents that were not looked at yet do not count: what keeps them keeps those above as well.
 */
bool held_explains(const struct held_table *t, const char *path);

void held_table_clear(struct held_table *t);

/* Is its page cache being recharged, with the drain still to come?  Only until due_ns: what is not drained in time is a zombie. */
bool held_is_before_drain(const struct held *h);

/* Holds it under a policy of this configuration from now on; takes a reference of its own. */
void held_set_policy(struct held *h, struct mcr_config *config, const struct mcr_policy *policy);

/* When the next record wants attention; UINT64_MAX: none does by itself. */
uint64_t held_next_due(const struct held_table *t);

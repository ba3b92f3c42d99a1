/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate's user space side: loads and attaches the BPF programs, tells them the policy, gives
 * signs of life, and hands out what they report.
 *
 * The map of held cgroups is pinned in bpffs, so that a successor of a killed daemon finds what was
 * held: the entry exists before rmdir is refused, and there is no moment at which a cgroup is held
 * and not on record.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_gate;

enum mcr_gate_how {
	MCR_GATE_LSM,		/* BPF LSM */
	MCR_GATE_FMOD_RET,	/* return value of the LSM hook's caller */
};

struct mcr_gate_opts {
	const char *mount;		/* path of the cgroup file system */
	const char *pin_dir;		/* in bpffs, exists; NULL: nothing outlives this process */
	uint64_t heartbeat_max_ns;
	uint64_t reuse_grace_ns;
	uint32_t held_max;
	bool force_fmod_ret;		/* do not try LSM (tests) */
};

enum mcr_gate_event_kind {
	MCR_GATE_HELD = 1,	/* removal refused: settle it, then remove it; may come again, when it was reused */
	MCR_GATE_PARENT,	/* its removal failed because of held ones below it: remove it after them */
	MCR_GATE_EXPIRED,	/* somebody tried again after the limit, and it went */
	MCR_GATE_GONE,		/* a held one was removed, by whomever */
	MCR_GATE_XATTR,		/* the attribute that chooses a policy was set or removed */
};

struct mcr_gate_event {
	enum mcr_gate_event_kind kind;
	uint64_t id;
	uint64_t at_ns;
	uint64_t usage_bytes, swap_bytes;	/* HELD: charged when it was refused */
	uint32_t policy, generation;	/* HELD, PARENT: of the rule that decided */
};

/* What to do with the cgroups a rule is for; see bpf/gate.h. */
struct mcr_gate_rule {
	uint64_t hold_max_ns;
	uint64_t hold_min_bytes;
	uint32_t policy;	/* comes back with the event */
	bool hold, force;
	const char *glob;	/* NULL or "": everything */
};

/* Rules that follow each other, for mcr_gate_cover(). */
struct mcr_gate_range {
	uint32_t first, n;
};

struct mcr_gate_counters {
	uint64_t held_now, held_total, refused, empty, excluded, over_limit, stale, expired, lost_events,
		reuse_waits, small, too_hard;
};

typedef void (*mcr_gate_handler)(const struct mcr_gate_event *event, void *userdata);

/*
 * Loads and attaches.  0 and *ret; -EPERM and others as mcr_census_walker_new(); -EOPNOTSUPP: neither hook is
 * to be had, or mkdir cannot be watched (then holding would not be safe).  Everything goes
 * through until the first mcr_gate_heartbeat().
 */
int mcr_gate_new(const struct mcr_gate_opts *opts, mcr_gate_handler handler, void *userdata,
		 struct mcr_gate **ret, const char **ret_why);

/* Detaches: from here on every removal goes through. The pinned map stays. */
struct mcr_gate *mcr_gate_free(struct mcr_gate *g);
static inline void mcr_gate_freep(struct mcr_gate **g)
{
	*g = mcr_gate_free(*g);
}

enum mcr_gate_how mcr_gate_how(const struct mcr_gate *g);
const char *mcr_gate_how_name(enum mcr_gate_how how);

/* "I am alive": to be called well within heartbeat_max_ns. */
void mcr_gate_heartbeat(struct mcr_gate *g);

/*
 * The end: nobody is refused a removal any more, but for the daemon, whose own are answered as ever. On return no answer is
 * under way, so after a last mcr_gate_dispatch() there is no hold that the handler has not been told of.
 */
void mcr_gate_let_through(struct mcr_gate *g);

/*
 * A new set of rules, exceptions and covered cgroups, of which nothing is in force until
 * mcr_gate_put_in_force(): that is one step, and before it the old set holds.  Waits for programs that still
 * read the set before the last (a few milliseconds).
 */
void mcr_gate_make(struct mcr_gate *g, uint32_t generation);

/* Adds a rule to the set that is being made. 0 and its number; -E2BIG: the glob is too long; -ENOSPC: 2048 rules. */
int mcr_gate_add_rule(struct mcr_gate *g, const struct mcr_gate_rule *rule, uint32_t *ret_number);

/*
 * A cgroup whose name, or the name of one between it and its slice, begins like this is never held; in the set that is being made.
 * 0; -E2BIG: longer than 16 bytes; -ENOSPC: more than 16 prefixes.
 */
int mcr_gate_except_prefix(struct mcr_gate *g, const char *prefix);

/*
 * The set that was made, and the limits in opts (pin_dir and force_fmod_ret are not looked at). When it
 * returns, no program follows the old set any more, and events of those that did can be dispatched.
 */
void mcr_gate_put_in_force(struct mcr_gate *g, const struct mcr_gate_opts *opts);

/* Forgets the set that is being made: the old one stays in force. */
void mcr_gate_abandon(struct mcr_gate *g);

/*
 * The rules for everything below a cgroup id (n 0: none), the first one that is for a cgroup decides; in the set that is
 * being made, or else in the one in force. 0 or errno.
 */
int mcr_gate_cover(struct mcr_gate *g, uint64_t id, struct mcr_gate_range range);

/* Gives up the pinned map: a successor finds nothing. For a clean end with nothing held. */
void mcr_gate_unpin(struct mcr_gate *g);

/*
 * For the event loop: readable when there are events; dispatch calls the handler. 0: it was told of all that was sent before the
 * call; 1: one is still being written, and others may be behind it; or errno.
 */
int mcr_gate_fd(const struct mcr_gate *g);
int mcr_gate_dispatch(struct mcr_gate *g);

/* Ends the hold of a cgroup: the next removal by anybody goes through. */
void mcr_gate_forget(struct mcr_gate *g, uint64_t id);

/*
 * The same for a cgroup that was seen to be in use again. Its use may have ended since, and a removal been refused for the
 * hold's sake: nobody would try again. So where is_left() says that it is there and nobody uses it, it is held anew, from
 * now on, and as if somebody had asked for it just now. What it is held as: MCR_GATE_HELD or MCR_GATE_PARENT; or 0.
 */
int mcr_gate_forget_used(struct mcr_gate *g, uint64_t id, bool (*is_left)(uint64_t id, void *userdata), void *userdata);

/* Is it on record? */
bool mcr_gate_is_held(const struct mcr_gate *g, uint64_t id);

/*
 * What is held now, in no order: what a predecessor left, or events that were lost.  *ret is
 * allocated. Number of ids, or errno.
 */
int mcr_gate_list_held(const struct mcr_gate *g, uint64_t **ret_ids);

/* When the dying cgroup was removed, CLOCK_MONOTONIC; 0 if that was before the gate was there. */
uint64_t mcr_gate_dying_since(const struct mcr_gate *g, uint64_t id);

void mcr_gate_counters(const struct mcr_gate *g, struct mcr_gate_counters *ret);

/* Does "bpf" stand in the list of active LSMs? */
bool mcr_gate_lsm_active(void);

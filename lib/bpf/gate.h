/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the gate and user space share: maps' values, events, settings and counters.
 * Fixed-width types, explicit padding; times are CLOCK_MONOTONIC nanoseconds.
 */
#pragma once

#include <linux/types.h>

#include "glob.h"

#define GATE_HELD_LIMIT 4096	/* size of the map of held cgroups; settings.held_max is the policy */
#define GATE_NAMES_MAX 16
#define GATE_NAME_WORDS 2	/* a name pattern is at most 16 bytes of prefix */
#define GATE_MOUNT_MAX 32
#define GATE_PATH_MAX 512	/* longest mkdir path whose last component is looked at */

/*
 * Policies, as rules.  There are two sets of everything: one is in force, the other is made ready and then
 * put in force by one store, so that no removal ever meets half a policy.
 */
#define GATE_SETS 2
#define GATE_RULES_MAX 2048	/* per set */
#define GATE_SLICES_MAX 8192
#define GATE_XATTR_PENDING_MAX 256	/* a fraction of what fits into the ring of events */

enum gate_rule_flags {
	GATE_RULE_HOLD = 1,	/* without it: let go */
	GATE_RULE_FORCE = 2,	/* somebody asked for this one: however little it is charged */
};

/* What to do with the cgroups it is for. */
struct gate_rule {
	__u64 hold_max_ns;
	__u64 hold_min_pages;	/* charged with less: let go */
	__u32 policy;		/* number in the daemon's configuration */
	__u32 flags;		/* enum gate_rule_flags */
	char glob[GLOB_MAX];	/* for names between cgroup and slice; "": everything */
};
_Static_assert(sizeof(struct gate_rule) == 24 + GLOB_MAX, "layout is shared");

/* The rules of a slice, or of a cgroup that has chosen its own: the first that is for a cgroup decides. */
struct gate_range {
	__u32 first, n;		/* within the set; n 0: none */
} __attribute__((aligned(8)));

/* Key: cgroup id. The nearest ancestor with a rule that is for the cgroup decides. */
struct gate_slice {
	struct gate_range set[GATE_SETS];
};

/* A cgroup whose removal was refused, or whose removal the kernel refused because of one below it. */
enum gate_state {
	GATE_HELD = 1,
	GATE_PARENT = 2,	/* had held cgroups below it when its removal was tried */
};

struct gate_held {
	__u64 since_ns;
	__u64 name_hash;	/* of the last path component, see name_seen */
	__u64 hold_max_ns;	/* of the policy it is held under */
	__u32 state;		/* enum gate_state */
	__u32 refused;		/* removals answered with EBUSY */
};
_Static_assert(sizeof(struct gate_held) == 32, "layout is shared, and pinned across restarts");

enum gate_event_kind {
	GATE_EV_HELD = 1,	/* rmdir refused, settle it; also of one that is held already and was reused */
	GATE_EV_PARENT = 2,	/* rmdir failed because cgroups below are held: remove it afterwards */
	GATE_EV_EXPIRED = 3,	/* somebody tried again after the hold limit and was let through */
	GATE_EV_GONE = 4,	/* a held cgroup was removed, by whomever */
	GATE_EV_XATTR = 5,	/* an extended attribute of a cgroup was set or removed: look at it */
};

struct gate_event {
	__u64 ts_ns;
	__u64 cgroup_id;
	__u64 usage_pages;
	__u64 swap_pages;
	__u32 kind;		/* enum gate_event_kind */
	__u32 policy;		/* HELD: which one, */
	__u32 generation;	/* and of which configuration */
	__u32 pad;
};
_Static_assert(sizeof(struct gate_event) == 48, "record layout is shared with user space");

/* Prefix of a cgroup name that is never held: (name & mask) == pattern, word by word. */
struct gate_name {
	__u64 pattern[GATE_NAME_WORDS];
	__u64 mask[GATE_NAME_WORDS];
};

/* What a set has besides its rules. */
struct gate_set {
	__u32 generation;
	__u32 names_len;
	struct gate_name names[GATE_NAMES_MAX];
};

struct gate_settings {
	__u64 heartbeat_ns;	/* the daemon's last sign of life */
	__u64 heartbeat_max_ns;	/* older than this: everything goes through */
	__u64 reuse_grace_ns;	/* keep off a cgroup this long after somebody asked to create it */
	__u32 held_max;
	__u32 daemon_pid;
	__u32 active;		/* which set is in force */
	__u32 pad;
	struct gate_set sets[GATE_SETS];
	char mount[GATE_MOUNT_MAX];	/* where cgroup2 is mounted; cut is fine: it is a prefix */
};

struct gate_counters {
	__u64 held_now;
	__u64 held_total;
	__u64 refused;		/* EBUSY answers, repeated ones included */
	__u64 empty;		/* covered, nothing charged: let go */
	__u64 excluded;		/* covered, but its name says container */
	__u64 small;		/* charged with less than is worth it */
	__u64 too_hard;		/* its globs took too many steps: let go */
	__u64 over_limit;	/* too many held */
	__u64 stale;		/* heartbeat too old */
	__u64 expired;		/* held longer than the limit */
	__u64 begun_events;	/* each of them is read in the end, or lost */
	__u64 lost_events;	/* ring full: let go, because nobody would have known */
	__u64 reuse_waits;	/* the daemon's own rmdir put off: somebody wants the cgroup back, or is in it */
};

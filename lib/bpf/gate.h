/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the gate and user space share: maps' values, events, settings and counters.
 * Fixed-width types, explicit padding; times are CLOCK_MONOTONIC nanoseconds.
 */
#pragma once

#include <linux/types.h>

#define GATE_HELD_LIMIT 4096	/* size of the map of held cgroups; settings.held_max is the policy */
#define GATE_NAMES_MAX 16
#define GATE_NAME_WORDS 2	/* a name pattern is at most 16 bytes of prefix */
#define GATE_MOUNT_MAX 32
#define GATE_PATH_MAX 512	/* longest mkdir path whose last component is looked at */

/* Which cgroups are covered: the nearest ancestor found here decides. Key: cgroup id. */
struct gate_policy {
	__u32 hold;		/* 0: let go, 1: hold while charged */
	__u32 pad;
};

/* A cgroup whose removal was refused, or whose removal the kernel refused because of one below it. */
enum gate_state {
	GATE_HELD = 1,
	GATE_PARENT = 2,	/* had held cgroups below it when its removal was tried */
};

struct gate_held {
	__u64 since_ns;
	__u64 name_hash;	/* of the last path component, see name_seen */
	__u32 state;		/* enum gate_state */
	__u32 refused;		/* removals answered with EBUSY */
};
_Static_assert(sizeof(struct gate_held) == 24, "layout is shared, and pinned across restarts");

enum gate_event_kind {
	GATE_EV_HELD = 1,	/* rmdir refused, settle it; also of one that is held already and was reused */
	GATE_EV_PARENT = 2,	/* rmdir failed because cgroups below are held: remove it afterwards */
	GATE_EV_EXPIRED = 3,	/* somebody tried again after the hold limit and was let through */
	GATE_EV_GONE = 4,	/* a held cgroup was removed, by whomever */
};

struct gate_event {
	__u64 ts_ns;
	__u64 cgroup_id;
	__u64 usage_pages;
	__u64 swap_pages;
	__u32 kind;		/* enum gate_event_kind */
	__u32 pad;
};
_Static_assert(sizeof(struct gate_event) == 40, "record layout is shared with user space");

/* Prefix of a cgroup name that is never held: (name & mask) == pattern, word by word. */
struct gate_name {
	__u64 pattern[GATE_NAME_WORDS];
	__u64 mask[GATE_NAME_WORDS];
};

struct gate_settings {
	__u64 heartbeat_ns;	/* the daemon's last sign of life; written by it, all else at start */
	__u64 heartbeat_max_ns;	/* older than this: everything goes through */
	__u64 hold_max_ns;
	__u64 reuse_grace_ns;	/* keep off a cgroup this long after somebody asked to create it */
	__u32 held_max;
	__u32 daemon_pid;
	__u32 names_len;
	__u32 pad;
	struct gate_name names[GATE_NAMES_MAX];
	char mount[GATE_MOUNT_MAX];	/* where cgroup2 is mounted; cut is fine: it is a prefix */
};

struct gate_counters {
	__u64 held_now;
	__u64 held_total;
	__u64 refused;		/* EBUSY answers, repeated ones included */
	__u64 empty;		/* covered, nothing charged: let go */
	__u64 excluded;		/* covered, but its name says container */
	__u64 over_limit;	/* too many held */
	__u64 stale;		/* heartbeat too old */
	__u64 expired;		/* held longer than the limit */
	__u64 lost_events;	/* ring full: let go, because nobody would have known */
	__u64 reuse_waits;	/* the daemon's own rmdir put off: somebody wants the cgroup back */
};

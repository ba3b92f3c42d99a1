/* SPDX-License-Identifier: GPL-2.0-only */
/* Of gate.bpf.c: what the policy says of a cgroup. */
#pragma once

#include "gate-common.h"

#define MAX_ANCESTORS 64		/* deeper than this below its slice: let go */
#define MATCH_STEPS_MAX 32768		/* per removal, of all globs */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_SLICES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);	/* what is replaced stays whole for who reads it */
	__type(key, __u64);
	__type(value, struct gate_slice);
} slices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_SETS * GATE_RULES_MAX);
	__type(key, __u32);
	__type(value, struct gate_rule);
} rules SEC(".maps");

/*
 * The search for the rule of one cgroup.  In a map, because bpf_loop() before 6.7 forgets what a callback does to the
 * stack; callbacks get a pointer to it on the stack, which is all that loop takes.
 */
struct search {
	__u64 kn;		/* the cgroup */
	__u64 cursor;		/* the level that is looked at */
	__u64 at;		/* the component that is compared */
	__u64 slice;		/* whose rules are tried */
	__u32 set, first;
	__u32 decided;		/* number of the rule plus one, within all sets */
	__u32 excluded;		/* a name so far says container */
	__u32 below_slice;
	__u32 matched;
	__u32 result;		/* enum glob_result */
	__u32 steps;		/* of globs, in all */
	struct glob_match match;
	char glob[GLOB_MAX];
	char name[GLOB_TEXT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} searches SEC(".maps");

static __always_inline struct kernfs_node *kn_parent(struct kernfs_node *kn)
{
	struct kernfs_node___rcu *rcu = (void *)kn;

	if (bpf_core_field_exists(kn->parent))
		return BPF_CORE_READ(kn, parent);
	return BPF_CORE_READ(rcu, __parent);
}

static __always_inline bool name_excluded(const struct gate_set *set, struct kernfs_node *kn)
{
	__u64 name[GATE_NAME_WORDS + 1] = {};	/* one more, for the NUL */
	__u32 i;

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(kn, name));
	for (i = 0; i < GATE_NAMES_MAX && i < set->names_len; i++) {
		const struct gate_name *n = &set->names[i];

		if ((name[0] & n->mask[0]) == n->pattern[0] && (name[1] & n->mask[1]) == n->pattern[1])
			return true;
	}
	return false;
}

static long match_step(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	s->steps++;
	s->result = glob_step(s->glob, s->name, &s->match);
	return s->result != GLOB_GOES_ON;
}

/* One component of the way from the cgroup up to the slice. */
static long match_component(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	struct kernfs_node *kn = (void *)s->at;

	if (s->at == s->slice || s->steps >= MATCH_STEPS_MAX)
		return 1;
	if (bpf_probe_read_kernel_str(s->name, sizeof(s->name), BPF_CORE_READ(kn, name)) < 0)
		return 1;
	__builtin_memset(&s->match, 0, sizeof(s->match));
	bpf_loop(MATCH_STEPS_MAX, match_step, ctx, 0);
	if (s->result == GLOB_MATCHES) {
		s->matched = 1;
		return 1;
	}
	s->at = (__u64)kn_parent(kn);
	return 0;
}

/* One rule of the slice: is it for this cgroup? */
static long try_rule(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	__u32 number = s->set * GATE_RULES_MAX + s->first + i;
	struct gate_rule *rule = bpf_map_lookup_elem(&rules, &number);

	if (!rule)
		return 1;
	s->matched = !rule->glob[0];
	if (!s->matched) {
		__builtin_memcpy(s->glob, rule->glob, sizeof(s->glob));
		s->at = s->kn;
		bpf_loop(MAX_ANCESTORS, match_component, ctx, 0);
	}
	if (!s->matched)
		return 0;
	s->decided = number + 1;
	return 1;
}

/* What the policy says of a cgroup: rule is NULL when nothing covers it. */
struct verdict {
	struct gate_rule *rule;
	__u32 generation;
	bool excluded;		/* a name between cgroup and slice says container */
	bool below_slice;	/* some slice on the way has rules, for this cgroup or others */
};

/*
 * One level: has it rules, and is one of them for the cgroup?  A callback, so that the verifier looks at it once and not
 * for each of 64 levels: the program loads in a fraction of the time.
 */
static long judge_level(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	struct kernfs_node *kn = (void *)s->cursor;
	__u32 set = s->set & (GATE_SETS - 1);
	struct gate_range range = {};
	struct gate_slice *slice;
	__u64 id;

	if (!kn)
		return 1;
	id = BPF_CORE_READ(kn, id);
	slice = bpf_map_lookup_elem(&slices, &id);
	if (slice)	/* both halves at once: it may be replaced */
		*(__u64 *)&range = *(volatile __u64 *)&slice->set[set];
	if (range.n) {
		s->below_slice = 1;
		s->slice = s->cursor;
		s->first = range.first;
		bpf_loop(range.n, try_rule, ctx, 0);
		if (s->decided)
			return 1;
	}
	if (!s->excluded)
		s->excluded = name_excluded(&settings.sets[set], kn);
	s->cursor = (__u64)kn_parent(kn);
	return 0;
}

/* The nearest ancestor with a rule for the cgroup decides. */
static __always_inline struct verdict judge(struct kernfs_node *leaf)
{
	__u32 zero = 0, set = settings.active & (GATE_SETS - 1);
	struct search *s = bpf_map_lookup_elem(&searches, &zero);
	struct verdict v = { .generation = settings.sets[set].generation };
	__u32 number;

	if (!s)
		return v;
	s->kn = s->cursor = (__u64)leaf;
	s->set = set;
	s->steps = s->decided = s->excluded = s->below_slice = 0;
	bpf_loop(MAX_ANCESTORS, judge_level, &s, 0);
	v.excluded = s->excluded;
	v.below_slice = s->below_slice;
	if (s->steps >= MATCH_STEPS_MAX) {
		count(too_hard);
	} else if (s->decided) {
		number = s->decided - 1;
		v.rule = bpf_map_lookup_elem(&rules, &number);
	}
	return v;
}

static __always_inline bool holds(const struct verdict *v)
{
	return v->rule && !v->excluded && (v->rule->flags & GATE_RULE_HOLD);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Of gate.bpf.c: the cgroups that are held, and what is answered for each. */
#pragma once

#include "gate-judge.h"

#include <asm-generic/errno-base.h>

#define REUSE_PAUSE_NS 100000000ULL	/* between two holds of one cgroup */

__u64 unseen_ns;	/* last mkdir whose name was not looked at */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_HELD_LIMIT);
	__type(key, __u64);
	__type(value, struct gate_held);
} held SEC(".maps");

/* Hash of the names of held cgroups -> when somebody last asked to create such a name. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4 * GATE_HELD_LIMIT);
	__type(key, __u64);
	__type(value, __u64);
} name_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, char[GATE_PATH_MAX]);
} path_scratch SEC(".maps");

/* FNV-1a over the last component of a path; a trailing slash does not end it. */
static __always_inline __u64 hash_last(const char *path)
{
	__u64 hash = 0xcbf29ce484222325;
	bool fresh = false;
	int i;

	for (i = 0; i < GATE_PATH_MAX && path[i]; i++) {
		if (path[i] == '/') {
			fresh = true;
			continue;
		}
		if (fresh)
			hash = 0xcbf29ce484222325;
		fresh = false;
		hash = (hash ^ (__u8)path[i]) * 0x100000001b3;
	}
	return hash;
}

static __always_inline int send_event(__u64 id, __u32 kind, __u64 now, __u64 usage, __u64 swap,
				      const struct verdict *v)
{
	struct gate_event *e;

	count(begun_events);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(lost_events);
		return -ENOSPC;
	}
	e->ts_ns = now;
	e->cgroup_id = id;
	e->usage_pages = usage;
	e->swap_pages = swap;
	e->kind = kind;
	e->policy = v && v->rule ? v->rule->policy : 0;
	e->generation = v ? v->generation : 0;
	e->pad = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* Enters a cgroup into the map of held ones, with everything a later answer needs. */
static __always_inline int hold(struct kernfs_node *kn, __u64 id, __u32 state, __u64 now, __u64 hold_max_ns)
{
	struct gate_held h = { .since_ns = now, .hold_max_ns = hold_max_ns, .state = state, .refused = 1 };
	__u32 slot = 1;
	__u64 never = 0;
	char *name = bpf_map_lookup_elem(&path_scratch, &slot);

	if (!name || bpf_probe_read_kernel_str(name, GATE_PATH_MAX, BPF_CORE_READ(kn, name)) < 0)
		return -EINVAL;
	h.name_hash = hash_last(name);
	/*
	 * The name is watched before the entry exists: no mkdir can fall between.  Another cgroup of
	 * this name may be held already: what was seen of it must not be forgotten.
	 */
	__sync_fetch_and_add(&counters.held_now, 1);
	bpf_map_update_elem(&name_seen, &h.name_hash, &never, BPF_NOEXIST);
	if (!bpf_map_lookup_elem(&name_seen, &h.name_hash) ||
	    bpf_map_update_elem(&held, &id, &h, BPF_NOEXIST)) {
		__sync_fetch_and_add(&counters.held_now, -1);
		return -ENOSPC;
	}
	return 0;
}

static __always_inline void forget(__u64 id)
{
	if (!bpf_map_delete_elem(&held, &id))
		__sync_fetch_and_add(&counters.held_now, -1);
}

/* The daemon removes what it has settled, unless somebody wants the cgroup back. */
static __always_inline int answer_daemon(struct gate_held *h, __u64 now)
{
	__u64 *seen = bpf_map_lookup_elem(&name_seen, &h->name_hash);
	__u64 hash = h->name_hash;

	if (!seen) {
		/* Evicted: what was seen is not known, so it counts as seen just now. */
		bpf_map_update_elem(&name_seen, &hash, &now, BPF_ANY);
		count(reuse_waits);
		return -EBUSY;
	}
	if (unseen_ns && since(now, unseen_ns) < settings.reuse_grace_ns) {
		count(reuse_waits);
		return -EBUSY;
	}
	if (*seen && since(now, *seen) < settings.reuse_grace_ns) {
		count(reuse_waits);
		return -EBUSY;
	}
	return 0;
}

/* Was it asked for since it was held?  Then it has been used again, and this is a new end of it. */
static __always_inline bool was_reused(const struct gate_held *h)
{
	__u64 *seen = bpf_map_lookup_elem(&name_seen, &h->name_hash);

	if (!seen || !*seen || (__s64)(*seen - h->since_ns) <= 0)
		return false;
	*seen = 0;	/* whoever asked for it is done with it */
	return true;
}

/* Somebody tries again to remove what is held already. */
static __always_inline int answer_again(struct kernfs_node *kn, struct gate_held *h, __u64 id, __u64 now)
{
	if (h->state != GATE_HELD)
		return 0;
	if (!daemon_alive(now)) {
		count(stale);
		return 0;
	}
	/* Not over and over: mkdir and rmdir in a loop must not fill the ring. */
	if (since(now, h->since_ns) >= REUSE_PAUSE_NS && was_reused(h)) {
		struct verdict v = judge(kn);

		if (!holds(&v))
			return 0;
		h->since_ns = now;
		h->hold_max_ns = v.rule->hold_max_ns;
		if (send_event(id, GATE_EV_HELD, now, 0, 0, &v))
			return 0;
		count(held_total);
	} else if (since(now, h->since_ns) > h->hold_max_ns) {
		count(expired);
		send_event(id, GATE_EV_EXPIRED, now, 0, 0, NULL);
		return 0;
	}
	h->refused++;
	count(refused);
	return -EBUSY;
}

/*
 * A cgroup with live ones below: the kernel will refuse.  That may be our doing also where its own policy would let it go,
 * because one below is held: the daemon looks.  Nothing is refused here, so it need not have been heard of lately.
 */
static __always_inline void note_parent(struct kernfs_node *kn, __u64 id, __u64 now)
{
	struct verdict v;

	if (!counters.held_now || counters.held_now >= settings.held_max)
		return;
	v = judge(kn);
	if (!v.below_slice || v.excluded || hold(kn, id, GATE_PARENT, now, 0))
		return;
	if (send_event(id, GATE_EV_PARENT, now, 0, 0, &v))
		forget(id);
}

/* Is there a reason to let it go although policy would hold it?  It is counted. */
static __always_inline bool not_worth_it(const struct gate_rule *rule, __u64 pages)
{
	if (!pages)
		count(empty);
	else if (pages < rule->hold_min_pages && !(rule->flags & GATE_RULE_FORCE))
		count(small);
	else if (counters.held_now >= settings.held_max)
		count(over_limit);
	else
		return false;
	return true;
}

static __always_inline int answer_first(struct kernfs_node *kn, __u64 id, __u64 now,
					struct mem_cgroup *memcg)
{
	__u64 usage = BPF_CORE_READ(memcg, memory.usage.counter);
	__u64 swap = BPF_CORE_READ(memcg, swap.usage.counter);
	struct verdict v = judge(kn);

	if (!v.rule || !(v.rule->flags & GATE_RULE_HOLD))
		return 0;
	if (v.excluded) {
		count(excluded);
		return 0;
	}
	if (not_worth_it(v.rule, usage + swap) || hold(kn, id, GATE_HELD, now, v.rule->hold_max_ns))
		return 0;
	if (send_event(id, GATE_EV_HELD, now, usage, swap, &v)) {
		forget(id);
		return 0;
	}
	count(held_total);
	count(refused);
	return -EBUSY;
}

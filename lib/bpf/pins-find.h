/* SPDX-License-Identifier: GPL-2.0-only */
/* Of pins.bpf.c: the memcg that is asked about, and what it says of itself. */
#pragma once

#include "pins-common.h"

extern const void root_mem_cgroup __ksym;

static __u64 pos;		/* css to visit, or just left */
static bool climbing;

static __always_inline __u64 id_of(__u64 css)
{
	struct cgroup *cgrp;
	struct kernfs_node *kn;
	__u64 id;

	if (!read_word((__u64 *)&cgrp, css + OFF(struct cgroup_subsys_state, cgroup)) ||
	    !read_word((__u64 *)&kn, (__u64)&cgrp->kn) || !read_word(&id, (__u64)&kn->id))
		return 0;
	return id;
}

/* One css, in pre-order.  A removed one still points to its parent and forward. */
static long find_step(__u32 i, void *ctx)
{
	__u64 next, parent, child;

	if (!climbing) {
		if (state.want_id && id_of(pos) == state.want_id) {
			memcg = pos;
			return 1;
		}
		if (!read_word(&child, pos + OFF(struct cgroup_subsys_state, children)))
			return 1;
		if (child != pos + OFF(struct cgroup_subsys_state, children)) {
			pos = child - OFF(struct cgroup_subsys_state, sibling);
			return 0;
		}
	}
	if (!read_word(&parent, pos + OFF(struct cgroup_subsys_state, parent)) || !parent ||
	    !read_word(&next, pos + OFF(struct cgroup_subsys_state, sibling)))
		return 1;
	climbing = next == parent + OFF(struct cgroup_subsys_state, children);
	pos = climbing ? parent : next - OFF(struct cgroup_subsys_state, sibling);
	return 0;
}

static __always_inline __s64 read_refs(void)
{
	struct percpu_ref_data *data;
	__s64 count;

	if (!read_word((__u64 *)&data, memcg + OFF(struct cgroup_subsys_state, refcnt.data)) ||
	    !read_word((__u64 *)&count, (__u64)&data->count))
		return -1;
	return count;
}

#define ZONES_MAX 8
#define LRUS 5
#define LRU_UNEVICTABLE 4

static __u64 zone_sizes[ZONES_MAX * LRUS];

static __always_inline __u64 per_node(__u32 nid)
{
	__u64 pn;

	if (!read_word(&pn, memcg + OFF(struct mem_cgroup, nodeinfo) + nid * 8))
		return 0;
	return pn;
}

static __always_inline __u64 count_unevictable(void)
{
	__u32 bytes = bpf_core_field_size(struct mem_cgroup_per_node, lru_zone_size);
	__u32 nid, zone;
	__u64 pn, sum = 0;

	if (bytes > sizeof(zone_sizes))
		return 0;
	for (nid = 0; nid < 64 && nid < nr_nodes; nid++) {
		pn = per_node(nid);
		if (!pn || bpf_probe_read_kernel(zone_sizes, bytes,
				(void *)(pn + OFF(struct mem_cgroup_per_node, lru_zone_size))))
			continue;
		for (zone = 0; zone < ZONES_MAX; zone++)
			sum += zone_sizes[zone * LRUS + LRU_UNEVICTABLE];
	}
	return sum;
}

static __always_inline void read_memcg(void)
{
	struct mem_cgroup *m = (void *)memcg;
	struct cgroup *cgrp = NULL;
	__u32 id_refs = 0;

	state.found = memcg;
	state.refs = read_refs();
	bpf_probe_read_kernel(&state.css_flags, 4, &m->css.flags);
	bpf_probe_read_kernel(&state.usage_pages, 8, &m->memory.usage);
	bpf_probe_read_kernel(&state.swap_pages, 8, &m->swap.usage);
	bpf_probe_read_kernel(&id_refs, 4, &((struct mem_cgroup___refs *)m)->id.ref);
	bpf_probe_read_kernel(&state.short_id, 4, &((struct mem_cgroup___refs *)m)->id.id);
	bpf_probe_read_kernel(&cgrp, 8, &m->css.cgroup);
	bpf_probe_read_kernel(&state.level, 4, &cgrp->level);
	state.id_refs = id_refs;
	state.unevictable_pages = count_unevictable();
}

/* 0: there is no such memcg. */
SEC("raw_tp")
int pins_find(void *ctx)
{
	if (!read_word(&pos, (__u64)&root_mem_cgroup) || !pos)
		return -1;
	memcg = 0;
	climbing = false;
	state.unfinished = 0;
	if (bpf_loop(WALK_MAX, find_step, NULL, 0) >= WALK_MAX)
		state.unfinished = 1;
	if (!memcg)
		return 0;
	read_memcg();
	return 1;
}

static __always_inline bool still_there(void)
{
	return memcg && id_of(memcg) == state.want_id;
}

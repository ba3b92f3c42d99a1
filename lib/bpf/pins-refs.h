/* SPDX-License-Identifier: GPL-2.0-only */
/* Of pins.bpf.c: what else holds a reference. */
#pragma once

#include "pins-find.h"

extern const void bdi_list __ksym __weak;
extern const struct memcg_stock_pcp memcg_stock __ksym __weak;

/* Not static: clang would make a boolean of what is ever set to one address, and BTF then not fit. */
__u64 outer_head;
static __u64 outer, inner, inner_head;
static __u32 ref_kind;

/* Counted in any case; told while there is room. */
static __always_inline struct pins_ref *new_ref(__u32 kind)
{
	struct pins_ref *r = &refs[state.n_refs & (PINS_REFS - 1)];

	state.refs_by_kind[kind & 15]++;
	if (state.n_refs >= PINS_REFS)
		return NULL;
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = kind;
	state.n_refs++;
	return r;
}

static __always_inline void name_task(struct pins_ref *r, __u64 task)
{
	struct task_struct *t = (void *)task;

	bpf_probe_read_kernel(&r->pid, 4, &t->tgid);
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), &t->comm);
}

static __always_inline void one_child(__u64 at)
{
	struct cgroup_subsys_state *css = (void *)(at - OFF(struct cgroup_subsys_state, sibling));
	struct pins_ref *r = new_ref(PINS_REF_CHILD);
	struct cgroup *cgrp;
	struct kernfs_node *kn;
	__u32 flags = 0;
	const char *name;

	if (!r)
		return;
	bpf_probe_read_kernel(&flags, 4, &css->flags);
	r->count = !!(flags & CSS_DYING);
	if (!read_word((__u64 *)&cgrp, (__u64)&css->cgroup) || !read_word((__u64 *)&kn, (__u64)&cgrp->kn))
		return;
	bpf_probe_read_kernel(&r->id, 8, &kn->id);
	if (read_word((__u64 *)&name, (__u64)&kn->name))
		bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
}

static __always_inline void one_mm(__u64 at)
{
	struct mm_struct *mm = (void *)(at - OFF(struct mm_struct, lru_gen.list));
	struct pins_ref *r = new_ref(PINS_REF_MM);
	__u64 owner;

	if (r && read_word(&owner, (__u64)&mm->owner) && owner)
		name_task(r, owner);
}

static __always_inline __u32 memory_ssid(void)
{
	return bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) & 31;
}

static __always_inline void one_cset(__u64 at)
{
	struct css_set *cset = (void *)(at - OFF(struct css_set, e_cset_node) - memory_ssid() * 16);
	struct pins_ref *r = new_ref(PINS_REF_CSET);
	__u64 first;
	__u32 n = 0;

	if (!r)
		return;
	bpf_probe_read_kernel(&n, 4, &cset->nr_tasks);
	r->count = n;
	if (read_word(&first, (__u64)&cset->dying_tasks) && first != (__u64)&cset->dying_tasks)
		name_task(r, first - OFF(struct task_struct, cg_list));
}

/* One entry of a plain list. */
static long ref_step(__u32 i, void *ctx)
{
	if (!inner || inner == inner_head)
		return 1;
	switch (ref_kind) {
	case PINS_REF_CHILD:
		one_child(inner);
		break;
	case PINS_REF_MM:
		one_mm(inner);
		break;
	case PINS_REF_CSET:
		one_cset(inner);
		break;
	}
	return !read_word(&inner, inner);
}

static __always_inline void walk_refs(__u32 kind, __u64 list_head)
{
	ref_kind = kind;
	inner_head = list_head;
	if (read_word(&inner, list_head) && bpf_loop(WALK_MAX, ref_step, NULL, 0) >= WALK_MAX)
		state.unfinished++;
}

/*
 * The writeback structures of all devices: a dying memcg's own list of them is emptied when it goes
 * offline, while its inodes keep them.
 */
static long writeback_step(__u32 i, void *ctx)
{
	struct backing_dev_info *bdi;
	struct pins_ref *r;
	__u64 css;

	if (!inner || inner == inner_head) {
		if (!read_word(&outer, outer) || outer == outer_head)
			return 1;
		inner_head = outer - OFF(struct backing_dev_info, bdi_list) + OFF(struct backing_dev_info, wb_list);
		return !read_word(&inner, inner_head);
	}
	if (read_word(&css, inner - OFF(struct bdi_writeback, bdi_node) + OFF(struct bdi_writeback, memcg_css)) &&
	    css == memcg) {
		r = new_ref(PINS_REF_WRITEBACK);
		bdi = (void *)(outer - OFF(struct backing_dev_info, bdi_list));
		if (r)
			bpf_probe_read_kernel_str(r->name, sizeof(r->name), &bdi->dev_name);
	}
	return !read_word(&inner, inner);
}

static long stock_step(__u32 cpu, void *ctx)
{
	const struct memcg_stock_pcp *stock;
	struct pins_ref *r;

	stock = bpf_per_cpu_ptr(&memcg_stock, cpu);
	if (!stock)
		return 1;
	if ((__u64)stock->cached != memcg)
		return 0;
	r = new_ref(PINS_REF_STOCK);
	if (r)
		r->count = cpu;
	return 0;
}

SEC("raw_tp")
int pins_refs(void *ctx)
{
	struct mem_cgroup___refs *m = (void *)memcg;
	__u64 cgrp;
	__u32 k;

	state.n_refs = 0;
	for (k = 0; k < PINS_REF_KINDS; k++)
		state.refs_by_kind[k] = 0;
	if (!still_there())
		return -1;
	walk_refs(PINS_REF_CHILD, memcg + OFF(struct cgroup_subsys_state, children));
	if (bpf_core_field_exists(struct mem_cgroup___refs, mm_list))
		walk_refs(PINS_REF_MM, (__u64)&m->mm_list.fifo);
	if (read_word(&cgrp, memcg + OFF(struct cgroup_subsys_state, cgroup)))
		walk_refs(PINS_REF_CSET, cgrp + OFF(struct cgroup___csets, e_csets) + memory_ssid() * 16);
	if (&bdi_list) {
		outer = outer_head = (__u64)&bdi_list;
		inner = 0;
		if (bpf_loop(WALK_MAX, writeback_step, NULL, 0) >= WALK_MAX)
			state.unfinished++;
	}
	if (bpf_core_field_exists(struct memcg_stock_pcp, cached) && &memcg_stock)
		bpf_loop(nr_cpus, stock_step, NULL, 0);
	return 0;
}

/* Whether anything came or went meanwhile. */
SEC("raw_tp")
int pins_end(void *ctx)
{
	if (!still_there())
		return -1;
	state.refs_after = read_refs();
	return 0;
}

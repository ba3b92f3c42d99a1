/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of pins.bpf.c: which files the swap entries of the memcg belong to.
 *
 * The kernel lists the inodes of shared memory that have something in swap.  Their page trees have a value in the
 * place of each page that is there: type and place of the entry, by which the kernel's own table says whose it is.
 */
#pragma once

#include "pins-pages.h"

extern const void shmem_swaplist __ksym __weak;
extern const void swap_cgroup_ctrl __ksym __weak;
extern const void page_offset_base __ksym __weak;
extern const void vmemmap_base __ksym __weak;
extern const struct swap_slots_cache swp_slots __ksym __weak;

#define SWAP_TYPES 23		/* the kernel's table has as many, or more if it was built without some others */
#define SWAP_OFFSET_BITS 58	/* an entry in a page tree: the type is above */
#define IDS_PER_PAGE 2048	/* of the kernel's table, 16 bits each */
#define SLOTS_PER_CPU 64	/* SWAP_SLOTS_CACHE_SIZE */
#define INODES_MAX (1U << 20)

/* Not static: see outer_head in pins-refs.h. */
__u64 swap_head;
static __u64 swap_at, swap_mapping, swap_index;
static __u32 swap_inodes;
static __u64 slot_entry;	/* found by find_slot() */
static __u32 slot_shift;

static __always_inline bool is_node(__u64 entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

/*
 * What the page tree has at the index, and how many bits of the index it stands for; 0 behind the end of the tree.  Not
 * static: the verifier then checks it once.
 */
__noinline int find_slot(__u64 mapping, __u64 index)
{
	__u64 entry, node;
	__u8 shift = 0;
	int depth;

	slot_entry = 0;
	slot_shift = 0;
	if (!read_word(&entry, mapping + OFF(struct address_space, i_pages.xa_head)))
		return 0;
	if (!is_node(entry)) {
		slot_entry = entry;
		return !index;
	}
	for (depth = 0; depth < 11; depth++) {
		node = entry - 2;
		if (bpf_probe_read_kernel(&shift, 1, (void *)(node + OFF(struct xa_node, shift))))
			return 0;
		shift &= 63;
		if (!depth && index >> shift >= 64)
			return 0;
		if (!read_word(&entry, node + OFF(struct xa_node, slots) + (index >> shift & 63) * 8))
			return 0;
		if (!is_node(entry) || !shift)
			break;
	}
	slot_entry = entry;
	slot_shift = shift;
	return 1;
}

/* The memcg's short id, of the owner of an entry; 0: nobody's. */
static __always_inline __u16 swap_owner(__u64 entry)
{
	__u64 type = entry >> SWAP_OFFSET_BITS, offset = entry & ((1ULL << SWAP_OFFSET_BITS) - 1);
	__u64 ctrl, map, length, page, base, pages;
	__u16 id = 0;

	if (!bpf_core_field_exists(struct swap_cgroup_ctrl, length))
		return 0;	/* in later kernels the table has another form */
	if (type >= SWAP_TYPES || !&swap_cgroup_ctrl || !&page_offset_base || !&vmemmap_base)
		return 0;
	ctrl = (__u64)&swap_cgroup_ctrl + type * bpf_core_type_size(struct swap_cgroup_ctrl);
	if (!read_word(&map, ctrl + OFF(struct swap_cgroup_ctrl, map)) ||
	    !read_word(&length, ctrl + OFF(struct swap_cgroup_ctrl, length)) || offset / IDS_PER_PAGE >= length ||
	    !read_word(&page, map + offset / IDS_PER_PAGE * 8) || !read_word(&base, (__u64)&page_offset_base) ||
	    !read_word(&pages, (__u64)&vmemmap_base))
		return 0;
	bpf_probe_read_kernel(&id, 2, (void *)(base + ((page - pages) / 64 << 12) + offset % IDS_PER_PAGE * 2));
	return id;
}

static __always_inline bool is_ours(__u64 entry)
{
	return state.short_id && swap_owner(entry) == state.short_id;
}

/* Whether the file still has an entry of the memcg there. */
__noinline int swapped_is_there(__u64 mapping, __u64 index)
{
	return find_slot(mapping, index) && slot_entry & 1 && is_ours(slot_entry >> 1);
}

static __always_inline void add_swapped(void)
{
	__u32 n = state.n_runs;
	struct pins_run *r = &runs[(n - 1) & (PINS_RUNS - 1)];

	if (n && r->mapping == swap_mapping && r->list == list_seq && r->index + r->pages == swap_index) {
		r->pages++;
		return;
	}
	r = &runs[n & (PINS_RUNS - 1)];
	__builtin_memset(r, 0, sizeof(*r));
	r->mapping = swap_mapping;
	r->index = swap_index;
	r->pages = 1;
	r->flags = PINS_SWAPPED;
	r->list = list_seq;
	state.n_runs = n + 1;
}

/* The list has changed under the walk. */
static __always_inline void begin_anew(void)
{
	struct pins_run *r = &runs[state.n_runs & (PINS_RUNS - 1)];

	if (restarts++ >= RESTARTS_MAX) {
		state.unfinished++;
		state.done = 1;
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->flags = PINS_RESTARTED;
	r->list = list_seq++;
	state.n_runs++;
	swap_at = swap_head;
	swap_inodes = 0;
}

static __always_inline void next_swapped(void)
{
	__u64 next, inode, swapped;

	if (!read_word(&next, swap_at) || !next || next == swap_at || swap_inodes++ > INODES_MAX) {
		if (swap_at == swap_head)
			state.done = 1;		/* it is empty */
		else
			begin_anew();
		return;
	}
	swap_at = next;
	if (next == swap_head) {
		state.done = 1;
		return;
	}
	next -= OFF(struct shmem_inode_info, swaplist);
	inode = next + OFF(struct shmem_inode_info, vfs_inode);
	swap_index = 0;
	if (read_word(&swapped, next + OFF(struct shmem_inode_info, swapped)) && swapped &&
	    !read_word(&swap_mapping, inode + OFF(struct inode, i_mapping)))
		swap_mapping = 0;
}

/* One file, or one place in its tree, a step. */
static long swap_step(__u32 i, void *ctx)
{
	if (state.n_runs >= PINS_RUNS - 1 || state.done)
		return 1;
	if (!swap_mapping) {
		next_swapped();
		return 0;
	}
	if (!find_slot(swap_mapping, swap_index)) {
		swap_mapping = 0;
		return 0;
	}
	if (slot_entry & 1 && is_ours(slot_entry >> 1))
		add_swapped();
	swap_index = ((swap_index >> slot_shift) + 1) << slot_shift;
	return 0;
}

/* The entry a CPU keeps in this place of its cache of freed ones: it counts until the cache is given back. */
static long slot_step(__u32 i, void *ctx)
{
	const struct swap_slots_cache *cache = bpf_per_cpu_ptr(&swp_slots, i / SLOTS_PER_CPU);
	__u64 entry;

	if (!cache)
		return 1;
	if ((__s32)(i % SLOTS_PER_CPU) < cache->n_ret &&
	    read_word(&entry, (__u64)cache->slots_ret + i % SLOTS_PER_CPU * 8) && is_ours(entry))
		state.swap_freed++;
	return 0;
}

/* After the pages. */
SEC("raw_tp")
int pins_swap_begin(void *ctx)
{
	state.done = 0;
	state.swap_freed = 0;
	swap_mapping = swap_inodes = restarts = 0;
	list_seq++;
	swap_at = swap_head = (__u64)&shmem_swaplist;
	if (!still_there() || !bpf_core_field_exists(struct swap_cgroup_ctrl, length) || !&shmem_swaplist)
		state.done = 1;
	if (bpf_core_field_exists(struct swap_slots_cache, slots_ret) && &swp_slots)
		bpf_loop(nr_cpus * SLOTS_PER_CPU, slot_step, NULL, 0);
	return 0;
}

SEC("raw_tp")
int pins_swap(void *ctx)
{
	state.n_runs = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_STEPS, swap_step, NULL, 0);
	return 0;
}

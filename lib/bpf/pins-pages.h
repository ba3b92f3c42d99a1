/* SPDX-License-Identifier: GPL-2.0-only */
/* Of pins.bpf.c: the pages in the lists of the memcg. */
#pragma once

#include "pins-find.h"

#define RETRIES_MAX 64		/* of a step, in one list */
#define RESTARTS_MAX 3		/* of a list */

static __u64 node, prev, before_prev, head;	/* list heads: the next, and those behind it */
static __u32 list;		/* number of list heads begun, over all nodes */
static __u32 list_seq;
static __u32 retries, restarts;

static __always_inline __u32 page_flags(__u64 flags, __u32 *ret_dirty, bool *ret_large)
{
	__u32 f = 0;

#define BIT_OF(bit) ((flags >> bpf_core_enum_value(enum pageflags, bit)) & 1)
	*ret_dirty = BIT_OF(PG_dirty) | BIT_OF(PG_writeback);
	*ret_large = BIT_OF(PG_head);
	if (BIT_OF(PG_swapbacked)) {
		f |= PINS_SWAPBACKED;
		if (BIT_OF(PG_swapcache))
			f |= PINS_SWAPCACHE;
	}
	if (BIT_OF(PG_mlocked))
		f |= PINS_MLOCKED;
	if (BIT_OF(PG_unevictable))
		f |= PINS_UNEVICTABLE;
	if (BIT_OF(PG_writeback))
		f |= PINS_WRITEBACK;
	return f;
#undef BIT_OF
}

static __always_inline __u32 large_order(__u64 folio)
{
	__u8 order = 0;

	if (bpf_core_field_exists(struct folio, _folio_order))
		bpf_probe_read_kernel(&order, 1, &((struct folio *)folio)->_folio_order);
	else if (bpf_core_field_exists(struct folio___later, _flags_1))
		bpf_probe_read_kernel(&order, 1, &((struct folio___later *)folio)->_flags_1);
	return order & 31;
}

static __always_inline bool large_mapped(__u64 folio)
{
	__s32 count = -1;

	if (bpf_core_field_exists(struct folio___later, _large_mapcount))
		bpf_probe_read_kernel(&count, 4, &((struct folio___later *)folio)->_large_mapcount);
	else if (bpf_core_field_exists(struct folio, _total_mapcount))
		bpf_probe_read_kernel(&count, 4, &((struct folio *)folio)->_total_mapcount);
	return count >= 0;
}

/* The copy of a page that is charged to the memcg: a run of its own, or part of the one before. */
static __always_inline void add_folio(const __u64 *copy, __u64 folio)
{
	__u64 mapping = (__u64)SNAP_FIELD(copy, struct folio, mapping);
	__u64 index = SNAP_FIELD(copy, struct folio, index);
	bool mapped = SNAP_FIELD(copy, struct folio, _mapcount).counter >= 0, large;
	__u32 dirty, pages = 1, n = state.n_runs;
	struct pins_run *r;
	__u32 flags = page_flags(SNAP_FIELD(copy, struct folio, flags), &dirty, &large);

	if (large) {
		pages <<= large_order(folio);
		mapped = large_mapped(folio);
		flags |= PINS_LARGE;
	}
	if (!mapping)
		index = 0;
	state.pages_seen += pages;
	r = &runs[(n - 1) & (PINS_RUNS - 1)];
	if (n && r->mapping == mapping && r->list == list_seq && r->flags == flags) {
		if (index + pages == r->index)
			r->index = index;
		else if (mapping && index != r->index + r->pages)
			goto new;
		r->pages += pages;
		r->folios++;
		r->dirty += dirty ? pages : 0;
		r->mapped += mapped ? pages : 0;
		return;
	}
new:
	r = &runs[n & (PINS_RUNS - 1)];
	r->mapping = mapping;
	r->index = index;
	r->folio = folio;
	r->pages = pages;
	r->folios = 1;
	r->dirty = dirty ? pages : 0;
	r->mapped = mapped ? pages : 0;
	r->flags = flags;
	r->list = list_seq;
	state.n_runs = n + 1;
}

/* The place of a list head by its number; 0 behind the last of a node. */
static __always_inline __u64 list_place(__u64 pn, __u32 i)
{
	__u64 lruvec = pn + OFF(struct mem_cgroup_per_node___lists, lruvec);
	__u32 bytes, first;

	if (i < LRUS)
		return lruvec + OFF(struct lruvec, lists) + i * 16;
	i -= LRUS;
	if (bpf_core_field_exists(struct lruvec, lrugen.folios)) {
		first = OFF(struct lruvec, lrugen.folios);
		bytes = bpf_core_field_size(struct lruvec, lrugen.folios);
	} else if (bpf_core_field_exists(struct lruvec___first, lrugen.lists)) {
		first = OFF(struct lruvec___first, lrugen.lists);
		bytes = bpf_core_field_size(struct lruvec___first, lrugen.lists);
	} else {
		return 0;
	}
	return i * 16 < bytes ? lruvec + first + i * 16 : 0;
}

static __u32 nid;

/* The next list that is not empty, one look a step; 1 when there is none left. */
static __always_inline long next_list(void)
{
	__u64 pn = nid < nr_nodes ? per_node(nid) : 0;
	__u64 place, first;

	if (nid >= nr_nodes)
		return 1;
	place = pn ? list_place(pn, list) : 0;
	if (!place) {
		nid++;
		list = 0;
		return 0;
	}
	/* The list of unevictable pages is imaginary: what their links should be is another counter. */
	if (list++ == LRU_UNEVICTABLE || !read_word(&first, place) || !first || first == place)
		return 0;
	head = prev = before_prev = place;
	node = first;
	list_seq++;
	retries = restarts = 0;
	return 0;
}

/*
 * The page is not where the list said.  Ask the one before it again, if that is still in its place; else
 * begin the list anew; in the end, give up on it.
 */
static __always_inline long astray(void)
{
	__u64 copy[SNAP_WORDS], first;
	struct pins_run *r;

	if (prev != head && retries++ < RETRIES_MAX &&
	    snap(copy, SNAP_BYTES(struct folio, memcg_data), (void *)(prev - OFF(struct folio, lru))) &&
	    SNAP_FIELD(copy, struct folio, memcg_data) == memcg &&
	    (__u64)SNAP_FIELD(copy, struct folio, lru.prev) == before_prev) {
		node = (__u64)SNAP_FIELD(copy, struct folio, lru.next);
		return 0;
	}
	if (restarts++ >= RESTARTS_MAX || !read_word(&first, head)) {
		state.unfinished++;
		node = head;
		return 0;
	}
	r = &runs[state.n_runs & (PINS_RUNS - 1)];
	__builtin_memset(r, 0, sizeof(*r));
	r->flags = PINS_RESTARTED;
	r->list = list_seq++;
	state.n_runs++;
	state.restarts++;
	prev = before_prev = head;
	node = first;
	return 0;
}

static long page_step(__u32 i, void *ctx)
{
	__u64 copy[SNAP_WORDS], folio;

	if (state.n_runs >= PINS_RUNS)
		return 1;
	if (node == head) {
		if (next_list()) {
			state.done = 1;
			return 1;
		}
		return 0;
	}
	folio = node - OFF(struct folio, lru);
	if (!snap(copy, SNAP_BYTES(struct folio, memcg_data), (void *)folio) ||
	    SNAP_FIELD(copy, struct folio, memcg_data) != memcg ||
	    (__u64)SNAP_FIELD(copy, struct folio, lru.prev) != prev)
		return astray();
	add_folio(copy, folio);
	before_prev = prev;
	prev = node;
	node = (__u64)SNAP_FIELD(copy, struct folio, lru.next);
	return 0;
}

/* Each run of it walks one portion, after pins_begin. */
SEC("raw_tp")
int pins_pages(void *ctx)
{
	state.n_runs = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_STEPS, page_step, NULL, 0);
	return 0;
}

SEC("raw_tp")
int pins_begin(void *ctx)
{
	node = head = prev = before_prev = 0;
	list = nid = 0;
	list_seq = 1;
	state.pages_seen = state.restarts = state.done = state.unfinished = 0;
	return still_there() ? 0 : -1;
}

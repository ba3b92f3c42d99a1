/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of pins.bpf.c: pages again, wherever they are.
 *
 * Those on no list (unevictable ones, those on their way to a list or isolated from it) are found by
 * looking at all pages of the machine.  A page's own word about its memcg is exact.
 */
#pragma once

#include "pins-pages.h"

extern const void vmemmap_base __ksym __weak;
extern const void max_pfn __ksym __weak;

const volatile __u32 page_struct_bytes = 64;

static __u64 batch[PINS_BATCH * 8];

#define SECTION_BYTES (2U << 20)	/* struct pages of one memory section: they are there or not as one */

/*
 * A page of the batch.  Not static: the verifier then checks it once, not for each of the 64 places it may be
 * called with.
 */
__noinline int add_found(__u32 k, __u64 folio)
{
	add_folio(&batch[(k & (PINS_BATCH - 1)) * 8], folio);
	return 0;
}

static long scan_step(__u32 i, void *ctx)
{
	const __u32 memcg_word = OFF(struct folio, memcg_data) / 8;
	__u64 folio = state.next_folio;
	__u32 k;

	if (folio >= state.end_folio) {
		state.done = 1;
		return 1;
	}
	if (state.n_runs > PINS_RUNS - PINS_BATCH)
		return 1;
	if (bpf_probe_read_kernel(batch, sizeof(batch), (void *)folio)) {
		state.next_folio = (folio | (SECTION_BYTES - 1)) + 1;
		return 0;
	}
	for (k = 0; k < PINS_BATCH; k++)
		if (batch[k * 8 + (memcg_word & 7)] == memcg)
			add_found(k, folio + k * 64);
	state.next_folio = folio + sizeof(batch);
	return 0;
}

/* Memcgs to look for at once, and the number by which the list of a run tells them apart. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PINS_WANTED);
	__type(key, __u64);
	__type(value, __u32);
} wanted SEC(".maps");

/* Likewise not static. */
__noinline int add_wanted(__u32 k, __u64 folio, __u64 owner)
{
	__u32 *number = bpf_map_lookup_elem(&wanted, &owner);

	if (!number)
		return 0;
	list_seq = *number;
	add_folio(&batch[(k & (PINS_BATCH - 1)) * 8], folio);
	return 0;
}

static long scan_many_step(__u32 i, void *ctx)
{
	const __u32 memcg_word = OFF(struct folio, memcg_data) / 8;
	__u64 folio = state.next_folio, owner;
	__u32 k;

	if (folio >= state.end_folio) {
		state.done = 1;
		return 1;
	}
	if (state.n_runs > PINS_RUNS - PINS_BATCH)
		return 1;
	if (bpf_probe_read_kernel(batch, sizeof(batch), (void *)folio)) {
		state.next_folio = (folio | (SECTION_BYTES - 1)) + 1;
		return 0;
	}
	/* The low bits of the word mark what is no page of a user. */
	for (k = 0; k < PINS_BATCH; k++) {
		owner = batch[k * 8 + (memcg_word & 7)];
		if (owner && !(owner & 3))
			add_wanted(k, folio + k * 64, owner);
	}
	state.next_folio = folio + sizeof(batch);
	return 0;
}

SEC("raw_tp")
int pins_scan_many(void *ctx)
{
	state.n_runs = 0;
	bpf_loop(PINS_STEPS, scan_many_step, NULL, 0);
	return 0;
}

SEC("raw_tp")
int pins_scan(void *ctx)
{
	state.n_runs = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_STEPS, scan_step, NULL, 0);
	return 0;
}

/* After pins_begin; the result is 0 where the kernel's pages are not in one row. */
SEC("raw_tp")
int pins_scan_begin(void *ctx)
{
	__u64 pages;

	if (page_struct_bytes != 64 || !&vmemmap_base || !&max_pfn ||
	    !read_word(&state.next_folio, (__u64)&vmemmap_base) || !read_word(&pages, (__u64)&max_pfn))
		return 0;
	state.end_folio = state.next_folio + pages * 64;
	return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Draining cgroups that are about to be removed: reclaim until their user pages are gone, without
 * pushing any of them to swap (a swap entry pins as well as a page does).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgroup.h"

#define MCR_DRAIN_JOURNAL "restore.drain"
#define MCR_DRAIN_BATCH 64

struct mcr_drain_item {
	uint64_t id;
	uint64_t step_bytes, max_bytes;	/* 0: reclaim.h's defaults */
	bool in_use;			/* also with processes in it, which may go on swapping: somebody asked for that */
};

struct mcr_drain_opts {
	const struct mcr_hierarchy *h;
	int journal_dir_fd;		/* for memory.swap.max, where the kernel lacks swappiness= */
	bool sync;			/* write dirty pages out first, once for the whole batch */
};

/* What became of one cgroup; sent through the worker's pipe as it is. */
struct mcr_drain_report {
	uint64_t id;
	int error;			/* 0, -EBUSY: in use again, or errno of what failed */
	uint64_t freed_bytes;
	struct mcr_charge left;
};

/* Is there any swap to reclaim into? */
bool mcr_swap_is_on(void);

/* Something that another try later may free: page cache that is not tmpfs. */
bool mcr_drain_worth_retry(const struct mcr_charge *left);

/* No user page and no swap entry left: removal makes no zombie of it. */
bool mcr_drain_is_empty(const struct mcr_charge *left);

/*
 * Drains up to MCR_DRAIN_BATCH cgroups and reports each.  Blocks: call it in a worker.
 * 0, or errno of what kept it from starting; failures of single cgroups are in their reports.
 */
int mcr_drain(const struct mcr_drain_opts *o, const struct mcr_drain_item *items, size_t n,
	      int (*report)(const struct mcr_drain_report *report, void *userdata), void *userdata);

/* The same, but waits for up to five seconds where somebody else drains: one journal of knobs is for one at a time. */
int mcr_drain_in_turn(const struct mcr_drain_opts *o, const struct mcr_drain_item *items, size_t n,
		      int (*report)(const struct mcr_drain_report *report, void *userdata), void *userdata);

/* A batch for a worker (worker.h), whose records are struct mcr_drain_report. */
struct mcr_drain_work {
	struct mcr_drain_opts opts;
	const struct mcr_drain_item *items;
	size_t n;
	int nice;		/* 0: as nice as the caller */
	int out_fd;		/* the worker's own */
};
/* The job: userdata is a struct mcr_drain_work. As mcr_drain_in_turn(). */
int mcr_drain_in_worker(void *userdata, int out_fd);

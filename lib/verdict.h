/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is it zombie memcgs that take the memory, something else of the kernel's, or nothing?  The thresholds are a matter
 * of judgement: what an administrator would look into.  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct mcr_verdict_facts {
	uint64_t dying;			/* memcgs */
	uint64_t bytes_each;		/* of kernel memory; 0: unknown */
	uint64_t held_bytes;		/* user pages they hold, as far as known */
	uint64_t total_bytes;		/* MemTotal */
	uint64_t slab_bytes, percpu_bytes;	/* SUnreclaim, Percpu */
};

enum mcr_verdict {
	MCR_VERDICT_NOTHING,		/* nothing to do */
	MCR_VERDICT_ZOMBIES,		/* that is what the reaper is for */
	MCR_VERDICT_OTHER,		/* the kernel uses much, and not for zombies */
};

/* Reads MemTotal, SUnreclaim and Percpu from the text of /proc/meminfo; what is not there stays 0. */
void mcr_verdict_meminfo(const char *meminfo, struct mcr_verdict_facts *ret);

enum mcr_verdict mcr_verdict(const struct mcr_verdict_facts *f);

/* "zombies", a static word; and a sentence with the figures, cut so that it fits: returns buf. */
const char *mcr_verdict_name(enum mcr_verdict v);
const char *mcr_verdict_text(const struct mcr_verdict_facts *f, char *buf, size_t size);

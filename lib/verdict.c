/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>

#include "fileio.h"

/* A hundred are more than a boot leaves behind (some 20), and as many as slow down reading of memory.stat can begin with. */
#define MANY 100
/* Zombies that take this part of memory are worth a look, kernel memory as a whole when it takes that. */
#define ZOMBIE_SHARE 100	/* 1 % */
#define KERNEL_SHARE 10		/* 10 % */
#define MIB ((uint64_t)1 << 20)

void mcr_verdict_meminfo(const char *meminfo, struct mcr_verdict_facts *ret)
{
	uint64_t kib;

	if (mcr_keyed_u64(meminfo, "MemTotal", &kib) == 0)
		ret->total_bytes = kib * 1024;
	if (mcr_keyed_u64(meminfo, "SUnreclaim", &kib) == 0)
		ret->slab_bytes = kib * 1024;
	if (mcr_keyed_u64(meminfo, "Percpu", &kib) == 0)
		ret->percpu_bytes = kib * 1024;
}

static uint64_t zombie_bytes(const struct mcr_verdict_facts *f)
{
	return f->dying * f->bytes_each;
}

enum mcr_verdict mcr_verdict(const struct mcr_verdict_facts *f)
{
	uint64_t kernel = f->slab_bytes + f->percpu_bytes;

	if (f->dying >= MANY || (f->total_bytes && zombie_bytes(f) + f->held_bytes >= f->total_bytes / ZOMBIE_SHARE))
		return MCR_VERDICT_ZOMBIES;
	if (f->total_bytes && kernel >= f->total_bytes / KERNEL_SHARE)
		return MCR_VERDICT_OTHER;
	return MCR_VERDICT_NOTHING;
}

const char *mcr_verdict_name(enum mcr_verdict v)
{
	return v == MCR_VERDICT_ZOMBIES ? "zombies" : v == MCR_VERDICT_OTHER ? "other" : "nothing";
}

const char *mcr_verdict_text(const struct mcr_verdict_facts *f, char *buf, size_t size)
{
	uint64_t kernel = (f->slab_bytes + f->percpu_bytes) / MIB;

	switch (mcr_verdict(f)) {
	case MCR_VERDICT_ZOMBIES:
		snprintf(buf, size, "a problem of zombie memcgs: %" PRIu64 " of them cost the kernel at least %" PRIu64
			 " MiB and hold %" PRIu64 " MiB; see `memcg-reaper explain --all`", f->dying, zombie_bytes(f) / MIB,
			 f->held_bytes / MIB);
		break;
	case MCR_VERDICT_OTHER:
		snprintf(buf, size, "not a problem of memcgs: the kernel has %" PRIu64 " MiB in slabs and per-CPU memory that it"
			 " cannot reclaim, and only %" PRIu64 " zombies; see slabtop(1)", kernel, f->dying);
		break;
	default:
		snprintf(buf, size, "nothing to do: %" PRIu64 " zombies, %" PRIu64 " MiB of kernel memory that cannot be reclaimed",
			 f->dying, kernel);
		break;
	}
	return buf;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Census: every dying memcg of the machine, with what it still holds.
 *
 * By BPF it is exact and takes about a microsecond per cgroup.  Where the kernel refuses BPF,
 * mcr_census_count() still tells how many dying cgroups each subtree has (see census-count.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_hierarchy;

enum mcr_lru {
	MCR_LRU_INACTIVE_ANON,
	MCR_LRU_ACTIVE_ANON,
	MCR_LRU_INACTIVE_FILE,
	MCR_LRU_ACTIVE_FILE,
	MCR_LRU_UNEVICTABLE,
	MCR_LRUS,
};

/* A dying memcg. */
struct mcr_zombie {
	uint64_t id;
	uint64_t anchor_id;		/* nearest live ancestor */
	char *path;			/* below the root, as it was; owned by the census */
	const char *name;		/* its last component */
	const char *anchor;		/* path of the nearest live ancestor */
	uint64_t since_ns;		/* CLOCK_MONOTONIC; 0: before anybody watched */
	uint64_t refs;			/* css references left */
	uint64_t usage_bytes;		/* its counter: reparented kernel memory stays on it */
	uint64_t swap_bytes;
	uint64_t lru_pages[MCR_LRUS];	/* over all NUMA nodes */
	unsigned int level;
};

struct mcr_census {
	struct mcr_zombie *zombies;
	size_t n;
	uint64_t visited;		/* memcgs seen, live ones included */
	uint64_t dying;			/* dying memcgs in all */
	bool named;			/* each by itself; false: one entry per subtree, refs is its number */
	bool complete;			/* false: the tree was too large or changed under the walk */
	char **strings;			/* live paths the zombies point to */
	size_t n_strings;
};

/* Pages on its LRU lists. */
uint64_t mcr_zombie_pages(const struct mcr_zombie *z);

struct mcr_census *mcr_census_free(struct mcr_census *c);
static inline void mcr_census_freep(struct mcr_census **c)
{
	*c = mcr_census_free(*c);
}

/* The loaded walker; costs about 300 KiB of kernel memory while it is open. */
struct mcr_census_walker;

/*
 * Loads the BPF program.  0 and *ret; -EPERM (lockdown, capabilities), -ESRCH or -ENOENT (no BTF),
 * or what the kernel said.  On failure *ret_why (when not NULL) is a static sentence.
 */
int mcr_census_walker_new(struct mcr_census_walker **ret, const char **ret_why);
struct mcr_census_walker *mcr_census_walker_free(struct mcr_census_walker *w);
static inline void mcr_census_walker_freep(struct mcr_census_walker **w)
{
	*w = mcr_census_walker_free(*w);
}

/* Walks once. 0 and *ret (free with mcr_census_free()), -ENOMEM, or what the kernel said. */
int mcr_census_walk(struct mcr_census_walker *w, struct mcr_census **ret);

/* Without BPF: a live cgroup that has dying ones directly below it. */
struct mcr_dying_count {
	char *path;
	uint64_t id;
	uint64_t dying;			/* dying cgroups whose nearest live ancestor this is */
	uint64_t held_pages;		/* user pages the kernel attributes to it though it has no
					   processes: they belong to dead children. UINT64_MAX: unknown */
};
struct mcr_count {
	struct mcr_dying_count *at;
	size_t n;
	uint64_t dying;			/* in all */
};

struct mcr_count *mcr_count_free(struct mcr_count *c);
static inline void mcr_count_freep(struct mcr_count **c)
{
	*c = mcr_count_free(*c);
}

/*
 * The counts in the shape of a census, for what works on either: one nameless entry per subtree.
 * 0 and *ret, or -ENOMEM.
 */
int mcr_census_from_count(const struct mcr_count *count, struct mcr_census **ret);

/* Dying cgroups at the root, from cgroup.stat. 0 or errno; needs no privilege. */
int mcr_count_total(const struct mcr_hierarchy *h, uint64_t *ret);

/*
 * Reads cgroup.stat of every live cgroup, and /proc/kpagecgroup where it may be read.
 * 0 and *ret, or errno; cgroups that vanish meanwhile are left out.
 */
int mcr_census_count(const struct mcr_hierarchy *h, struct mcr_count **ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Freezing the cgroups of those who use something, for a moment; noted in a journal before, so that whoever comes after a
 * SIGKILL thaws them.  One that somebody else has frozen stays frozen, and is not ours to thaw.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"

struct mcr_chunklog;
struct mcr_hierarchy;
struct mcr_freeze;

/*
 * An empty set. own and owner are the paths below the root of the cgroup that must not be frozen because the daemon is in it,
 * and of the owner; both are copied.  0 or -ENOMEM.
 */
int mcr_freeze_new(const struct mcr_hierarchy *h, struct mcr_chunklog *log, const char *own, const char *owner,
		   struct mcr_freeze **ret);

/* Thaws what is frozen, and forgets it. */
struct mcr_freeze *mcr_freeze_free(struct mcr_freeze *f);
static inline void mcr_freeze_freep(struct mcr_freeze **f)
{
	*f = mcr_freeze_free(*f);
}

/* May the cgroup with this path be frozen?  MCR_REFUSED_NOT, or what stands against it. Touches no file. */
enum mcr_refusal mcr_freeze_allowed(const char *path, const char *own, const char *owner);

/*
 * Adds the cgroup with this path, unless it is in the set. MCR_REFUSED_NOT also when it is gone: nobody is in it
 * any more, and whoever was will be found elsewhere.
 */
enum mcr_refusal mcr_freeze_add(struct mcr_freeze *f, const char *path);

/* Is it in the set? */
bool mcr_freeze_has(const struct mcr_freeze *f, uint64_t cgroup_id);

size_t mcr_freeze_count(const struct mcr_freeze *f);

/*
 * Freezes all, and waits until the kernel says of each that it is.  0; -ETIMEDOUT: one was not within timeout_usec, and
 * all are thawed again; or errno of noting or writing, and all are thawed again.
 */
int mcr_freeze_all(struct mcr_freeze *f, uint64_t timeout_usec);

/* Are all of them still frozen?  Somebody else may thaw what we froze. */
bool mcr_freeze_lasts(const struct mcr_freeze *f);

/* Thaws all but those that somebody else had frozen.  0, or the first errno; then the journal keeps them all. */
int mcr_freeze_thaw(struct mcr_freeze *f);

/* Is the cgroup with this path frozen, by whomever? 1, 0, or errno (-ENOENT: it is gone). */
int mcr_cgroup_frozen(const struct mcr_hierarchy *h, const char *path);

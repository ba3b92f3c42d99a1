/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reaping zombies that exist: which live ancestors to open, and shielded reclaim on each of them.
 * Shared by the daemon and `memcg-reaper reap`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shield.h"

struct mcr_census;
struct mcr_config;
struct mcr_hierarchy;
struct mcr_zombie;

struct mcr_policy;

/* A live cgroup to open, and how many zombies that may be reaped hang directly below it. */
struct mcr_reap_anchor {
	uint64_t id;
	const char *path;	/* lives as long as the census */
	size_t zombies;
	uint64_t bytes;		/* what they hold, as far as known */
	const struct mcr_policy *policy;	/* of the ancestor: its bounds count */
};

/* The policy under which to try a zombie now, or NULL: not now. */
typedef const struct mcr_policy *(*mcr_reap_chooser)(const struct mcr_zombie *z, void *userdata);

/*
 * The anchors of the zombies that their policy wants shielded reclaim for; choose NULL: the policy for their paths.
 * The ancestor's own policy must not say no either.  *ret is allocated. Their number, or -ENOMEM.
 */
int mcr_reap_plan(const struct mcr_census *census, const struct mcr_config *config, mcr_reap_chooser choose,
		  void *userdata, struct mcr_reap_anchor **ret);

/* Why this is no moment to reap (memory pressure, a mount option that is missing), or NULL; static. */
const char *mcr_reap_refusal(const struct mcr_hierarchy *h, const struct mcr_config *config, int proc_fd);

/* Has a policy of this live ancestor something against reclaim there? False also where no policy covers it. */
bool mcr_reap_is_forbidden(const struct mcr_config *config, const char *anchor);

/*
 * Under which policy the live ancestor of a zombie may be reclaimed, where the zombie's own is this one; NULL: it may not.
 */
const struct mcr_policy *mcr_reap_policy(const struct mcr_config *config, const struct mcr_zombie *z,
					 const struct mcr_policy *zombies);

/* 5 s: less than the shortest sensible WorkerMaxSec=, more than a shield lasts where a few hundred cgroups live. */
#define MCR_REAP_PATIENCE_USEC 5000000

struct mcr_reap_opts {
	const struct mcr_hierarchy *h;
	struct mcr_shield_opts shield;	/* step_bytes are the policy's */
	uint64_t *policy_budgets;	/* what may still be asked for, by mcr_policy.index; counted down */
	bool sync;		/* write dirty pages out before a second try, once (sync.h) */
	uint64_t patience_usec;	/* how long to wait, at each anchor, for a shield of somebody else; 0: MCR_REAP_PATIENCE_USEC */
};

/* What one try on one anchor did; sent through the worker's pipe as it is. */
struct mcr_reap_report {
	uint64_t anchor_id;
	int error;
	unsigned int policy;	/* whose bounds counted: mcr_policy.index */
	uint64_t asked_bytes;
	unsigned int pass;	/* 1, or 2 after the sync */
	struct mcr_shield_result result;
};

/*
 * Shielded reclaim on each anchor; then, where something was left, a sync and a second try.
 * Stops at shield.max_bytes in all, or when memory pressure rises.  Blocks: call it in a worker.
 * 0, or what report() returned.
 */
int mcr_reap(const struct mcr_reap_opts *o, const struct mcr_reap_anchor *anchors, size_t n,
	     int (*report)(const struct mcr_reap_report *report, void *userdata), void *userdata);

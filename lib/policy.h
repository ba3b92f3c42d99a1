/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which policy holds for a cgroup: that of the deepest slice on the way to it; of several for that slice
 * the one read last of those whose globs match.  Pure.  The gate decides alike, in the kernel (gate.bpf.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* Extended attribute of a cgroup that names its policy, for it and all below, if that policy allows it. */
#define MCR_POLICY_XATTR "user.memcg_reaper.policy"

/* One slice of one policy; of the same slice the one that wins comes first. */
struct mcr_slot {
	const char *slice;
	const struct mcr_policy *policy;
};

/*
 * The policy for the cgroup at this path below the root, or NULL: no slice covers it, or a name between the slice and it
 * begins with one of Except=.  *ret_slice (may be NULL) is the slice that decided.
 * Costs a binary search per component of the path; and for each slice on the way with globs, a match of each of them
 * with each component below.
 */
const struct mcr_policy *mcr_policy_for(const struct mcr_config *c, const char *path, const char **ret_slice);

/* Does a name on this part of a path begin with one of Except=? */
bool mcr_policy_excepted(const struct mcr_config *c, const char *below);

/* By name, or NULL. */
const struct mcr_policy *mcr_policy_named(const struct mcr_config *c, const char *name);

/* Does this policy hold removals at all: somebody must settle what is held. */
bool mcr_policy_holds(const struct mcr_policy *p);

/* How much page cache the drain of one of its cgroups may take, in bytes; 0: it is not drained. */
uint64_t mcr_policy_drain_max(const struct mcr_policy *p);

/* Does the glob match the whole text?  Longer than bpf/glob.h allows: no. */
bool mcr_glob_matches(const char *glob, const char *text);

/*
 * The cgroup path of a slice as units name it: "a-b.slice" is a.slice/a-b.slice; what has a / in it, or is no slice, is a
 * path already.  Slashes at both ends are dropped.  Allocated.
 * -EINVAL: empty, the root, or with "." or ".." or an empty component; -ENOMEM.
 */
int mcr_slice_path(const char *name, char **ret);

/* mcr_config.c's: makes and drops the index. 0 or -ENOMEM. */
int mcr_policy_index(struct mcr_config *c);

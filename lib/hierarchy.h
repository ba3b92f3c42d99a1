/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cgroup v2 hierarchy with the memory controller: found, checked, opened once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_hierarchy;

/*
 * Finds where the memory controller lives and opens it.
 * 0 and *ret (free with mcr_hierarchy_free());
 * -EOPNOTSUPP: memory is on cgroup v1 (legacy or hybrid), or there is no cgroupfs at all;
 * -ENODEV: cgroup v2, but no memory controller; or another errno.
 * On failure *ret_why (when not NULL) is a static sentence naming what is missing.
 */
int mcr_hierarchy_find(struct mcr_hierarchy **ret, const char **ret_why);

/* The same for a given directory, which is taken as the root of the hierarchy. */
int mcr_hierarchy_open(const char *path, struct mcr_hierarchy **ret, const char **ret_why);

struct mcr_hierarchy *mcr_hierarchy_free(struct mcr_hierarchy *h);
static inline void mcr_hierarchy_freep(struct mcr_hierarchy **h)
{
	*h = mcr_hierarchy_free(*h);
}

/* The root directory's fd and path; both live as long as h. */
int mcr_hierarchy_fd(const struct mcr_hierarchy *h);
const char *mcr_hierarchy_path(const struct mcr_hierarchy *h);

/* The path below the root, of one that may have the mount point in front. */
const char *mcr_hierarchy_below(const struct mcr_hierarchy *h, const char *path);

/* Mounted with memory_recursiveprot: protection of a cgroup covers all below it. */
bool mcr_hierarchy_recursive_protection(const struct mcr_hierarchy *h);

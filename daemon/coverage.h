/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where which policy is in force: the rules given to the gate, the slices they hang on (which come and go), and the single
 * cgroups that have a policy of their own, by extended attribute or because somebody asked for a drain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gate.h"

struct manager;
struct mcr_config;
struct mcr_policy;

/* A slice of the configuration, and its cgroup while there is one. */
struct cover {
	const char *slice;
	uint64_t id;		/* 0: there is no such cgroup now */
	struct mcr_gate_range range;
};

/* A cgroup with a policy of its own. */
struct chosen {
	uint64_t id;
	char *path;
	const struct mcr_policy *policy;	/* of the configuration in force */
	uid_t uid;		/* who asked, or whose cgroup it is: their number is bounded */
	bool by_attribute;
	bool dead;		/* removed, a zombie: only it still has this policy */
	bool forced;		/* to be held when it is removed, whatever it is charged */
};

struct coverage {
	struct cover *covers;
	size_t n_covers;
	struct chosen *chosen;
	size_t n_chosen;
	uint32_t first_policy_rule;	/* two rules per policy: as it says, and forced */
};

/* Makes rules of the configuration and puts them in force, in one step. 0 or -ENOMEM; what does not fit is logged. */
int coverage_apply(struct manager *m, struct mcr_config *config);

/* Slices come and go: covers those that are there now. Cheap: a stat per slice. */
void coverage_refresh(struct manager *m);

/* The attribute of this cgroup was set or removed. */
void coverage_on_attribute(struct manager *m, uint64_t id);

/* Holds the removal of this cgroup, once it comes to that, for uid. 0, -ENOSPC: too many, or errno. */
int coverage_force(struct manager *m, uint64_t id, const char *path, uid_t uid, const struct mcr_policy *policy);

/* A held cgroup was removed: nobody's request for it counts any more. */
void coverage_gone(struct manager *m, uint64_t id);

/* Forgets chosen cgroups that are neither alive nor a zombie. */
void coverage_prune(struct manager *m);

/* The policy for a cgroup, alive or dead; NULL: none. *ret_why is the slice, or "attribute" or NULL. */
const struct mcr_policy *coverage_policy(const struct manager *m, uint64_t id, const char *path, const char **ret_why);

void coverage_clear(struct coverage *c);

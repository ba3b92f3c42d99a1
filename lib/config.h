/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reaper.conf: what the reaper may do and where.  Section [Reaper] has what holds for the machine, each
 * [Policy NAME] what holds for some cgroups (policy.h chooses).  Tables of keys (config.c) hold name, type and
 * default; a key that is unknown or has a bad value is reported by file, line and key, and what was there stays.
 *
 * The policy "default" is always there.  A key that a policy does not set has the value it has in "default".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inifile.h"

#define MCR_DEFAULT_POLICY "default"
#define MCR_POLICIES_MAX 256
#define MCR_POLICY_NAME_MAX 40
#define MCR_GLOBAL_KEYS 18
#define MCR_POLICY_KEYS 15

/* Where a value comes from. */
struct mcr_said {
	char *text;		/* in the words of the file; lists: all words */
	const char *file;	/* NULL: built in */
	unsigned int line;
	bool inherited;		/* from the policy "default" */
};

struct mcr_policy {
	char *name;
	char **slices;		/* cgroup paths without the leading slash, NULL-terminated */
	char **match;		/* globs (bpf/glob.h); none: everything */
	bool selectable;	/* by the extended attribute */
	bool gate, drain, shield, recharge, dry_run;
	char *owner;		/* who takes over what cannot be drained; "": nobody */
	uint64_t pause_max_usec;	/* for which users of what is recharged are frozen at a time */
	uint64_t hold_max_usec;
	uint64_t hold_min_bytes;	/* charged with less: let go */
	uint64_t step_bytes;	/* per write to memory.reclaim */
	uint64_t drain_max_bytes;	/* per held cgroup */
	uint64_t budget_bytes;	/* shielded reclaim asks for, per budget_usec */
	unsigned int index;	/* in mcr_config.policies */
	unsigned int order;	/* of two for the same slice the later one wins */
	struct mcr_said said[MCR_POLICY_KEYS];
};

struct mcr_config {
	uint64_t interval_usec;		/* census and shield */
	uint64_t grace_usec;		/* dying for this long: a zombie */
	uint64_t heartbeat_max_usec;
	uint64_t reuse_grace_usec;
	uint64_t retry_usec;		/* pause before the second drain of a held cgroup */
	uint64_t worker_max_usec;	/* a worker is killed after that */
	uint64_t budget_usec;		/* budgets are for this long */
	uint64_t pinned_retry_usec;	/* a zombie that would not go is tried again after that */
	uint64_t held_max;
	uint64_t sync_usec;		/* sync at most once in this time */
	uint64_t sync_max_bytes;	/* and only with no more dirty than that */
	uint64_t budget_bytes;		/* of all policies together */
	uint64_t requests_max;		/* waiting, of all users */
	uint64_t requests_per_user;
	unsigned int pressure_max_centi;
	unsigned int available_min_centi;
	bool sync;
	char **except;			/* prefixes of names, NULL-terminated */
	struct mcr_said said[MCR_GLOBAL_KEYS];

	struct mcr_policy **policies;	/* [0] is "default" */
	size_t n_policies;
	char **files;			/* that were read, in order, NULL-terminated */
	struct mcr_slot *slots;		/* policy.c's: by slice */
	size_t n_slots;
	unsigned int generation;	/* the daemon's: of several that were in force one after the other */
	unsigned int refs, order;
};

/* The built-in defaults. 0 or -ENOMEM. */
int mcr_config_new(struct mcr_config **ret);

/* Records of held cgroups keep the configuration they were held under. The last unref frees it. */
struct mcr_config *mcr_config_ref(struct mcr_config *c);
struct mcr_config *mcr_config_unref(struct mcr_config *c);
static inline void mcr_config_unrefp(struct mcr_config **c)
{
	*c = mcr_config_unref(*c);
}

/*
 * Reads a file over what *c has. Number of complaints (0: all was understood), or errno as
 * mcr_ini_read(); *c is still whole then.  Call mcr_config_finish() after the last file.
 */
int mcr_config_read(struct mcr_config *c, const char *path, mcr_ini_complaint complain, void *userdata);

/* Policies inherit from "default", and are sorted for mcr_policy_for(). Number of complaints, or -ENOMEM. */
int mcr_config_finish(struct mcr_config *c, mcr_ini_complaint complain, void *userdata);

/*
 * All of it: built-in defaults and the files that count below root (NULL: /), or FILE alone when it is given.
 * A FILE that is not there counts as empty. *ret on 0 or a number of complaints; errno: a file cannot be
 * read, or there is no memory, and *ret is untouched; *ret_path, when not NULL, is that file's name or NULL, allocated.
 */
int mcr_config_load(const char *root, const char *file, mcr_ini_complaint complain, void *userdata,
		    struct mcr_config **ret, char **ret_path);

/* One key with its value and where that comes from; lives as long as the configuration. */
struct mcr_setting {
	const char *key;
	const struct mcr_said *said;
};

/* The i-th key of [Reaper], or of a policy. False beyond the last. */
bool mcr_config_setting(const struct mcr_config *c, size_t i, struct mcr_setting *ret);
bool mcr_policy_setting(const struct mcr_policy *p, size_t i, struct mcr_setting *ret);

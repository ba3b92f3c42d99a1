/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reaper.conf: what the reaper may do and where.  A table of keys (config.c) holds name, type and
 * default; a key that is unknown or has a bad value is reported by file, line and key, and the
 * default stays.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_config {
	uint64_t interval_usec;		/* census and shield */
	uint64_t grace_usec;		/* dying for this long: a zombie */
	uint64_t hold_max_usec;
	uint64_t heartbeat_max_usec;
	uint64_t reuse_grace_usec;
	uint64_t retry_usec;		/* pause before the second drain of a held cgroup */
	uint64_t worker_max_usec;	/* a worker is killed after that */
	uint64_t budget_usec;		/* budget_bytes are for this long */
	uint64_t pinned_retry_usec;	/* a zombie that would not go is tried again after that */
	uint64_t held_max;
	uint64_t step_bytes;
	uint64_t drain_max_bytes;	/* per held cgroup */
	uint64_t sync_usec;		/* sync at most once in this time */
	uint64_t sync_max_bytes;	/* and only with no more dirty than that */
	uint64_t budget_bytes;		/* shielded reclaim asks for */
	unsigned int pressure_max_centi;
	unsigned int available_min_centi;
	bool gate, shield, sync, dry_run;
	char **cover;			/* cgroup paths without the leading slash, NULL-terminated */
	char **except;			/* prefixes of names, NULL-terminated */
};

/* Called for each line that is not understood; key is "" for a line that is no assignment. */
typedef void (*mcr_config_complaint)(const char *file, unsigned int line, const char *key, const char *what,
				     void *userdata);

/* The built-in defaults. 0 or -ENOMEM. */
int mcr_config_new(struct mcr_config **ret);
struct mcr_config *mcr_config_free(struct mcr_config *c);
static inline void mcr_config_freep(struct mcr_config **c)
{
	*c = mcr_config_free(*c);
}

/*
 * Reads a file over what *c has. Number of complaints (0: all was understood), or errno when the
 * file could not be read; *c is still whole then.
 */
int mcr_config_read(struct mcr_config *c, const char *path, mcr_config_complaint complain, void *userdata);

/*
 * Is this cgroup (path below the root) ours to act on: below a covered one, with no excepted name
 * on the way there?  Pure.
 */
bool mcr_config_covers(const struct mcr_config *c, const char *path);

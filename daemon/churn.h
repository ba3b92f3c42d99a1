/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who makes zombies: per pattern of unit names how many cgroups were removed with memory in the last hour, held or not,
 * and what pinned them.  Bounded: the pattern that was quiet for longest makes room for a new one.  No loop, no
 * kernel; the clock is the caller's.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unitname.h"

#define CHURN_PATTERNS_MAX 128
#define CHURN_SLOTS 12
#define CHURN_SLOT_NSEC (300ULL * 1000000000)	/* slots together: an hour */

enum churn_what {
	CHURN_HELD,		/* would have become a zombie; some do all the same */
	CHURN_ZOMBIE,		/* has */
	CHURN_WHATS,
};

struct churn_maker {
	char pattern[NAME_MAX + 1];
	char unit[NAME_MAX + 1];	/* the latest one */
	enum mcr_unit_kind kind;
	bool timer;		/* a timer of its name starts it */
	const char *pin;	/* what the last zombie was pinned by; static, or NULL */
	uint32_t count[CHURN_WHATS][CHURN_SLOTS];
	uint32_t same_unit;	/* of those in the last hour, how often in a row it was one and the same unit */
	uint64_t slot;		/* number of the newest slot */
	uint64_t last_ns;
};

struct churn {
	struct churn_maker *at;
	size_t n;
	uint64_t made;		/* also those that have made room since */
};

/* Counts one. The maker, or NULL without memory; lives until the next call. */
struct churn_maker *churn_note(struct churn *c, const char *path, enum churn_what what, uint64_t now_ns);

/* In the hour before now. */
uint64_t churn_per_hour(const struct churn_maker *m, enum churn_what what, uint64_t now_ns);

/* What to do about it, one sentence; static. */
const char *churn_advice(const struct churn_maker *m);

/* Makers by number in the last hour, most first: fills ret[] and returns how many. */
size_t churn_top(const struct churn *c, uint64_t now_ns, const struct churn_maker **ret, size_t max);

void churn_clear(struct churn *c);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of `memcg-reaper owners` share. */
#pragma once

#include <stdint.h>

#include "loans.h"
#include "ownerlook.h"

struct json_object;
struct mcr_hierarchy;

struct owners_view {
	const struct mcr_owner_look *look;	/* now */
	const struct mcr_loans *now;		/* that look alone, as a sample */
	const struct mcr_loans *past;		/* the samples that were taken; NULL: none */
	uint64_t now_usec;			/* of CLOCK_BOOTTIME */
};

static inline struct mcr_lent_key owners_key(const struct mcr_owner_seen *o, const struct mcr_pin *p)
{
	return (struct mcr_lent_key){ o->id, p->dev, p->ino, p->generation, p->kind };
}

/* What the samples say of an object: NULL if it was in none. */
const struct mcr_lent *owners_past(const struct owners_view *v, const struct mcr_owner_seen *o, const struct mcr_pin *p);
/* Was it seen to be lost, or without borrowers, since then? Not if that has changed by now. 0: no. */
uint64_t owners_lost_usec(const struct mcr_lent *past, enum mcr_object_use use);
uint64_t owners_unborrowed_usec(const struct mcr_lent *past, enum mcr_object_use use);

void owners_print(const struct owners_view *v);			/* in text, by owner */
void owners_print_borrowers(const struct owners_view *v);	/* by borrower */
struct json_object *owners_json(const struct owners_view *v);	/* all of it; the caller puts it back */

/*
 * Takes one sample (0), or one in each interval until SIGTERM, and keeps them in a file. An exit code; what fails is told.
 */
int owners_sample(const struct mcr_hierarchy *h, uint64_t interval_usec);

/* The line about the samples; nothing without. */
void owners_print_past(const struct owners_view *v);
/* "; in 3 of 7 samples, 1.0M on average, 4.0M at most", of the samples since an object was first seen; into a static buffer. */
const char *owners_sampled_text(const struct owners_view *v, const struct mcr_sampled *s, uint64_t of);
/* "3min 20s ago", likewise. */
const char *owners_ago(const struct owners_view *v, uint64_t usec);
struct json_object *owners_borrowers_json(const struct owners_view *v);
/* null of NULL. */
struct json_object *owners_sampled_json(const struct owners_view *v, const struct mcr_sampled *s);
void owners_add_time(const struct owners_view *v, struct json_object *o, const char *key, uint64_t usec);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The borrow ledger: who has borrowed how much of what owners pay for, over time.  Each sample is one look at all owners (ownerlook.h,
 * ledger.h); what is between two samples is not seen.  Pure: no clock and no file; bounded, however many objects and borrowers there are.
 *
 *	lent		an object of an owner: how large, how it is used, since when nobody has it
 *	loan		what one cgroup has of one object
 *	borrower	what one cgroup has of all of them
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger.h"
#include "pins.h"

#define MCR_LENT_MAX 1024		/* objects; the sample's first ones */
#define MCR_LOANS_MAX 16		/* of an object; for a new one, the one that ended first is forgotten */
#define MCR_BORROWERS_MAX 1024
#define MCR_LENT_MISSED_MAX 10		/* an object that is not seen is gone, at the latest after so many samples */

/* Times are of the caller's clock, microseconds, never 0. */
struct mcr_sampled {
	uint64_t first_usec, last_usec;	/* the first and the last sample it was in */
	uint64_t samples;		/* it was in */
	uint64_t bytes;			/* in the last of these */
	uint64_t peak_bytes, sum_bytes;	/* of these; the average is sum_bytes / samples */
};

struct mcr_loan {
	char *cgroup;			/* "": of processes that were gone when their cgroup was asked for */
	struct mcr_sampled s;		/* 0 bytes: it was open, not mapped. last_usec before mcr_loans.s.last_usec: it has ended */
	unsigned int processes;
};

/* The cgroup that pays, and the inode. */
struct mcr_lent_key {
	uint64_t owner_id;
	uint64_t dev, ino;
	uint32_t generation;
	enum mcr_pin_kind kind;
};

struct mcr_lent {
	struct mcr_lent_key key;
	char *name;			/* NULL: not known */
	struct mcr_sampled s;
	enum mcr_object_use use;
	uint64_t unborrowed_usec;	/* the first sample since which nobody has it; 0: somebody has */
	uint64_t lost_usec;		/* since which nobody can reach it either; 0: somebody could */
	unsigned int missed;		/* samples, just now, that were incomplete and did not have it */
	struct mcr_loan *loans;		/* by cgroup */
	size_t n;
	uint64_t beyond;		/* borrowers of the last sample that are not told */
};

struct mcr_borrower_sum {
	char *cgroup;
	struct mcr_sampled s;		/* of its loans together */
	size_t objects;			/* it borrows in the last of these samples */
	bool has_loans;			/* of objects that are still there */
};

struct mcr_loans {
	struct mcr_sampled s;		/* of all objects together */
	uint64_t cost_usec;		/* CPU time the last sample took */
	struct mcr_lent *lent;		/* by key */
	size_t n_lent;
	struct mcr_borrower_sum *borrowers;	/* by cgroup */
	size_t n_borrowers;
	uint64_t beyond;		/* objects of the last sample that are not told */
};

/* Empty: { 0 }. */
void mcr_loans_done(struct mcr_loans *l);

/* What one sample has of one object. */
struct mcr_lent_seen {
	struct mcr_lent_key key;
	const char *name;
	uint64_t bytes;
	enum mcr_object_use use;
	const struct mcr_borrower *borrowers;	/* of this object only; .pin does not matter */
	size_t n;
};

/*
 * Takes a sample in; now_usec is later than all before. Objects that matter most come first. complete: what is not in it is gone. 0, or -ENOMEM:
 * the sample may be in there in part.
 */
int mcr_loans_note(struct mcr_loans *l, uint64_t now_usec, const struct mcr_lent_seen *seen, size_t n, bool complete);

/* After filling it by hand: puts all in the order that finding relies on. */
void mcr_loans_order(struct mcr_loans *l);

/* NULL: not known. */
const struct mcr_lent *mcr_loans_find(const struct mcr_loans *l, const struct mcr_lent_key *key);
const struct mcr_loan *mcr_lent_find(const struct mcr_lent *lent, const char *cgroup);

static inline uint64_t mcr_sampled_average(const struct mcr_sampled *s)
{
	return s->samples ? s->sum_bytes / s->samples : 0;
}

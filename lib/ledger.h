/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who borrows what an owner pays for: of each object that is charged to it, the cgroups whose processes map it or have it
 * open, and how much of it.  Made from pins and users of one moment.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_pins;
struct mcr_users;

struct mcr_borrower {
	size_t pin;		/* the object: index into the pins */
	const char *cgroup;	/* the users' own; "": not known */
	uint64_t mapped_bytes;	/* by the one of its processes that maps most; they map the same pages */
	unsigned int processes;
	unsigned int fds;
};

struct mcr_ledger {
	struct mcr_borrower *borrowers;	/* by pin, then by bytes, most first */
	size_t n;
};

struct mcr_ledger *mcr_ledger_free(struct mcr_ledger *l);
static inline void mcr_ledger_freep(struct mcr_ledger **l)
{
	*l = mcr_ledger_free(*l);
}

/* 0 and *ret (free with mcr_ledger_free(), before users), or -ENOMEM. */
int mcr_ledger_make(const struct mcr_users *users, struct mcr_ledger **ret);

/* The cgroup that maps most of it, or has it open if none maps it; NULL: nobody borrows it. */
const char *mcr_ledger_main_borrower(const struct mcr_ledger *l, size_t pin);

/* The cgroup that maps most of all objects together, or has most of them if none maps any; NULL: nobody borrows any. */
const char *mcr_ledger_largest_borrower(const struct mcr_ledger *l);

/* What can become of an object. */
enum mcr_object_use {
	MCR_OBJECT_BORROWED,
	MCR_OBJECT_UNUSED,	/* nobody has it now, but it has a name */
	MCR_OBJECT_LOST,	/* nobody has it, and it has no name by which anybody could */
	MCR_OBJECT_UNKNOWN,	/* nobody was seen, but not everybody could be looked into */
	MCR_OBJECT_NONE,	/* it is no object that could be borrowed: a writeback structure, private memory */
};
enum mcr_object_use mcr_ledger_use(const struct mcr_ledger *l, const struct mcr_pins *pins, const struct mcr_users *users,
				   size_t pin);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a pin could be moved to an owner, and how: what can be said from the pin and its users alone, without
 * opening anything. What only the object itself tells (seals, a program that runs from it), or what else its users
 * have open, is not known here: mcr_recharge_run() with dry_run looks at that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

struct mcr_pins;
struct mcr_users;

struct mcr_fit_opts {
	const char *owner;		/* path of who would pay; NULL: not known */
	bool owner_user;		/* Owner=user: rather who maps most of it */
	bool kernel;			/* it moves charges by itself (kernelrecharge.h): nothing stands against that, and nobody waits */
};

struct mcr_fit {
	const char *strategy;		/* static, as of rewrite.h; NULL: none */
	enum mcr_refusal refusal;	/* MCR_REFUSED_NOT: nothing is known against it */
	pid_t pid;			/* the user that stands against it; 0: none */
	unsigned int users, cgroups;	/* that were seen */
	bool complete;			/* every process could be looked into */
};

/*
 * False: the i-th pin is nothing that is moved (without the kernel: no shared memory), and *ret is left alone. Page cache is
 * moved too, but goes without. users and opts may be NULL: not known.
 */
bool mcr_fit_find(const struct mcr_pins *pins, const struct mcr_users *users, size_t i, const struct mcr_fit_opts *opts,
		  struct mcr_fit *ret);

/* May `memcg-reaper recharge` be advised? */
bool mcr_fit_is_open(const struct mcr_fit *f);

/* A sentence without the final dot, in a static buffer. */
const char *mcr_fit_text(const struct mcr_fit *f, const struct mcr_fit_opts *opts);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One look at all owners: which there are, what each is charged, and who borrows it.  One pass over /proc for all of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pins.h"

struct mcr_config;
struct mcr_hierarchy;
struct mcr_ledger;
struct mcr_pins_walker;
struct mcr_users;

/* More are not looked at: mcr_owner_look.beyond. */
#define MCR_OWNERS_MAX 256

struct mcr_owner_seen {
	char *path;
	uint64_t id, current_bytes, swap_bytes;
	uint64_t max_bytes;	/* UINT64_MAX: no limit */
	struct mcr_pins *pins;
	size_t first;		/* its pin i is pin first + i of the look */
};

struct mcr_owner_look {
	struct mcr_owner_seen *owners;
	size_t n, beyond;
	struct mcr_pins all;	/* the pins of all owners, one owner's after the other's; what they point to is the owners' */
	struct mcr_users *users;
	struct mcr_ledger *ledger;
	int error;		/* of an owner that could not be looked at; 0: none */
};

struct mcr_owner_look *mcr_owner_look_free(struct mcr_owner_look *l);
static inline void mcr_owner_look_freep(struct mcr_owner_look **l)
{
	*l = mcr_owner_look_free(*l);
}

/*
 * Owner groups are slices with a name of ours, and what a policy names (config may be NULL: none). Where there is none nothing is loaded
 * into the kernel; what is loaded is left in *walker (NULL at first) for the next look, and the caller's to free. 0 and *ret
 * (mcr_owner_look_free()); or -ENOMEM, or why pages cannot be looked at, with *ret_why in words (static, or NULL).
 */
int mcr_owner_look(const struct mcr_hierarchy *h, const struct mcr_config *config, struct mcr_pins_walker **walker,
		   struct mcr_owner_look **ret, const char **ret_why);

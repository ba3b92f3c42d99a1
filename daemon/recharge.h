/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking memcg-recharge to move what cannot be drained to its owner, and what came of it.  It runs as a unit of its own, started
 * through systemd; its answer is a file that appears.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "lost.h"
#include "tally.h"

#define RECHARGES_MAX 16
/* Of these for who asks over the bus: they are served one after the other, and the daemon has work of its own. */
#define RECHARGES_ASKED_MAX 8

struct held;
struct json_object;
struct known;
struct manager;
struct mcr_config;
struct mcr_policy;
struct mcr_recharge_request;
struct mcr_zombie;

/* What came of it: the answer, which stays the caller's; or NULL, and why there is none. */
typedef void (*recharge_done)(struct json_object *answer, const char *why_not, void *userdata);

/* One that was asked for. */
struct recharge {
	char name[64];		/* of the request: "held-123-18ea..." */
	uint64_t id;
	bool held, dry_run;
	bool owner_user;	/* those who map most pay, and the owner only where that cannot be */
	uint64_t anchor_id;	/* of a zombie, with its page cache; else 0 */
	unsigned int generation, policy;	/* whose budget shielded reclaim counts against */
	uint64_t shield_max_bytes;	/* that was allowed */
	char *path, *owner;
	uint64_t since_ns;
	recharge_done done;	/* NULL: nobody waits */
	void *userdata;
};

struct recharges {
	struct recharge at[RECHARGES_MAX];
	size_t n;
	int dir_fd;
	sd_event_source *watch;
	const char *why_not;	/* why none can be asked for; NULL: it can be tried */
	struct recharge_tally tally;
	struct losts losts;
};

/* Before the loop runs. What fails is noted in why_not. */
void recharges_start(struct manager *m);
void recharges_stop(struct manager *m);

/* Forgets those that were never answered, and what was lost and has been taken care of. */
void recharges_expire(struct manager *m);

/*
 * Asks for a held cgroup's memory to be moved, if its policy says so, with the page cache that others want or without. False: it
 * will not be, go on without.
 */
bool recharge_held(struct manager *m, const struct held *h, bool page_cache);

/* Is what this cgroup leaves to be asked for, by its policy?  Whether it can be just now, is another question. */
bool recharge_is_wanted(const struct manager *m, const struct mcr_policy *p, const char *path);

/*
 * Asks for a zombie whose page cache is wanted, once for all below the same ancestor. True: it, or another below that ancestor, is
 * under way; false: it cannot be asked for, go on without.
 */
bool recharge_wanted(struct manager *m, struct known *k, const struct mcr_zombie *z);

/* Is that, or another below that ancestor, under way? */
bool recharge_is_asked(const struct manager *m, uint64_t anchor_id);

/* Is one for the page cache of zombies under way?  Then none is asked for below another ancestor. */
bool recharge_shields(const struct manager *m);

/* The same for a zombie that reclaim cannot free. */
bool recharge_zombie(struct manager *m, struct known *k, const struct mcr_zombie *z);

/* How much page cache of one that is dead or held may be evicted by policy: by shield within the budgets, or by drain. Bytes. */
uint64_t recharge_evict_max(struct manager *m, const struct mcr_policy *p, bool dead);

/*
 * Asks because somebody wants it, within the policy's bounds, which are filled in; done is called once, later.  0; -EBUSY: too many
 * are under way; -ENOTCONN: systemd cannot be asked; or errno of asking.
 */
int recharge_ask(struct manager *m, const struct mcr_policy *p, struct mcr_recharge_request *q, recharge_done done,
		 void *userdata);

/* Nobody waits any more; what is under way goes on. */
void recharge_unwait(struct manager *m, const void *userdata);

/*
 * Who is to pay for what this cgroup (alive or dead) leaves, allocated: the slice that decided says so, or of a cgroup with a
 * policy of its own choice the slice it is in. 0; -EINVAL: it is in none; or as mcr_owner_by_policy().
 */
int recharge_owner_of(const struct mcr_config *config, const struct mcr_policy *p, const char *path, char **ret);

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

#define RECHARGES_MAX 16

struct held;
struct known;
struct manager;
struct mcr_zombie;

/* One that was asked for. */
struct recharge {
	char name[64];		/* of the request: "held-123-18ea..." */
	uint64_t id;
	bool held;
	bool owner_user;	/* those who map most pay, and the owner only where that cannot be */
	char *path, *owner;
	uint64_t since_ns;
};

struct recharges {
	struct recharge at[RECHARGES_MAX];
	size_t n;
	int dir_fd;
	sd_event_source *watch;
	const char *why_not;	/* why none can be asked for; NULL: it can be tried */
};

/* Before the loop runs. What fails is noted in why_not. */
void recharges_start(struct manager *m);
void recharges_stop(struct manager *m);

/* Forgets those that were never answered. */
void recharges_expire(struct manager *m);

/* Asks for a held cgroup's memory to be moved, if its policy says so. False: it will not be, go on without. */
bool recharge_held(struct manager *m, const struct held *h);

/* The same for a zombie that reclaim cannot free. */
bool recharge_zombie(struct manager *m, struct known *k, const struct mcr_zombie *z);

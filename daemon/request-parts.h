/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of request.c share: request-drain.c, request-recharge.c, request-unit.c. Nobody else includes this.
 *
 * A request is made by request_new(), goes to request_authorize(), which calls request_go_on() when it may, and ends in
 * request_end() once it was answered. Whoever ends it must not touch it any more.
 */
#pragma once

#include "request.h"

/* Zombies of one name that one request may mean. */
#define REQUEST_TARGETS_MAX 16

enum request_kind { REQUEST_DRAIN, REQUEST_REAP, REQUEST_RELOAD, REQUEST_RECHARGE };

enum request_state {
	REQUEST_ASKING,		/* systemd for the unit's cgroup, or polkit */
	REQUEST_WAITING,	/* for a worker, or for the round */
	REQUEST_WORKING,
};

/* The unit's cgroup; NULL: it has none, or systemd cannot be asked. */
typedef void (*request_unit_done)(struct request *r, const char *path);

/* id 0: a file. */
struct request_target {
	uint64_t id;		/* 0: a file */
	char *path;
	bool dead;
	bool shield;		/* dead, and reclaim below its ancestor is allowed */
};

struct request {
	struct request *next;
	struct manager *m;
	sd_bus_message *call;
	sd_bus_slot *slot;	/* the question under way */
	enum request_kind kind;
	enum request_state state;
	uid_t uid;
	char *unit, *path;	/* RECHARGE: unit is whatever was named */
	request_unit_done unit_done;
	char *caller_cgroup;	/* "" when unknown */
	uint64_t id;		/* of the cgroup */
	uint64_t timeout_usec, deadline_ns;
	uint64_t dying_before;	/* REAP */
	/* RECHARGE */
	struct request_target targets[REQUEST_TARGETS_MAX];
	size_t n_targets, at;	/* which one is under way */
	char *owner;		/* NULL: by policy */
	bool dry_run;
	struct json_object *answers;
};

/* Reads who asks, and counts it. 0; or errno, with *error set where it is over a limit. */
int request_new(struct manager *m, sd_bus_message *call, enum request_kind kind, struct request **ret, sd_bus_error *error);

/* Frees it; it has been answered. */
void request_end(struct request *r);

/* Answers with an error, and frees it. */
void request_refuse(struct request *r, const char *name, const char *why);

/* Asks polkit where it must, and goes on; own: the caller may by what he is. May end it. */
void request_authorize(struct request *r, bool own);

/* request-drain.c: it may. */
void request_accept_drain(struct request *r);

/* request-recharge.c: it may; and what it has is freed. */
void request_accept_recharge(struct request *r);
void request_recharge_done(struct request *r);

/* request-unit.c: units and their cgroups. */

/* Is this the full name of a unit of a kind that has a cgroup? */
bool request_is_unit(const char *name);

/* The part of the caller's cgroup path that ends with the unit's name, allocated; NULL: it is not in that unit. */
char *request_own_unit_path(const struct request *r);

/* Asks systemd for the cgroup of r->unit; done is called later. 0, or errno and done is not called. */
int request_ask_unit(struct request *r, request_unit_done done);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memcg-recharge could not put right: told once, and shown until somebody has taken the copy away.
 */
#pragma once

#include <stddef.h>

#include "lostlog.h"

/* Shown; all are counted. */
#define LOST_SHOWN 16

struct json_object;
struct manager;

struct losts {
	struct mcr_lost at[LOST_SHOWN];
	size_t n;		/* of these */
	size_t all;
};

/* Reads what memcg-recharge has noted, tells of what is new, and forgets what has been taken away. */
void losts_read(struct manager *m);

void losts_done(struct losts *l);

/* As "not_put_right" of the status file; the caller puts it back. */
struct json_object *losts_json(const struct losts *l);

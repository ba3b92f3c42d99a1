/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is asked of memcg-recharge, and what it answers: files in a directory of root's, named after who asks.
 *
 *	NAME.request	written first; then the unit memcg-reaper-recharge@NAME.service is started
 *	NAME.out	appears in between, when what is to be moved is in swap: whoever holds the cgroup removes it now
 *	NAME.result	appears as a whole, and takes the request's place
 *
 * A unit of its own, because what it takes to rewrite other people's memory is more than the daemon has, and because systemd
 * keeps its descriptors and starts it again when it is killed in the middle.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct json_object;

#define MCR_RECHARGE_DIR "/run/memcg-reaper/recharge"
#define MCR_RECHARGE_UNIT "memcg-reaper-recharge@%s.service"

struct mcr_recharge_request {
	uint64_t cgroup_id;	/* whose memory is to be recharged, dead or alive; 0: that of a file */
	char *path;		/* of the cgroup, for people; or of the file */
	char *owner;		/* path of the owner's cgroup below the root */
	bool only_empty;	/* not when it has processes again */
	bool owner_user;	/* rather the cgroup that maps most of it, where that can be done */
	uint64_t pause_max_usec;	/* for which users may be frozen at a time */
};

void mcr_recharge_request_done(struct mcr_recharge_request *q);

/* May it be part of a file's and a unit's name?  Letters, digits and "-", 64 at most. */
bool mcr_recharge_name_ok(const char *name);

/* 0; -EINVAL: the name may not be; or errno of writing. */
int mcr_recharge_ask(int dir_fd, const char *name, const struct mcr_recharge_request *q);

/* 0 and *ret (mcr_recharge_request_done()); -ENOENT: nothing is asked; -EBADMSG: it makes no sense; or errno. */
int mcr_recharge_asked(int dir_fd, const char *name, struct mcr_recharge_request *ret);

/* Says that it is out, which is no answer yet. 0 or errno of writing. */
int mcr_recharge_tell_out(int dir_fd, const char *name);

/* Removes what was asked and answered. */
void mcr_recharge_forget(int dir_fd, const char *name);

/* Writes the result, puts it back, and removes the request. 0 or errno of writing. */
int mcr_recharge_answer(int dir_fd, const char *name, struct json_object *result);

/* Takes the result and removes it. 0 and *ret, which the caller puts back; -ENOENT: not there yet; -EBADMSG; or errno. */
int mcr_recharge_answered(int dir_fd, const char *name, struct json_object **ret);

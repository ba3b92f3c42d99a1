/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's voice: once per event, at the level that decides, with what, which cgroup, why and
 * the errno.  Goes to the journal with fields when stderr is the journal's, to stderr otherwise.
 */
#pragma once

#include <stdint.h>
#include <syslog.h>

/* Messages of this level and below are shown; LOG_INFO at first. */
void log_set_level(int level);

void log_msg(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_msg(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

/*
 * What has a MESSAGE_ID, and an explanation in the catalog (units/memcg-reaper.catalog) that `journalctl -x` shows.
 */
enum log_event {
	EVENT_NONE,
	EVENT_FOUND,
	EVENT_REAPED,
	EVENT_PINNED,
	EVENT_EXPIRED,		/* removed with a rest */
	EVENT_BUDGET,		/* no moment to reap */
	EVENT_MISSING,		/* a feature the kernel lacks */
	EVENT_CONFIG,
	EVENT_RECHARGED,	/* moved to a live owner */
	EVENT_RESTORED,		/* put back what a killed process had changed */
	EVENT_LOST,	/* memory that was being moved is in a file now */
	EVENTS,
};
void log_event(enum log_event event, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One action on one cgroup: fields CGROUP=, UNIT=, ACTION=, BYTES=, REASON= beside the message. */
void log_action(enum log_event event, int level, const char *action, const char *cgroup, uint64_t bytes, const char *reason);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same interface as on the system bus, by a socket of our own, RUN_DIR/bus: for callers that the bus does not take
 * (DynamicUser= without its names), and for when there is no bus, early and late.  Nobody is asked for
 * a password here: what needs polkit is refused.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define DIRECT_SOCKET "bus"

struct manager;
struct peer;

struct direct {
	sd_event_source *listener;
	struct peer *peers;
};

/* Listens. 0 or errno; without the socket all else works. */
int direct_start(struct manager *m);
void direct_stop(struct manager *m);

/* Sends away who has nothing to say. To be called now and then. */
void direct_expire(struct manager *m);

/* Who is at the other end of a connection of ours: the cgroup it came from ("": unknown), or NULL: it is not ours. */
const char *direct_sender(const struct manager *m, const sd_bus *bus, uid_t *ret_uid);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others ask for over the bus: draining a cgroup, reaping now, moving memory to an owner.  A request is checked, waits for polkit where it must,
 * waits for its turn, and is answered once, at the latest when its time is over.  The number of requests that wait is bounded, in
 * all and per user.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "drain.h"
#include "job.h"

struct manager;
struct request;

struct requests {
	struct request *first;
	struct job job;		/* drains what is due, a batch at a time */
	struct mcr_drain_item items[MCR_DRAIN_BATCH];	/* what the worker has */
	size_t n_items;
	sd_event_source *timer;
};

/*
 * Takes a request over; it will be answered.  unit or path is given; timeout_usec 0: answered as soon as it has been
 * taken, and settled when the cgroup is removed.  1; or errno with *error set: answer with that.
 */
int request_drain_unit(struct manager *m, sd_bus_message *call, const char *unit, uint64_t timeout_usec,
		       sd_bus_error *error);
int request_drain_cgroup(struct manager *m, sd_bus_message *call, const char *path, uint64_t timeout_usec,
			 sd_bus_error *error);

/* Likewise: a reap round, or reading the configuration, once polkit has agreed. */
int request_reap(struct manager *m, sd_bus_message *call, sd_bus_error *error);
int request_reload(struct manager *m, sd_bus_message *call, sd_bus_error *error);

/*
 * Likewise: has what source names (a cgroup's id, path or unit, a zombie's, or a file) charged to owner ("": as policy says), once polkit
 * has agreed.
 */
int request_recharge(struct manager *m, sd_bus_message *call, const char *source, const char *owner, bool dry_run,
		     sd_bus_error *error);

/* The timer. 0 or errno. */
int requests_start(struct manager *m);

/* The round under way has ended: answers who waits for it. */
void requests_round_ended(struct manager *m);

/* This bus has gone: forgets those that came over it, or wait for an answer on it. */
void requests_cancel(struct manager *m, const sd_bus *bus);

/* At the end: answers everybody that it comes to nothing. */
void requests_cancel_all(struct manager *m);

/* How many wait. */
unsigned int requests_waiting(const struct manager *m);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Explain() on the bus: what holds one zombie, by a worker, for root and for the user below whose slice it was.  One at a
 * time: it is for people.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

struct manager;

/* Takes the call over; it will be answered. 1; or errno with *error set. */
int explain_start(struct manager *m, sd_bus_message *call, uint64_t id, sd_bus_error *error);

/* Gives up what is under way: the connection has gone (bus NULL: whichever it is). */
void explain_cancel(struct manager *m, const sd_bus *bus);

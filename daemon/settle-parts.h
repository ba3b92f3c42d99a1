/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of settle.c share: settle-drain.c, settle-events.c. Nobody else includes this. */
#pragma once

#include "manager.h"

struct mcr_charge;

/* Applies an event; true when the record has come to its end and is gone. */
bool settle_apply(struct manager *m, struct held *h, enum held_event event);

/* What counts of a cgroup's charge, in bytes: user pages and swap. */
uint64_t settle_charged(const struct mcr_charge *c);

/* Gives all that wait for it to a worker, as one batch. */
void settle_start_drain(struct manager *m);

/* Somebody used it and was done with it before it was let go: the gate holds it again, and here is its new record. */
void settle_hold_anew(struct manager *m, uint64_t id, bool parent, uint64_t charged_bytes);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From one look at all owners to a sample of the borrow ledger. */
#pragma once

#include <stdint.h>

struct mcr_loans;
struct mcr_owner_look;

/* CLOCK_BOOTTIME in microseconds, which the ledger's times are of. */
uint64_t mcr_loans_now_usec(void);

/* Takes the look in, the largest objects first. 0 or -ENOMEM, as mcr_loans_note(). */
int mcr_loans_sample(struct mcr_loans *l, const struct mcr_owner_look *look, uint64_t now_usec);

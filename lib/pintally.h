/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds zombies, summed over many: per kind of pin how many zombies have it as their main one. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pins.h"

struct mcr_pin_tally {
	struct mcr_pin_sum {
		enum mcr_pin_kind kind;
		uint64_t zombies;	/* whose most references are of this kind */
		uint64_t bytes;		/* of these pins, the main ones only */
	} sums[MCR_PIN_KINDS];
	size_t n;
};

/* One zombie, by its main pin. Keeps the sums in order: most zombies first, then most bytes. */
void mcr_pin_tally_add(struct mcr_pin_tally *t, enum mcr_pin_kind kind, uint64_t bytes);

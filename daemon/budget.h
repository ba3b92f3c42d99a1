/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes per time: a bucket that fills up steadily and never overflows. Pure. */
#pragma once

#include <stdint.h>

struct budget {
	uint64_t bytes;		/* its size */
	uint64_t usec;		/* it fills up in this time */
	uint64_t left;
	uint64_t at_ns;		/* when left was true */
};

/* A full bucket. */
void budget_init(struct budget *b, uint64_t bytes, uint64_t usec, uint64_t now_ns);

/* Another size and pace; what was spent stays spent. Of an unused budget (all 0) it makes a full one. */
void budget_resize(struct budget *b, uint64_t bytes, uint64_t usec, uint64_t now_ns);

/* What may be spent now. */
uint64_t budget_left(struct budget *b, uint64_t now_ns);

void budget_spend(struct budget *b, uint64_t bytes, uint64_t now_ns);

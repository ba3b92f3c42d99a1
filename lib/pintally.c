/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pintally.h"

#include <stdbool.h>

static bool before(const struct mcr_pin_sum *a, const struct mcr_pin_sum *b)
{
	return a->zombies > b->zombies || (a->zombies == b->zombies && a->bytes > b->bytes);
}

void mcr_pin_tally_add(struct mcr_pin_tally *t, enum mcr_pin_kind kind, uint64_t bytes)
{
	size_t i = 0;

	while (i < t->n && t->sums[i].kind != kind)
		i++;
	if (i == t->n)
		t->sums[t->n++] = (struct mcr_pin_sum){ .kind = kind };
	t->sums[i].zombies++;
	t->sums[i].bytes += bytes;
	for (; i > 0 && before(&t->sums[i], &t->sums[i - 1]); i--) {
		struct mcr_pin_sum s = t->sums[i];

		t->sums[i] = t->sums[i - 1];
		t->sums[i - 1] = s;
	}
}

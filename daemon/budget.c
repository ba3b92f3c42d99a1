/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "budget.h"

#include "util.h"

void budget_init(struct budget *b, uint64_t bytes, uint64_t usec, uint64_t now_ns)
{
	*b = (struct budget){ .bytes = bytes, .usec = usec ? usec : 1, .left = bytes, .at_ns = now_ns };
}

void budget_resize(struct budget *b, uint64_t bytes, uint64_t usec, uint64_t now_ns)
{
	uint64_t spent = b->usec ? b->bytes - budget_left(b, now_ns) : 0;

	budget_init(b, bytes, usec, now_ns);
	b->left = spent < bytes ? bytes - spent : 0;
}

uint64_t budget_left(struct budget *b, uint64_t now_ns)
{
	uint64_t passed_usec = (now_ns - b->at_ns) / MCR_NSEC_PER_USEC;
	unsigned __int128 gained = (unsigned __int128)b->bytes * passed_usec / b->usec;

	if (gained == 0)
		return b->left;		/* keep at_ns: small steps must add up */
	b->left = gained > b->bytes - b->left ? b->bytes : b->left + (uint64_t)gained;
	b->at_ns = now_ns;
	return b->left;
}

void budget_spend(struct budget *b, uint64_t bytes, uint64_t now_ns)
{
	uint64_t left = budget_left(b, now_ns);

	b->left = bytes < left ? left - bytes : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loansample.h"

#include <time.h>

#include "ledger.h"
#include "loans.h"
#include "ownerlook.h"
#include "pins.h"
#include "util.h"

uint64_t mcr_loans_now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * MCR_USEC_PER_SEC + t.tv_nsec / MCR_NSEC_PER_USEC;
}

/* Borrowers are by pin: where those of this one begin, and their number. */
static const struct mcr_borrower *borrowers_of(const struct mcr_ledger *l, size_t pin, size_t *at, size_t *ret_n)
{
	size_t first;

	while (*at < l->n && l->borrowers[*at].pin < pin)
		++*at;
	first = *at;
	while (*at < l->n && l->borrowers[*at].pin == pin)
		++*at;
	*ret_n = *at - first;
	return l->borrowers + first;
}

static struct mcr_lent_seen seen_of(const struct mcr_owner_look *look, const struct mcr_owner_seen *owner, size_t pin, size_t *at)
{
	const struct mcr_pin *p = &look->all.pins[pin];
	struct mcr_lent_seen seen = {
		.key = { .owner_id = owner->id, .dev = p->dev, .ino = p->ino, .generation = p->generation, .kind = p->kind },
		.name = p->name, .bytes = p->bytes, .use = mcr_ledger_use(look->ledger, &look->all, look->users, pin),
	};

	seen.borrowers = borrowers_of(look->ledger, pin, at, &seen.n);
	return seen;
}

static int most_first(const void *a, const void *b)
{
	const struct mcr_lent_seen *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

int mcr_loans_sample(struct mcr_loans *l, const struct mcr_owner_look *look, uint64_t now_usec)
{
	auto_(freep) struct mcr_lent_seen *seen = calloc(look->all.n + 1, sizeof(*seen));
	bool complete = !look->error && !look->beyond;
	size_t n = 0, at = 0;

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < look->n; i++) {
		const struct mcr_owner_seen *o = &look->owners[i];

		complete &= o->pins->complete;
		for (size_t k = 0; k < o->pins->n; k++) {
			seen[n] = seen_of(look, o, o->first + k, &at);
			n += seen[n].use != MCR_OBJECT_NONE;
		}
	}
	qsort(seen, n, sizeof(*seen), most_first);
	return mcr_loans_note(l, now_usec, seen, n, complete);
}

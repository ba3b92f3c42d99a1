/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#include "pins.h"
#include "users.h"
#include "util.h"

struct mcr_ledger *mcr_ledger_free(struct mcr_ledger *l)
{
	if (l)
		free(l->borrowers);
	free(l);
	return NULL;
}

static struct mcr_borrower *find(struct mcr_ledger *l, size_t pin, const char *cgroup)
{
	for (size_t i = l->n; i-- > 0 && l->borrowers[i].pin == pin;)
		if (strcmp(l->borrowers[i].cgroup, cgroup) == 0)
			return &l->borrowers[i];
	return NULL;
}

/* Users come by pin, so those of one pin are together. */
static void add(struct mcr_ledger *l, const struct mcr_user *u)
{
	const char *cgroup = u->cgroup ? u->cgroup : "";
	struct mcr_borrower *b = find(l, u->pin, cgroup);

	if (!b) {
		b = &l->borrowers[l->n++];
		*b = (struct mcr_borrower){ .pin = u->pin, .cgroup = cgroup };
	}
	b->processes++;
	b->fds += u->fds;
	if (u->mapped_bytes > b->mapped_bytes)
		b->mapped_bytes = u->mapped_bytes;
}

static int most_first(const void *a, const void *b)
{
	const struct mcr_borrower *x = a, *y = b;

	if (x->pin != y->pin)
		return x->pin < y->pin ? -1 : 1;
	if (x->mapped_bytes != y->mapped_bytes)
		return x->mapped_bytes > y->mapped_bytes ? -1 : 1;
	return strcmp(x->cgroup, y->cgroup);
}

int mcr_ledger_make(const struct mcr_users *users, struct mcr_ledger **ret)
{
	auto_(mcr_ledger_freep) struct mcr_ledger *l = calloc(1, sizeof(*l));

	if (!l || !(l->borrowers = calloc(users->n + 1, sizeof(*l->borrowers))))
		return -ENOMEM;
	for (size_t i = 0; i < users->n; i++)
		add(l, &users->users[i]);
	qsort(l->borrowers, l->n, sizeof(*l->borrowers), most_first);
	*ret = steal_ptr(l);
	return 0;
}

const char *mcr_ledger_main_borrower(const struct mcr_ledger *l, size_t pin)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->borrowers[i].pin == pin)
			return l->borrowers[i].cgroup;
	return NULL;
}

/* Of one cgroup, over all objects. */
struct sum {
	const char *cgroup;
	uint64_t mapped_bytes;
	size_t objects;
};

static int by_cgroup(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	return strcmp(x->cgroup, y->cgroup);
}

static bool is_more(const struct sum *a, const struct sum *b)
{
	return a->mapped_bytes != b->mapped_bytes ? a->mapped_bytes > b->mapped_bytes : a->objects > b->objects;
}

const char *mcr_ledger_largest_borrower(const struct mcr_ledger *l)
{
	auto_(freep) struct sum *sums = calloc(l->n + 1, sizeof(*sums));
	struct sum most = { .cgroup = NULL };
	size_t n = 0;

	for (size_t i = 0; sums && i < l->n; i++)
		if (*l->borrowers[i].cgroup)
			sums[n++] = (struct sum){ l->borrowers[i].cgroup, l->borrowers[i].mapped_bytes, 1 };
	if (n)
		qsort(sums, n, sizeof(*sums), by_cgroup);
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(sums[i].cgroup, sums[i - 1].cgroup) == 0) {
			sums[i].mapped_bytes += sums[i - 1].mapped_bytes;
			sums[i].objects += sums[i - 1].objects;
		}
		if (!most.cgroup || is_more(&sums[i], &most))
			most = sums[i];
	}
	return most.cgroup;
}

/* A SysV segment with a key can be attached by it; without one, by who has kept its number. */
static bool has_name(const struct mcr_pin *p)
{
	switch (p->kind) {
	case MCR_PIN_SYSV:
		return p->key != 0;
	case MCR_PIN_MEMFD:
	case MCR_PIN_SHARED_ANON:
		return false;
	default:
		return p->nlink > 0;
	}
}

enum mcr_object_use mcr_ledger_use(const struct mcr_ledger *l, const struct mcr_pins *pins, const struct mcr_users *users,
				   size_t pin)
{
	if (mcr_ledger_main_borrower(l, pin))
		return MCR_OBJECT_BORROWED;
	if (pins->pins[pin].kind > MCR_PIN_KERNEL_SHMEM)
		return MCR_OBJECT_NONE;
	if (has_name(&pins->pins[pin]))
		return MCR_OBJECT_UNUSED;
	return users->complete ? MCR_OBJECT_LOST : MCR_OBJECT_UNKNOWN;
}

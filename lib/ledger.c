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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "zombies.h"

#include <string.h>

#include "census.h"
#include "util.h"

static int by_id(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

struct known *zombies_find(const struct zombie_table *t, uint64_t id)
{
	const struct known key = { .id = id };

	return t->n ? bsearch(&key, t->at, t->n, sizeof(key), by_id) : NULL;
}

void zombies_clear(struct zombie_table *t)
{
	free(t->at);
	*t = (struct zombie_table){ 0 };
}

static struct known enter(const struct zombie_table *t, const struct mcr_zombie *z, uint64_t now_ns)
{
	struct known *old = zombies_find(t, z->id);

	if (old) {
		old->seen = true;
		return *old;
	}
	return (struct known){
		.id = z->id,
		.since_ns = z->since_ns ? z->since_ns : now_ns,
		.since_exact = z->since_ns != 0,
	};
}

int zombies_update(struct zombie_table *t, const struct mcr_census *census, const struct zombie_times *times,
		   uint64_t now_ns, size_t *ret_gone)
{
	struct known *fresh = calloc(census->n + 1, sizeof(*fresh));
	size_t gone = 0;

	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		t->at[i].seen = false;
	for (size_t i = 0; i < census->n; i++)
		fresh[i] = enter(t, &census->zombies[i], now_ns);
	for (size_t i = 0; i < t->n; i++)
		gone += !t->at[i].seen && zombie_is_due(&t->at[i], times, now_ns);
	qsort(fresh, census->n, sizeof(*fresh), by_id);
	free(t->at);
	*t = (struct zombie_table){ .at = fresh, .n = census->n };
	*ret_gone = gone;
	return 0;
}

bool zombie_is_due(const struct known *k, const struct zombie_times *times, uint64_t now_ns)
{
	return now_ns >= k->since_ns && now_ns - k->since_ns >= times->grace_ns;
}

bool zombie_worth_trying(const struct known *k, const struct mcr_zombie *z, const struct zombie_times *times,
			 uint64_t now_ns)
{
	if (!zombie_is_due(k, times, now_ns))
		return false;
	return !k->pinned || now_ns - k->tried_ns >= times->pinned_retry_ns || z->refs != k->refs;
}

void zombie_survived(struct known *k, const struct mcr_zombie *z, uint64_t now_ns)
{
	if (k->pinned && z->refs != k->refs) {
		k->tries = 0;	/* it moves again */
		k->pinned = false;
	}
	k->tries++;
	k->pinned = k->tries >= ZOMBIE_TRIES_MAX;
	k->refs = z->refs;
	k->tried_ns = now_ns;
}

const char *zombie_why(const struct known *k, const struct mcr_zombie *z)
{
	return *k->why ? k->why : zombie_reason(z, true);
}

const char *zombie_reason(const struct mcr_zombie *z, bool tried)
{
	uint64_t anon = z->lru_pages[MCR_LRU_INACTIVE_ANON] + z->lru_pages[MCR_LRU_ACTIVE_ANON];
	uint64_t file = z->lru_pages[MCR_LRU_INACTIVE_FILE] + z->lru_pages[MCR_LRU_ACTIVE_FILE];

	if (z->lru_pages[MCR_LRU_UNEVICTABLE])
		return "mlocked or otherwise unevictable pages";
	if (anon)
		return "tmpfs, shared or private memory that lives on";
	if (z->swap_bytes)
		return "swap entries";
	if (file)
		return tried ? "page cache that is busy: dirty, locked or in a journal" : "page cache";
	return "references that are no pages on its lists";
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refault.h"

#include <string.h>

#include "census.h"
#include "cgroup.h"
#include "config.h"
#include "drain.h"
#include "fileio.h"
#include "manager.h"
#include "pinning.h"
#include "reap.h"
#include "util.h"

/* To be looked at, and to be asked for. */
#define WAIT_NSEC (600 * MCR_NSEC_PER_SEC)

bool refault_held_wants(const struct mcr_charge *c)
{
	return c->mapped_bytes >= REFAULT_MIN_BYTES && c->file_bytes >= c->shmem_bytes + REFAULT_MIN_BYTES;
}

/* ---- Zombies ---- */

static uint64_t file_bytes(const struct mcr_zombie *z)
{
	return (z->lru_pages[MCR_LRU_INACTIVE_FILE] + z->lru_pages[MCR_LRU_ACTIVE_FILE]) * sysconf(_SC_PAGESIZE);
}

static bool has_anon(const struct mcr_zombie *z)
{
	return z->lru_pages[MCR_LRU_INACTIVE_ANON] || z->lru_pages[MCR_LRU_ACTIVE_ANON];
}

/* Would the next round take page cache from it that may be wanted, or push to swap what has an owner? */
static bool is_candidate(struct manager *m, const struct known *k, const struct mcr_zombie *z)
{
	const struct zombie_times times = cycle_times(m);
	const struct mcr_policy *p = coverage_policy(m, z->id, z->path, NULL);

	if (!recharge_is_wanted(m, p, z->path) || !mcr_reap_policy(m->config, z, p))
		return false;
	if (recharge_evict_max(m, p, true) < p->step_bytes)
		return false;	/* nor will there be a round */
	if (k->refaulted || (file_bytes(z) < REFAULT_MIN_BYTES && !(has_anon(z) && mcr_swap_is_on())))
		return false;
	return zombie_worth_trying(k, z, &times, mcr_now_ns());
}

static bool waits_in_time(struct known *k)
{
	uint64_t now = mcr_now_ns();

	if (!k->waits_since_ns)
		k->waits_since_ns = now;
	return now - k->waits_since_ns <= WAIT_NSEC;
}

/* Waits until its pins were looked at; and then, if something is wanted, until that was recharged. */
static bool must_wait(struct manager *m, struct known *k, const struct mcr_zombie *z)
{
	if (!m->bus_ready)
		return true;	/* we have just been started: a round would take what nobody could be asked for yet */
	if (!k->wanted_known) {
		k->wants_look = !k->in_look;
		return true;
	}
	if (k->wanted_bytes < REFAULT_MIN_BYTES && !k->swappable)
		return false;
	/* Behind others, who take their time. */
	return recharge_wanted(m, k, z) || m->recharges.n == RECHARGES_MAX || recharge_shields(m);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What of the census a round would take something from that may be wanted. NULL: not that one. */
static struct known *candidate(struct manager *m, size_t i)
{
	const struct mcr_zombie *z = &m->census->zombies[i];
	struct known *k = zombies_find(&m->zombies, z->id);

	return k && z->anchor_id && is_candidate(m, k, z) ? k : NULL;
}

/*
 * Ancestors below which somebody has waited for as long as is allowed: the next round takes what it takes.  New zombies, and
 * requests that each move one of them, would put it off for ever.  What is asked for is waited for.  Who is late has had its
 * time: were it late again whenever it is tried again, none below its ancestor would be waited for.
 */
static void find_late(struct manager *m, struct refault_waits *ret)
{
	for (size_t i = 0; i < m->census->n; i++) {
		uint64_t anchor_id = m->census->zombies[i].anchor_id;
		struct known *k = candidate(m, i);

		if (!k || waits_in_time(k) || recharge_is_asked(m, anchor_id))
			continue;
		k->refaulted = true;
		ret->anchors[ret->n++] = anchor_id;
	}
	qsort(ret->anchors, ret->n, sizeof(*ret->anchors), by_number);
}

static void find_waiting(struct manager *m, const struct refault_waits *late, struct refault_waits *ret)
{
	bool look = false;

	for (size_t i = 0; i < m->census->n; i++) {
		const struct mcr_zombie *z = &m->census->zombies[i];
		struct known *k = candidate(m, i);

		if (!k)
			continue;
		k->wants_look = false;
		if (refault_waits_for(late, z->anchor_id) || !must_wait(m, k, z))
			continue;
		look |= k->wants_look;
		ret->anchors[ret->n++] = z->anchor_id;
	}
	qsort(ret->anchors, ret->n, sizeof(*ret->anchors), by_number);
	if (look)
		pinning_start(m);
}

int refault_plan(struct manager *m, struct refault_waits *ret)
{
	struct refault_waits w = { .anchors = calloc(m->census->n + 1, sizeof(*w.anchors)) };
	struct refault_waits late = { .anchors = calloc(m->census->n + 1, sizeof(*late.anchors)) };
	int r = w.anchors && late.anchors ? 0 : -ENOMEM;

	if (r == 0 && m->walker && m->census->named) {
		find_late(m, &late);
		find_waiting(m, &late, &w);
	}
	refault_waits_done(&late);
	if (r == 0)
		*ret = w;
	else
		refault_waits_done(&w);
	return r;
}

void refault_waits_done(struct refault_waits *w)
{
	free(w->anchors);
	*w = (struct refault_waits){ 0 };
}

bool refault_waits_for(const struct refault_waits *w, uint64_t anchor_id)
{
	return w->n && bsearch(&anchor_id, w->anchors, w->n, sizeof(*w->anchors), by_number);
}

void refault_ended(struct manager *m, uint64_t anchor_id, uint64_t id)
{
	for (size_t i = 0; m->census && i < m->census->n; i++) {
		struct known *k = zombies_find(&m->zombies, m->census->zombies[i].id);

		if (k && m->census->zombies[i].anchor_id == anchor_id && (!id || k->id == id))
			k->refaulted = true;
	}
	cycle_now(m);
}

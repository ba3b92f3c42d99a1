/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinning.h"

#include <string.h>

#include "bus.h"
#include "census.h"
#include "config.h"
#include "kernelrecharge.h"
#include "log.h"
#include "manager.h"
#include "pins.h"
#include "pinword.h"
#include "reach.h"
#include "util.h"

/* The worker's answer about one zombie. */
struct answer {
	uint64_t id;
	bool hopeless;		/* nothing that holds it may go by reclaim */
	bool swappable;		/* memory of it that could be recharged would go to swap */
	uint64_t wanted_bytes;	/* of its page cache, in page tables */
	uint32_t main_pin;	/* enum mcr_pin_kind */
	uint64_t main_pin_bytes;
	char why[KNOWN_WHY_MAX];
};
_Static_assert(sizeof(struct answer) <= JOB_RECORD_MAX, "fits the job's buffer");

struct look_arg {
	const uint64_t *ids;
	size_t n;
};

/* Would a round push it to swap, where it has a better place to go to?  Private memory has one where the kernel moves it. */
static bool is_swappable(const struct mcr_pin *p, bool kernel)
{
	return p->bytes && (mcr_reach_is_shmem(p) || (kernel && p->kind == MCR_PIN_ANON));
}

static struct answer judge(const struct mcr_pins *p, bool swap, bool kernel)
{
	struct answer a = { .id = p->id, .hopeless = p->complete && p->n > 0 && p->refs_explained >= p->refs_held };

	for (size_t i = 0; i < p->n; i++) {
		a.hopeless = a.hopeless && !mcr_pin_may_go(&p->pins[i], swap);
		a.wanted_bytes += p->pins[i].kind == MCR_PIN_FILE ? p->pins[i].mapped_bytes : 0;
		a.swappable = a.swappable || (swap && is_swappable(&p->pins[i], kernel));
	}
	if (p->n == 0)
		return a;
	a.main_pin = p->pins[0].kind;
	a.main_pin_bytes = p->pins[0].bytes;
	mcr_pin_words(&p->pins[0], a.why, sizeof(a.why));
	return a;
}

static int look_in_worker(void *userdata, int out_fd)
{
	const struct look_arg *arg = userdata;
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = NULL;
	bool swap = mcr_swap_is_on(), kernel = mcr_kernelrecharge_is_on(NULL);
	int r = mcr_pins_walker_new(&w, NULL);

	if (r < 0)
		return r;
	mcr_pins_walker_scan(w, false);	/* not for a reason in the journal */
	for (size_t i = 0; i < arg->n && r >= 0; i++) {
		auto_(mcr_pins_freep) struct mcr_pins *p = NULL;
		struct answer a;

		r = mcr_pins_walk(w, arg->ids[i], &p);
		if (r == -ESTALE) {
			r = 0;	/* gone meanwhile */
			continue;
		}
		if (r < 0)
			break;
		a = judge(p, swap, kernel);
		r = mcr_worker_report(out_fd, &a, sizeof(a));
	}
	return r;
}

static void on_answer(const void *record, void *userdata)
{
	const struct answer *a = record;
	struct manager *m = userdata;
	struct known *k = zombies_find(&m->zombies, a->id);

	if (!k)
		return;
	memcpy(k->why, a->why, sizeof(k->why));
	k->wanted_bytes = a->wanted_bytes;
	k->swappable = a->swappable;
	k->main_pin = a->main_pin;
	k->main_pin_bytes = a->main_pin_bytes;
	if (a->hopeless && !k->pinned) {
		k->pinned = true;
		k->untold = true;
	}
}

static void on_end(bool late, void *userdata)
{
	struct manager *m = userdata;

	m->totals.late_workers += late;
	/* Not before: a cycle may come while the worker looks. Also when it had no answer: nobody waits for a second look. */
	for (size_t i = 0; i < m->zombies.n; i++) {
		m->zombies.at[i].wanted_known |= m->zombies.at[i].in_look;
		m->zombies.at[i].in_look = false;
	}
	if (m->looked_first) {
		m->looked_first = false;
		cycle_now(m);	/* they wait for this */
	}
	for (size_t i = 0; m->census && i < m->census->n; i++) {
		const struct mcr_zombie *z = &m->census->zombies[i];
		struct known *k = zombies_find(&m->zombies, z->id);
		const char *why;

		if (!k || !(k->pinned || k->unreclaimed))
			continue;
		recharge_zombie(m, k, z);	/* also one for which there was no room, or no bus, before */
		if (!k->untold)
			continue;
		k->untold = false;
		why = zombie_why(k, z);
		log_action(EVENT_PINNED, LOG_INFO, "pinned", z->path, mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE), why);
		bus_zombie_pinned(m, z->id, z->path, why);
	}
	m->report_due = true;
}

static const struct job_ops look_ops = {
	.name = "look",
	.record_size = sizeof(struct answer),
	.on_record = on_answer,
	.on_end = on_end,
};

void pinning_start(struct manager *m)
{
	struct look_arg arg = { .ids = m->looking };
	size_t n = 0;

	if (job_runs(&m->look_job))
		return;
	for (size_t i = 0; m->walker && i < m->zombies.n && n < ARRAY_SIZE(m->looking); i++) {
		struct known *k = &m->zombies.at[i];

		if (!k->wants_look &&
		    ((!k->tries && !k->unreclaimed) || (k->looked && k->looked_refs == k->refs)))
			continue;
		m->looked_first |= k->wants_look;
		k->in_look = k->wants_look;
		k->wants_look = false;
		k->looked = true;
		k->looked_refs = k->refs;
		m->looking[n++] = k->id;
	}
	arg.n = n;
	if (n == 0 || job_start(&m->look_job, m->event, &look_ops, m, m->config->worker_max_usec, look_in_worker, &arg,
				NULL, 0) < 0)
		on_end(false, m);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drains of held cgroups: in a worker, as many as wait for one together. */
#include "settle-parts.h"

#include <string.h>

#include "config.h"
#include "drain.h"
#include "fileio.h"
#include "hierarchy.h"
#include "kernelrecharge.h"
#include "log.h"
#include "util.h"

/* A held cgroup is tried this often before what is left counts as stuck. */
#define TRIES_MAX 3
/* Nobody waits for a drain: it takes the time that others leave. */
#define DRAIN_NICE 10

uint64_t settle_charged(const struct mcr_charge *c)
{
	return c->file_bytes + c->anon_bytes + c->swap_bytes;
}

/* After the pause; where a sync may help, when the next one is allowed, if that is in time. */
static uint64_t next_try(const struct manager *m, const struct held *h)
{
	uint64_t due = mcr_now_ns() + m->config->retry_usec * MCR_NSEC_PER_USEC;
	uint64_t sync = m->synced_ns + m->config->sync_usec * MCR_NSEC_PER_USEC;
	uint64_t limit = h->since_ns + h->hold_max_ns;

	return h->wants_sync && m->config->sync && sync > due && sync < limit ? sync : due;
}

/* Tmpfs and shared memory, also what of it is in swap; by the kernel, whatever it is. */
static bool may_recharge(const struct mcr_charge *left)
{
	return left->shmem_bytes + left->swap_bytes > 0 || (settle_charged(left) > 0 && mcr_kernelrecharge_is_on(NULL));
}

static void finish_drain(struct manager *m, struct held *h, const struct mcr_drain_report *rep)
{
	enum held_event e;

	h->tries++;
	h->freed_bytes += rep->freed_bytes;
	if (rep->error == 0)
		h->left_bytes = settle_charged(&rep->left);
	h->wants_sync = rep->error == 0 && mcr_drain_worth_retry(&rep->left);
	m->totals.drained_bytes += rep->freed_bytes;
	if (rep->error == -EBUSY)
		e = HELD_EV_POPULATED;
	else if (rep->error == -ENODEV || rep->error == -ESTALE || rep->error == -ENOENT)
		e = HELD_EV_NO_MEMCG;
	else if (rep->error < 0)
		e = HELD_EV_FAILED;
	else if (mcr_drain_is_empty(&rep->left))
		e = HELD_EV_EMPTY;
	else
		e = mcr_drain_worth_retry(&rep->left) && h->tries < TRIES_MAX ? HELD_EV_LEFT : HELD_EV_STUCK;
	h->stuck = e == HELD_EV_STUCK && may_recharge(&rep->left) && !h->recharged;
	if (h->stuck)
		return;		/* while the worker is at it, none of these may use swap */
	if (e == HELD_EV_FAILED)
		log_warning("draining '%s' failed: %s, trying again", h->path, strerror(-rep->error));
	h->due_ns = next_try(m, h);
	settle_apply(m, h, e);
}

static void on_drained(const void *record, void *userdata)
{
	const struct mcr_drain_report *rep = record;
	struct manager *m = userdata;
	struct held *h = held_find(&m->held, rep->id);

	if (h && h->state == HELD_DRAINING)
		finish_drain(m, h, rep);
}

/* Whatever the worker had not reported goes back; a knob it left changed is put back. */
static void on_drain_end(bool late, void *userdata)
{
	struct manager *m = userdata;

	manager_recover(m);
	m->totals.late_workers += late;
	for (size_t i = 0; i < m->n_draining; i++) {
		struct held *h = held_find(&m->held, m->draining[i].id);

		if (!h || h->state != HELD_DRAINING)
			continue;
		if (h->stuck) {
			h->stuck = false;
			settle_apply(m, h, recharge_held(m, h, false) ? HELD_EV_RECHARGE : HELD_EV_STUCK);
			continue;
		}
		h->due_ns = next_try(m, h);
		settle_apply(m, h, ++h->tries < TRIES_MAX ? HELD_EV_FAILED : HELD_EV_STUCK);
	}
	m->n_draining = 0;
	settle_soon(m);
}

static const struct job_ops drain_ops = {
	.name = "drain",
	.record_size = sizeof(struct mcr_drain_report),
	.on_record = on_drained,
	.on_end = on_drain_end,
};
_Static_assert(sizeof(struct mcr_drain_report) <= JOB_RECORD_MAX, "fits the job's buffer");

/* Gives all that wait for it to a worker, as one batch. */
void settle_start_drain(struct manager *m)
{
	const int keep[] = { mcr_hierarchy_fd(m->h), m->run_fd };
	struct mcr_drain_work work = {
		.opts = { .h = m->h, .journal_dir_fd = m->run_fd },
		.items = m->draining,
		.nice = DRAIN_NICE,
	};
	int r;

	m->n_draining = 0;
	for (size_t i = 0; i < m->held.n && m->n_draining < ARRAY_SIZE(m->draining); i++) {
		struct held *h = m->held.at[i];

		if (h->state != HELD_HELD)
			continue;
		h->state = held_next(h->state, HELD_EV_DRAIN);
		work.opts.sync = work.opts.sync || h->wants_sync;
		m->draining[m->n_draining++] = (struct mcr_drain_item){
			.id = h->id, .step_bytes = h->policy->step_bytes, .max_bytes = h->policy->drain_max_bytes,
		};
	}
	if (m->n_draining == 0)
		return;
	work.n = m->n_draining;
	work.opts.sync = work.opts.sync && manager_may_sync(m);
	r = job_start(&m->settle_job, m->event, &drain_ops, m, m->config->worker_max_usec, mcr_drain_in_worker, &work,
		      keep, ARRAY_SIZE(keep));
	if (r < 0) {
		log_error("cannot start a worker: %s", strerror(-r));
		on_drain_end(false, m);
	}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Held cgroups: look at what they are charged, drain them in a worker, remove them.
 * The states and what leads from one to the other are in held.c.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cgroup.h"
#include "config.h"
#include "drain.h"
#include "fileio.h"
#include "gate.h"
#include "hierarchy.h"
#include "kernelrecharge.h"
#include "log.h"
#include "manager.h"
#include "refault.h"
#include "util.h"

/* A held cgroup is tried this often before what is left counts as stuck. */
#define TRIES_MAX 3
#define PASSES_MAX 8
/* Nobody waits for a drain: it takes the time that others leave. */
#define DRAIN_NICE 10
/* How often somebody may ask for a cgroup and not come before it is left to them. */
#define REUSE_WAITS_MAX 6

static uint64_t charged(const struct mcr_charge *c)
{
	return c->file_bytes + c->anon_bytes + c->swap_bytes;
}

static void tell_end(struct manager *m, const struct held *h)
{
	m->report_due = true;
	if (h->state == HELD_REMOVED)
		bus_settled(m, h->id, h->path, h->freed_bytes, h->left_bytes);
	if (h->state == HELD_REUSED) {
		m->totals.reused++;
		log_action(EVENT_NONE, LOG_DEBUG, "let go", h->path, h->charged_bytes, "it is in use again");
	} else if (h->out) {
		m->totals.settled++;
		log_action(EVENT_NONE, LOG_DEBUG, "removed", h->path, h->left_bytes, "what is left is in swap, and goes to the owner now");
	} else if (h->left_bytes) {
		m->totals.settled_with_rest++;
		log_action(EVENT_EXPIRED, LOG_INFO, "removed with a rest", h->path, h->left_bytes,
			   h->expired ? "held for as long as is allowed" : "no reclaim frees it");
	} else {
		m->totals.settled++;
		log_action(EVENT_NONE, LOG_DEBUG, "removed", h->path, h->freed_bytes, "drained, no zombie was made");
	}
}

/* Is it there, without a process and without cgroups below? */
static bool is_left(uint64_t id, void *userdata)
{
	const struct manager *m = userdata;
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, id);
	uint64_t below;

	return fd >= 0 && mcr_cgroup_descendants(fd, &below) == 0 && below == 0 && mcr_cgroup_populated(fd) == 0;
}

static void hold_anew(struct manager *m, uint64_t id);

/* The end of a record: but whoever used it may have been done with it before we had let go. */
static void let_go(struct manager *m, struct held *h)
{
	uint64_t id = h->id;
	bool anew = false;

	if (h->state == HELD_REUSED && !h->given_up)
		anew = mcr_gate_forget_used(m->gate, id, is_left, m);
	else
		mcr_gate_forget(m->gate, id);
	held_drop(&m->held, h);
	if (anew)
		hold_anew(m, id);
}

/* Applies an event; true when the record has come to its end and is gone. */
static bool apply(struct manager *m, struct held *h, enum held_event event)
{
	enum held_state before = h->state;

	h->state = held_next(before, event);
	if (event == HELD_EV_LIMIT && h->state == HELD_SETTLED)
		h->expired = true;
	if (h->state == HELD_SETTLED && before != HELD_SETTLED)
		h->due_ns = 0;
	if (h->state == HELD_HELD && before != HELD_HELD)
		h->looked = false;
	if (h->state < HELD_FIRST_END)
		return false;
	tell_end(m, h);
	let_go(m, h);
	return true;
}

/* Page cache that others have mapped would be taken by the drain: it is recharged before. */
static bool recharge_first(struct manager *m, struct held *h, const struct mcr_charge *c)
{
	if (h->refaulted || !refault_held_wants(c))
		return false;
	/*
	 * Requests are served one after the other. Behind one that reads back there would be no time left for the drain;
	 * those that the kernel serves are short.
	 */
	if (m->recharges.n > 0 && !mcr_kernelrecharge_is_on(NULL))
		return false;
	if (!recharge_held(m, h, true))
		return false;
	h->refaulted = true;
	h->due_ns = h->since_ns + h->hold_max_ns / 2;
	return true;
}

/* What is it charged, and is it still empty of processes? */
static enum held_event look(struct manager *m, struct held *h)
{
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, h->id);
	struct mcr_charge c;
	int r;

	if (fd < 0)
		return HELD_EV_GONE;
	r = mcr_cgroup_populated(fd);
	if (r > 0)
		return HELD_EV_POPULATED;
	if (r == 0)
		r = mcr_cgroup_charge(fd, &c);
	if (r < 0)
		return HELD_EV_NO_MEMCG;
	h->left_bytes = charged(&c);
	if (recharge_first(m, h, &c))
		return HELD_EV_RECHARGE;
	return mcr_drain_is_empty(&c) ? HELD_EV_EMPTY : HELD_EV_DUE;
}

/* Is the parent rid of what kept it? */
static enum held_event look_at_parent(struct manager *m, const struct held *h)
{
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, h->id);
	uint64_t below;

	if (fd < 0 || mcr_cgroup_descendants(fd, &below) < 0)
		return HELD_EV_GONE;
	if (mcr_cgroup_populated(fd) > 0)
		return HELD_EV_POPULATED;
	return below == 0 ? HELD_EV_CHILDLESS : HELD_EV_DUE;
}

static enum held_event try_remove(struct manager *m, struct held *h, uint64_t now)
{
	int r = mcr_cgroup_remove(m->h, h->id);
	enum held_event e;

	if (r == 0 || r == -ESTALE || r == -ENOENT)
		return HELD_EV_GONE;
	if (r != -EBUSY) {
		log_warning("cannot remove held cgroup '%s': %s, letting go of it", h->path, strerror(-r));
		h->given_up = true;
		return HELD_EV_POPULATED;
	}
	e = look_at_parent(m, h);
	if (e == HELD_EV_POPULATED || e == HELD_EV_GONE)
		return e;
	if (e == HELD_EV_DUE)
		return HELD_EV_POPULATED;	/* cgroups were made below it: somebody uses it */
	if (now - h->since_ns > REUSE_WAITS_MAX * m->config->reuse_grace_usec * MCR_NSEC_PER_USEC + h->hold_max_ns) {
		log_action(EVENT_NONE, LOG_WARNING, "left in place", h->path, h->left_bytes,
			   "its name is asked for again and again, but nobody uses it");
		h->given_up = true;
		return HELD_EV_POPULATED;
	}
	/* The gate says that somebody asked for it: see later whether they came. */
	h->due_ns = now + m->config->reuse_grace_usec * MCR_NSEC_PER_USEC / 4;
	return HELD_EV_DUE;
}

/* Is a cgroup below it still held?  Then its time has not begun. */
static bool keeps_held_below(const struct manager *m, const struct held *parent)
{
	size_t len = strlen(parent->path);

	for (size_t i = 0; i < m->held.n; i++)
		if (strncmp(m->held.at[i]->path, parent->path, len) == 0 && m->held.at[i]->path[len] == '/')
			return true;
	return false;
}

/* One step of one record; true when it is worth another look at once. */
static bool step(struct manager *m, struct held *h, uint64_t now)
{
	uint64_t limit = h->since_ns + h->hold_max_ns;
	enum held_state before = h->state;
	enum held_event e = HELD_EV_DUE;

	if (h->state == HELD_PARENT) {
		e = look_at_parent(m, h);
		if (e == HELD_EV_DUE && now >= limit && !keeps_held_below(m, h))
			e = HELD_EV_POPULATED;	/* others live below: not ours to remove */
	} else if (h->state == HELD_SETTLED) {
		if (now < h->due_ns)
			return false;
		e = try_remove(m, h, now);
	} else if (now >= limit) {
		e = HELD_EV_LIMIT;
	} else if (h->state == HELD_HELD) {
		if (h->looked)
			return false;	/* waits for a worker */
		h->looked = true;
		e = look(m, h);
	} else if (h->state == HELD_DRAINING || (h->state == HELD_RECHARGING && !held_is_before_drain(h)) || now < h->due_ns) {
		return false;
	}
	return apply(m, h, e) || h->state != before;
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
	return left->shmem_bytes + left->swap_bytes > 0 || (charged(left) > 0 && mcr_kernelrecharge_is_on(NULL));
}

void settle_recharged(struct manager *m, uint64_t id)
{
	struct held *h = held_find(&m->held, id);

	if (!h || h->state != HELD_RECHARGING)
		return;
	h->recharged = !held_is_before_drain(h);
	apply(m, h, HELD_EV_DUE);
	settle_soon(m);
}

void settle_swapped_out(struct manager *m, uint64_t id)
{
	struct held *h = held_find(&m->held, id);

	if (!h || h->state != HELD_RECHARGING || held_is_before_drain(h))
		return;
	h->recharged = h->out = true;
	apply(m, h, HELD_EV_OUT);
	settle_soon(m);
}

static void finish_drain(struct manager *m, struct held *h, const struct mcr_drain_report *rep)
{
	enum held_event e;

	h->tries++;
	h->freed_bytes += rep->freed_bytes;
	if (rep->error == 0)
		h->left_bytes = charged(&rep->left);
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
	apply(m, h, e);
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
			apply(m, h, recharge_held(m, h, false) ? HELD_EV_RECHARGE : HELD_EV_STUCK);
			continue;
		}
		h->due_ns = next_try(m, h);
		apply(m, h, ++h->tries < TRIES_MAX ? HELD_EV_FAILED : HELD_EV_STUCK);
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
static void start_drain(struct manager *m)
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

static void run(struct manager *m)
{
	uint64_t due, now = mcr_now_ns();
	bool again = true;

	/* A removal may free a parent for removal: a few passes, each over all records. */
	for (int pass = 0; again && pass < PASSES_MAX; pass++) {
		again = false;
		for (size_t i = m->held.n; i-- > 0;)
			if (i < m->held.n)
				again |= step(m, m->held.at[i], now);
	}
	if (!job_runs(&m->settle_job))
		start_drain(m);
	due = held_next_due(&m->held);
	if (due == UINT64_MAX)
		return;
	/* Not in the past: a record that cannot move must not keep the loop busy. */
	if (due < now + 20 * 1000 * MCR_NSEC_PER_USEC)
		due = now + 20 * 1000 * MCR_NSEC_PER_USEC;
	sd_event_source_set_time(m->settle_timer, due / MCR_NSEC_PER_USEC);
	sd_event_source_set_enabled(m->settle_timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	run(userdata);
	return 0;
}

int settle_start(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->settle_timer, CLOCK_MONOTONIC, 0, 1000, on_timer, m);

	if (r >= 0)
		r = sd_event_source_set_enabled(m->settle_timer, SD_EVENT_OFF);
	return r < 0 ? r : sd_event_source_set_description(m->settle_timer, "settle");
}

/* After the events at hand: what comes together is settled together. */
void settle_soon(struct manager *m)
{
	sd_event_source_set_time(m->settle_timer, 0);
	sd_event_source_set_enabled(m->settle_timer, SD_EVENT_ONESHOT);
}

static struct held *enter(struct manager *m, uint64_t id, enum held_state state, uint64_t at_ns)
{
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, id);
	auto_(freep) char *path = NULL;
	struct held *h = NULL;

	if (fd >= 0 && mcr_cgroup_path(m->h, fd, &path) == 0)
		h = held_add(&m->held, id, path, state, at_ns);
	if (!h)
		mcr_gate_forget(m->gate, id);	/* gone already, or no memory to remember it */
	return h;
}

/* The policy the gate followed; of an event that names none, or one that is forgotten, what holds now. */
static void hold_under(struct manager *m, struct held *h, const struct mcr_gate_event *e)
{
	struct mcr_config *const configs[] = { m->config, m->retired };
	const struct mcr_policy *p;

	for (size_t i = 0; e && i < ARRAY_SIZE(configs); i++) {
		if (!configs[i] || configs[i]->generation != e->generation || e->policy >= configs[i]->n_policies)
			continue;
		held_set_policy(h, configs[i], configs[i]->policies[e->policy]);
		return;
	}
	p = coverage_policy(m, h->id, h->path, NULL);
	held_set_policy(h, m->config, p ? p : m->config->policies[0]);
}

static void hold_anew(struct manager *m, uint64_t id)
{
	struct held *h = enter(m, id, HELD_HELD, mcr_now_ns());

	if (h)
		hold_under(m, h, NULL);
	settle_soon(m);
}

static void on_held(struct manager *m, struct held *h, const struct mcr_gate_event *event)
{
	if (h && event->kind == MCR_GATE_HELD && event->at_ns > h->since_ns) {
		m->totals.reused++;
		held_again(h, event->at_ns);
		hold_under(m, h, event);
	}
	if (h)
		return;		/* this very hold, which was adopted from the map before its event came */
	h = enter(m, event->id, event->kind == MCR_GATE_PARENT ? HELD_PARENT : HELD_HELD, event->at_ns);
	if (!h)
		return;
	h->charged_bytes = h->left_bytes = event->usage_bytes + event->swap_bytes;
	hold_under(m, h, event);
	if (event->kind == MCR_GATE_HELD)
		manager_note_churn(m, h->path, CHURN_HELD, NULL);
	if (event->kind == MCR_GATE_PARENT && !keeps_held_below(m, h)) {
		mcr_gate_forget(m->gate, h->id);	/* it failed for other reasons than ours */
		held_drop(&m->held, h);
	}
}

void settle_on_event(const struct mcr_gate_event *event, void *userdata)
{
	struct manager *m = userdata;
	struct held *h = held_find(&m->held, event->id);

	switch (event->kind) {
	case MCR_GATE_HELD:
	case MCR_GATE_PARENT:
		on_held(m, h, event);
		break;
	case MCR_GATE_EXPIRED:
		break;	/* it goes right now: GONE follows */
	case MCR_GATE_GONE:
		if (h)
			apply(m, h, HELD_EV_GONE);
		coverage_gone(m, event->id);
		break;
	case MCR_GATE_XATTR:
		coverage_on_attribute(m, event->id);
		break;
	}
	settle_soon(m);
}

int settle_adopt(struct manager *m)
{
	auto_(freep) uint64_t *ids = NULL;
	int n = mcr_gate_list_held(m->gate, &ids), adopted = 0;
	uint64_t now = mcr_now_ns(), below;	/* later than the events of all that are listed */

	for (int i = 0; i < n; i++) {
		auto_(closep) int fd = -EBADF;
		struct held *h;

		if (held_find(&m->held, ids[i]))
			continue;
		fd = mcr_cgroup_open_id(m->h, ids[i]);
		below = 0;
		if (fd >= 0)
			mcr_cgroup_descendants(fd, &below);
		h = enter(m, ids[i], below ? HELD_PARENT : HELD_HELD, now);
		if (h) {
			hold_under(m, h, NULL);
			h->adopted = true;
			adopted++;
		}
	}
	if (adopted) {
		log_notice("adopted %d held cgroups of a predecessor", adopted);
		settle_soon(m);
	}
	return n < 0 ? n : 0;
}

/* At a clean end: remove what can be removed now, let go of the rest. */
void settle_release_all(struct manager *m)
{
	uint64_t now = mcr_now_ns();

	/* Children before their parents: a parent's turn comes when nothing is below it. */
	for (int pass = 0; m->held.n && pass < PASSES_MAX; pass++) {
		for (size_t i = m->held.n; i-- > 0;) {
			struct held *h;

			if (i >= m->held.n)
				continue;
			h = m->held.at[i];
			if (h->state == HELD_PARENT && look_at_parent(m, h) == HELD_EV_DUE)
				continue;
			h->state = HELD_SETTLED;
			apply(m, h, try_remove(m, h, now));
		}
	}
	while (m->held.n > 0) {
		m->held.at[0]->given_up = true;
		apply(m, m->held.at[0], HELD_EV_POPULATED);
	}
}

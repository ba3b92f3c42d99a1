/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Held cgroups: look at what they are charged, have them drained (settle-drain.c), remove them.
 * The states and what leads from one to the other are in held.c.
 */
#include "settle-parts.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cgroup.h"
#include "config.h"
#include "drain.h"
#include "fileio.h"
#include "gate.h"
#include "kernelrecharge.h"
#include "log.h"
#include "refault.h"
#include "util.h"

#define PASSES_MAX 8
/* At the end, for what somebody has asked for: half of TimeoutStopSec= of the unit at most. */
#define RELEASE_MAX_USEC (10 * MCR_USEC_PER_SEC)
#define RELEASE_PAUSE_USEC 100000
/* How often somebody may ask for a cgroup and not come before it is left to them. */
#define REUSE_WAITS_MAX 6

static void tell_end(struct manager *m, const struct held *h)
{
	m->report_due = true;
	if (h->state == HELD_REMOVED)
		bus_settled(m, h->id, h->path, h->freed_bytes, h->left_bytes);
	if (h->state == HELD_REUSED && h->given_up) {
		m->totals.reused++;
		log_action(EVENT_NONE, LOG_WARNING, "left in place", h->path, h->left_bytes, h->given_up);
	} else if (h->state == HELD_REUSED) {
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

/* Is it there, without a process, and without cgroups below but those that are held? */
static bool is_left(uint64_t id, void *userdata)
{
	const struct manager *m = userdata;
	const struct held *h = held_find(&m->held, id);
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, id);
	uint64_t below;

	return h && fd >= 0 && mcr_cgroup_descendants(fd, &below) == 0 && mcr_cgroup_populated(fd) == 0 &&
	       (below == 0 || held_has_below(&m->held, h->path));
}

/* The end of a record: but whoever used it may have been done with it before we had let go. */
static void let_go(struct manager *m, struct held *h)
{
	uint64_t id = h->id, charged = h->charged_bytes;
	int held_as = 0;

	if (h->state == HELD_REUSED && !h->given_up)
		held_as = mcr_gate_forget_used(m->gate, id, is_left, m);
	else
		mcr_gate_forget(m->gate, id);
	if (h->state == HELD_REMOVED)
		held_drop_removed(&m->held, h);
	else
		held_drop(&m->held, h);
	if (held_as)
		settle_hold_anew(m, id, held_as == MCR_GATE_PARENT, charged);
}

bool settle_apply(struct manager *m, struct held *h, enum held_event event)
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
	h->left_bytes = settle_charged(&c);
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

/*
 * Are there cgroups below it, and none of ours? It may be that one of ours is not on record yet, so that is true only if it was
 * so before the gate's events were read last, too.
 */
static bool others_are_below(const struct manager *m, struct held *h)
{
	if (held_has_below(&m->held, h->path)) {
		h->doubted = 0;
		return false;
	}
	if (!h->doubted)
		h->doubted = m->ring_readings;
	return h->doubted != m->ring_readings;
}

static enum held_event try_remove(struct manager *m, struct held *h, uint64_t now)
{
	int r = mcr_cgroup_remove(m->h, h->id);
	enum held_event e;

	if (r == 0 || r == -ESTALE || r == -ENOENT)
		return HELD_EV_GONE;
	if (r != -EBUSY) {
		h->given_up = strerror(-r);
		return HELD_EV_POPULATED;
	}
	e = look_at_parent(m, h);
	if (e == HELD_EV_POPULATED || e == HELD_EV_GONE)
		return e;
	if (e != HELD_EV_DUE)
		h->doubted = 0;
	else if (others_are_below(m, h))
		return HELD_EV_POPULATED;	/* cgroups were made below it: somebody uses it */
	if (now > h->since_ns + h->hold_max_ns + REUSE_WAITS_MAX * m->config->reuse_grace_usec * MCR_NSEC_PER_USEC &&
	    e != HELD_EV_DUE) {
		h->given_up = "its name is asked for again and again, but nobody uses it";
		return HELD_EV_POPULATED;
	}
	/* It waits for those below; or the gate says that somebody asked for it: see later whether they came. */
	h->due_ns = now + m->config->reuse_grace_usec * MCR_NSEC_PER_USEC / 4;
	return HELD_EV_DUE;
}

/* One step of one record; true when it is worth another look at once. */
static bool step(struct manager *m, struct held *h, uint64_t now)
{
	uint64_t limit = h->since_ns + h->hold_max_ns;
	enum held_state before = h->state;
	enum held_event e = HELD_EV_DUE;

	if (h->state == HELD_PARENT) {
		if (!h->looked)
			return false;
		e = look_at_parent(m, h);
		if (e == HELD_EV_DUE && now >= limit && others_are_below(m, h))
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
	return settle_apply(m, h, e) || h->state != before;
}

void settle_recharged(struct manager *m, uint64_t id)
{
	struct held *h = held_find(&m->held, id);

	if (!h || h->state != HELD_RECHARGING)
		return;
	h->recharged = !held_is_before_drain(h);
	settle_apply(m, h, HELD_EV_DUE);
	settle_soon(m);
}

void settle_swapped_out(struct manager *m, uint64_t id)
{
	struct held *h = held_find(&m->held, id);

	if (!h || h->state != HELD_RECHARGING || held_is_before_drain(h))
		return;
	h->recharged = h->out = true;
	settle_apply(m, h, HELD_EV_OUT);
	settle_soon(m);
}

/* Parents that came onto record: those whose removal the kernel refused for other reasons than ours are let go. */
static void look_at_new_parents(struct manager *m)
{
	for (size_t i = m->held.n; i-- > 0;) {
		struct held *h = m->held.at[i];

		if (h->state != HELD_PARENT || h->looked)
			continue;
		h->looked = held_explains(&m->held, h->path);
		if (h->looked)
			continue;
		mcr_gate_forget(m->gate, h->id);
		held_drop(&m->held, h);
	}
}

/*
 * Why the kernel refused to remove a parent is only known when all events are read: what keeps it may come onto record later, if
 * its removal was tried later; and it may have been removed already, but not before the event of the parent was written. So
 * from here on, no event is to come that what was removed until now would explain.
 */
static void read_events(struct manager *m)
{
	if (!m->gate || mcr_gate_dispatch(m->gate) != 0)
		return;		/* when the one that is being written has been, we are called again */
	m->ring_readings++;
	look_at_new_parents(m);
	held_forget_removed(&m->held);
}

static void run(struct manager *m)
{
	uint64_t due, now;
	bool again = true;

	read_events(m);
	/* A removal may free a parent for removal: a few passes, each over all records. */
	for (int pass = 0; again && pass < PASSES_MAX; pass++) {
		again = false;
		now = mcr_now_ns();	/* what came onto record in the last pass is not from the future */
		for (size_t i = m->held.n; i-- > 0;)
			if (i < m->held.n)
				again |= step(m, m->held.at[i], now);
	}
	if (!job_runs(&m->settle_job))
		settle_start_drain(m);
	due = held_next_due(&m->held);
	if (due == UINT64_MAX)
		return;
	now = mcr_now_ns();
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

/* At the end: removes it if that can be now; true if another pass may do more. */
static bool release(struct manager *m, struct held *h)
{
	if (h->state == HELD_PARENT && (!h->looked || look_at_parent(m, h) == HELD_EV_DUE))
		return !h->looked;
	h->state = HELD_SETTLED;
	settle_apply(m, h, try_remove(m, h, mcr_now_ns()));
	return true;
}

static bool release_each(struct manager *m)
{
	bool more = false;

	for (size_t i = m->held.n; i-- > 0;)
		if (i < m->held.n)
			more |= release(m, m->held.at[i]);
	return more;
}

/*
 * At a clean end: remove what is held, and let go of what is used again. The gate says of some that somebody asked for
 * them a moment ago. If they do not come nobody will remove those, so it is worth the wait. Parents have their turn when
 * nothing is below them.
 */
void settle_release_all(struct manager *m)
{
	uint64_t grace = m->config->reuse_grace_usec, end;

	mcr_gate_let_through(m->gate);
	end = mcr_now_ns() + (grace < RELEASE_MAX_USEC ? grace : RELEASE_MAX_USEC) * MCR_NSEC_PER_USEC;
	do
		read_events(m);
	while (release_each(m) && mcr_now_ns() <= end && usleep(RELEASE_PAUSE_USEC) == 0);
	while (m->held.n > 0) {
		struct held *h = m->held.at[0];

		h->given_up = h->state == HELD_PARENT ? "there are others below it" : "its name was asked for a moment ago";
		settle_apply(m, h, HELD_EV_POPULATED);
	}
}

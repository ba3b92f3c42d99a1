/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One cycle: count the dying, reap what policy allows in a worker, count again, tell what went and
 * what stays and why.  What stays is tried again a few times after short pauses, then called pinned.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "census.h"
#include "config.h"
#include "fileio.h"
#include "gate.h"
#include "hierarchy.h"
#include "log.h"
#include "manager.h"
#include "pinning.h"
#include "reap.h"
#include "refault.h"
#include "util.h"

/* Between rounds of one cycle: long enough for a journal commit (ext4: 5 s). */
#define ROUND_PAUSE_USEC (6 * MCR_USEC_PER_SEC)
/* That many of one kind are told one by one in a cycle. */
#define TOLD_MAX 10

struct zombie_times cycle_times(const struct manager *m)
{
	return (struct zombie_times){
		.grace_ns = m->config->grace_usec * MCR_NSEC_PER_USEC,
		.pinned_retry_ns = m->config->pinned_retry_usec * MCR_NSEC_PER_USEC,
	};
}

static int take_census(struct manager *m, struct mcr_census **ret)
{
	auto_(mcr_count_freep) struct mcr_count *count = NULL;
	int r;

	if (m->walker)
		return mcr_census_walk(m->walker, ret);
	r = mcr_census_count(m->h, &count);
	return r < 0 ? r : mcr_census_from_count(count, ret);
}

static void add_since(const struct manager *m, struct mcr_census *census)
{
	for (size_t i = 0; m->gate && i < census->n; i++)
		census->zombies[i].since_ns = mcr_gate_dying_since(m->gate, census->zombies[i].id);
}

/* Those of the census before this one that were told of, by their place in it; the caller frees it. */
static bool *told_before(const struct manager *m)
{
	bool *told = calloc(m->census ? m->census->n + 1 : 1, sizeof(*told));

	for (size_t i = 0; told && m->census && i < m->census->n; i++) {
		const struct known *k = zombies_find(&m->zombies, m->census->zombies[i].id);

		told[i] = k && k->told;
	}
	return told;
}

/* before: the census in which they still were. */
static size_t tell_gone(struct manager *m, const struct mcr_census *before, const bool *told, bool reaped)
{
	size_t n = 0;

	for (size_t i = 0; before && told && i < before->n; i++) {
		const struct mcr_zombie *z = &before->zombies[i];

		if (!told[i] || zombies_find(&m->zombies, z->id))
			continue;
		if (n++ < TOLD_MAX)
			log_action(EVENT_REAPED, LOG_INFO, reaped ? "reaped" : "gone", z->path,
				   mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE),
				   reaped ? "nothing holds it any more" : "not by us");
		bus_zombie_gone(m, z->id, z->path);
	}
	return n;
}

static void tell_found(struct manager *m)
{
	const struct zombie_times times = cycle_times(m);
	size_t n = 0;

	for (size_t i = 0; m->census->named && i < m->census->n; i++) {
		const struct mcr_zombie *z = &m->census->zombies[i];
		struct known *k = zombies_find(&m->zombies, z->id);

		if (!k || k->told || !zombie_is_due(k, &times, mcr_now_ns()))
			continue;
		k->told = true;
		manager_note_churn(m, z->path, CHURN_ZOMBIE, zombie_reason(z, false));
		if (n++ < TOLD_MAX)
			log_action(EVENT_FOUND, LOG_INFO, "found", z->path, mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE),
				   zombie_reason(z, false));
		bus_zombie_found(m, z->id, z->path);
	}
	if (n > TOLD_MAX)
		log_info("%zu zombies found in all; see `memcg-reaper list`", n);
}

/* Takes a census and tells what came and went. */
static int look(struct manager *m, bool reaped, size_t *ret_gone)
{
	const struct zombie_times times = cycle_times(m);
	struct mcr_census *census = NULL, *before = m->census;
	auto_(freep) bool *told = told_before(m);
	size_t n;
	int r = take_census(m, &census);

	if (r < 0)
		return r;
	add_since(m, census);
	r = zombies_update(&m->zombies, census, &times, mcr_now_ns(), ret_gone);
	if (r < 0) {
		mcr_census_free(census);
		return r;
	}
	m->census = census;
	n = tell_gone(m, before, told, reaped);
	if (n > TOLD_MAX)
		log_info("%zu zombies %s", n, reaped ? "reaped" : "gone");
	mcr_census_free(before);
	tell_found(m);
	return 0;
}

uint64_t cycle_count_due(const struct manager *m, uint64_t *ret_pinned)
{
	const struct zombie_times times = cycle_times(m);
	uint64_t now = mcr_now_ns(), due = 0, pinned = 0;

	for (size_t i = 0; m->census && i < m->census->n; i++) {
		const struct mcr_zombie *z = &m->census->zombies[i];
		const struct known *k = zombies_find(&m->zombies, z->id);
		uint64_t n = m->census->named ? 1 : z->refs;

		if (!k || !zombie_is_due(k, &times, now))
			continue;
		due += n;
		pinned += k->pinned ? n : 0;
	}
	*ret_pinned = pinned;
	return due;
}

static void note_trend(struct manager *m)
{
	uint64_t pinned, due = cycle_count_due(m, &pinned);

	if (m->n_trend == TREND_LEN)
		memmove(m->trend, m->trend + 1, (--m->n_trend) * sizeof(*m->trend));
	m->trend[m->n_trend++] = due;
}

/* Some were tried in vain, but not often enough to be called pinned. */
static bool wants_another_round(const struct manager *m)
{
	for (size_t i = 0; i < m->zombies.n; i++)
		if (m->zombies.at[i].tries && !m->zombies.at[i].pinned)
			return true;
	return false;
}

uint64_t cycle_dying(const struct manager *m)
{
	return m->census ? m->census->dying : 0;
}

static void end_cycle(struct manager *m)
{
	uint64_t usec = m->config->interval_usec;

	note_trend(m);
	report_write(m);
	requests_round_ended(m);
	if (wants_another_round(m) && ROUND_PAUSE_USEC < usec)
		usec = ROUND_PAUSE_USEC;
	else if (m->first_cycle && m->config->grace_usec < usec)
		usec = m->config->grace_usec;	/* what was there before us is due then */
	m->first_cycle = false;
	sd_event_source_set_time_relative(m->cycle_timer, usec);
	sd_event_source_set_enabled(m->cycle_timer, SD_EVENT_ONESHOT);
}

static const char *anchor_path(const struct manager *m, uint64_t id)
{
	for (size_t i = 0; i < m->census->n; i++)
		if (m->census->zombies[i].anchor_id == id)
			return m->census->zombies[i].anchor;
	return "a cgroup that is gone";
}

/* Only what hangs below an anchor that was really reclaimed counts as tried. */
static void mark_tried(struct manager *m, uint64_t anchor_id)
{
	for (size_t i = 0; i < m->census->n; i++) {
		struct known *k = zombies_find(&m->zombies, m->census->zombies[i].id);

		if (k && k->trying && m->census->zombies[i].anchor_id == anchor_id) {
			k->tried = true;
			k->unreclaimed = false;
		}
	}
}

/* Nothing was reclaimed there. What is shared memory can go all the same. */
static void mark_unreclaimed(struct manager *m, uint64_t anchor_id)
{
	for (size_t i = 0; i < m->census->n; i++) {
		struct known *k = zombies_find(&m->zombies, m->census->zombies[i].id);

		if (k && k->trying && m->census->zombies[i].anchor_id == anchor_id)
			k->unreclaimed = true;
	}
}

/* After a reload meanwhile the policy's number may be another's. */
static void spend(struct manager *m, const struct mcr_reap_report *rep)
{
	uint64_t now = mcr_now_ns();

	budget_spend(&m->budget, rep->asked_bytes, now);
	if (m->reap_generation == m->config->generation && rep->policy < m->config->n_policies)
		budget_spend(&m->budgets[rep->policy], rep->asked_bytes, now);
}

static void on_reaped(const void *record, void *userdata)
{
	const struct mcr_reap_report *rep = record;
	const struct mcr_shield_result *res = &rep->result;
	struct manager *m = userdata;
	const char *path = anchor_path(m, rep->anchor_id);

	if (rep->error == -ESTALE || rep->error == -ENODEV || rep->error == -ENOENT)
		return;		/* the ancestor was removed meanwhile */
	if (rep->error == -EAGAIN) {
		m->totals.rounds_refused++;
		mark_unreclaimed(m, rep->anchor_id);
		log_action(EVENT_NONE, LOG_INFO, "not reaped below", path, 0, "it, or a cgroup below it, is near its memory limit");
		return;
	}
	if (rep->error < 0) {
		log_error("shielded reclaim below '%s' failed: %s", path, strerror(-rep->error));
		return;
	}
	if (!res->stopped)
		mark_tried(m, rep->anchor_id);
	m->totals.reaped_bytes += res->freed_bytes;
	m->totals.lost_bytes += res->lost_bytes;
	spend(m, rep);
	log_info("reclaimed below '%s': dying %" PRIu64 " -> %" PRIu64 ", %" PRIu64 " KiB freed, %u live shielded, "
		 "%" PRIu64 " KiB lost by live ones%s", path, res->dying_before, res->dying_after,
		 res->freed_bytes / 1024, res->shielded, res->lost_bytes / 1024,
		 res->stopped ? ", stopped: memory pressure" : "");
}

/* Those that were tried and are still there. */
static void mark_survivors(struct manager *m)
{
	uint64_t now = mcr_now_ns();

	for (size_t i = 0; i < m->census->n; i++) {
		const struct mcr_zombie *z = &m->census->zombies[i];
		struct known *k = zombies_find(&m->zombies, z->id);
		bool before;

		if (!k || !k->trying)
			continue;
		k->trying = false;
		if (!k->tried)
			continue;
		k->tried = false;
		before = k->pinned;
		zombie_survived(k, z, now);
		if (!k->pinned || before)
			continue;
		k->untold = true;	/* pinning.c, when it knows by what */
	}
}

static void on_reap_end(bool late, void *userdata)
{
	struct manager *m = userdata;
	size_t gone = 0;
	int r;

	manager_recover(m);
	m->totals.late_workers += late;
	r = look(m, true, &gone);
	if (r < 0) {
		log_error("census failed: %s", strerror(-r));
	} else {
		m->totals.reaped += gone;
		mark_survivors(m);
		pinning_start(m);
	}
	end_cycle(m);
}

static const struct job_ops reap_ops = {
	.name = "reap",
	.record_size = sizeof(struct mcr_reap_report),
	.on_record = on_reaped,
	.on_end = on_reap_end,
};
_Static_assert(sizeof(struct mcr_reap_report) <= JOB_RECORD_MAX, "fits the job's buffer");

struct reap_arg {
	struct mcr_reap_opts opts;
	const struct mcr_reap_anchor *anchors;
	size_t n;
	int out_fd;
};

static int send_report(const struct mcr_reap_report *rep, void *userdata)
{
	const struct reap_arg *arg = userdata;

	return mcr_worker_report(arg->out_fd, rep, sizeof(*rep));
}

static int reap_in_worker(void *userdata, int out_fd)
{
	struct reap_arg *arg = userdata;

	arg->out_fd = out_fd;
	return mcr_reap(&arg->opts, arg->anchors, arg->n, send_report, arg);
}

/* Fills in what reaping below each anchor may cost its policy. */
static uint64_t *copy_budgets(struct manager *m)
{
	uint64_t *left = calloc(m->config->n_policies, sizeof(*left)), now = mcr_now_ns();

	for (size_t i = 0; left && i < m->config->n_policies; i++)
		left[i] = budget_left(&m->budgets[i], now);
	return left;
}

struct choice {
	struct manager *m;
	size_t dry;		/* due, but DryRun=yes */
	struct refault_waits waits;
};

static const struct mcr_policy *choose(const struct mcr_zombie *z, void *userdata)
{
	struct choice *c = userdata;
	const struct zombie_times times = cycle_times(c->m);
	struct known *k = zombies_find(&c->m->zombies, z->id);
	const struct mcr_policy *p = coverage_policy(c->m, z->id, z->path, NULL);

	if (!k || !p || !zombie_worth_trying(k, z, &times, mcr_now_ns()) || refault_waits_for(&c->waits, z->anchor_id))
		return NULL;
	k->unreclaimed = !p->shield;
	if (!p->shield)
		return NULL;
	if (p->dry_run) {
		c->dry++;
		if (k->told_dry)
			return NULL;
		k->told_dry = true;
		log_action(EVENT_NONE, LOG_INFO, "dry run: would reap", z->path,
			   mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE), p->name);
		return NULL;
	}
	k->trying = true;
	return p;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Why this is no moment to reap, or NULL. */
static const char *refusal(struct manager *m, const struct mcr_reap_anchor *anchors, size_t n)
{
	uint64_t now = mcr_now_ns(), all = budget_left(&m->budget, now);

	for (size_t i = 0; i < n; i++)
		if (min_u64(all, budget_left(&m->budgets[anchors[i].policy->index], now)) >= anchors[i].policy->step_bytes)
			return mcr_reap_refusal(m->h, m->config, m->proc_fd);
	return "BudgetBytes= is spent";
}

static int start_reap(struct manager *m, const struct mcr_reap_anchor *anchors, size_t n)
{
	const int keep[] = { mcr_hierarchy_fd(m->h), m->run_fd, m->proc_fd };
	auto_(freep) uint64_t *budgets = copy_budgets(m);
	struct reap_arg arg = {
		.opts = {
			.h = m->h,
			.sync = manager_may_sync(m),
			.policy_budgets = budgets,
			.shield = {
				.max_bytes = budget_left(&m->budget, mcr_now_ns()),
				.journal_dir_fd = m->run_fd,
				.proc_fd = m->proc_fd,
				.pressure_max_centi = m->config->pressure_max_centi,
				.available_min_centi = m->config->available_min_centi,
			},
		},
		.anchors = anchors,
		.n = n,
	};

	if (!budgets)
		return -ENOMEM;
	m->totals.rounds++;
	m->reap_generation = m->config->generation;
	return job_start(&m->cycle_job, m->event, &reap_ops, m, m->config->worker_max_usec, reap_in_worker, &arg,
			 keep, ARRAY_SIZE(keep));
}

/* Once per reason, not once per cycle. */
static void tell_refusal(struct manager *m, size_t n)
{
	m->totals.rounds_refused++;
	if (m->told_note && strcmp(m->told_note, m->cycle_note) == 0)
		return;
	m->told_note = m->cycle_note;
	log_event(EVENT_BUDGET, LOG_INFO, "not reaping below %zu cgroups: %s", n, m->cycle_note);
}

static int plan_and_start(struct manager *m)
{
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	struct choice c = { .m = m };
	int n;

	for (size_t i = 0; i < m->zombies.n; i++)
		m->zombies.at[i].trying = false;
	n = refault_plan(m, &c.waits);
	if (n < 0)
		return n;
	n = mcr_reap_plan(m->census, m->config, choose, &c, &anchors);
	refault_waits_done(&c.waits);
	m->cycle_note = NULL;
	if (n <= 0)
		return n;
	m->cycle_note = refusal(m, anchors, n);
	if (m->cycle_note) {
		tell_refusal(m, n);
		return 0;
	}
	m->told_note = NULL;
	return start_reap(m, anchors, n);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	size_t gone = 0;
	int r;

	(void)source;
	(void)usec;
	manager_recover(m);
	if (m->gate)
		settle_adopt(m);	/* events get lost: the map of held cgroups is the truth */
	coverage_prune(m);
	r = look(m, false, &gone);
	if (r == 0)
		r = plan_and_start(m);
	if (r < 0)
		log_error("census failed: %s", strerror(-r));
	if (!job_runs(&m->cycle_job)) {
		pinning_start(m);
		end_cycle(m);
	}
	return 0;
}

void cycle_now(struct manager *m)
{
	if (job_runs(&m->cycle_job))
		return;
	sd_event_source_set_time_relative(m->cycle_timer, 0);
	sd_event_source_set_enabled(m->cycle_timer, SD_EVENT_ONESHOT);
}

int cycle_start_timer(struct manager *m)
{
	int r = sd_event_add_time_relative(m->event, &m->cycle_timer, CLOCK_MONOTONIC, 0, 0, on_timer, m);

	m->first_cycle = true;
	return r < 0 ? r : sd_event_source_set_description(m->cycle_timer, "cycle");
}

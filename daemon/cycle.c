/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One cycle: count the dying, reap what policy allows in a worker, count again, tell what went and
 * what stays and why.  What stays is tried again a few times after short pauses, then called pinned.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "census.h"
#include "config.h"
#include "fileio.h"
#include "gate.h"
#include "hierarchy.h"
#include "log.h"
#include "manager.h"
#include "reap.h"
#include "util.h"

/* Between rounds of one cycle: long enough for a journal commit (ext4: 5 s). */
#define ROUND_PAUSE_USEC (6 * MCR_USEC_PER_SEC)

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

static int look(struct manager *m, size_t *ret_gone)
{
	const struct zombie_times times = cycle_times(m);
	struct mcr_census *census = NULL;
	int r = take_census(m, &census);

	if (r < 0)
		return r;
	add_since(m, census);
	r = zombies_update(&m->zombies, census, &times, mcr_now_ns(), ret_gone);
	if (r < 0) {
		mcr_census_free(census);
		return r;
	}
	mcr_census_free(m->census);
	m->census = census;
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

static void end_cycle(struct manager *m)
{
	uint64_t usec = m->config->interval_usec;

	note_trend(m);
	report_write(m);
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

		if (k && k->trying && m->census->zombies[i].anchor_id == anchor_id)
			k->tried = true;
	}
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
		log_action(LOG_INFO, "not reaped below", path, 0, "it, or a cgroup below it, is near its memory limit");
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
	budget_spend(&m->budget, res->writes * m->config->step_bytes, mcr_now_ns());
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
		if (k->pinned && !before)
			log_action(LOG_INFO, "pinned", z->path, mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE),
				   zombie_reason(z, true));
	}
}

static void on_reap_end(bool late, void *userdata)
{
	struct manager *m = userdata;
	size_t gone = 0;
	int r;

	manager_recover(m);
	m->totals.late_workers += late;
	r = look(m, &gone);
	if (r < 0) {
		log_error("census failed: %s", strerror(-r));
	} else {
		m->totals.reaped += gone;
		if (gone)
			log_info("%zu zombies reaped", gone);
		mark_survivors(m);
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

static bool worth_trying(const struct mcr_zombie *z, void *userdata)
{
	struct manager *m = userdata;
	const struct zombie_times times = cycle_times(m);
	struct known *k = zombies_find(&m->zombies, z->id);

	if (!k)
		return false;
	k->trying = zombie_worth_trying(k, z, &times, mcr_now_ns());
	return k->trying;
}

/* Why this is no moment to reap, or NULL. */
static const char *refusal(struct manager *m)
{
	if (budget_left(&m->budget, mcr_now_ns()) < m->config->step_bytes)
		return "BudgetBytes= is spent";
	return mcr_reap_refusal(m->h, m->config, m->proc_fd);
}

static int start_reap(struct manager *m, const struct mcr_reap_anchor *anchors, size_t n)
{
	const int keep[] = { mcr_hierarchy_fd(m->h), m->run_fd, m->proc_fd };
	struct reap_arg arg = {
		.opts = {
			.h = m->h,
			.sync = manager_may_sync(m),
			.shield = {
				.step_bytes = m->config->step_bytes,
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

	m->totals.rounds++;
	return job_start(&m->cycle_job, m->event, &reap_ops, m, m->config->worker_max_usec, reap_in_worker, &arg,
			 keep, ARRAY_SIZE(keep));
}

static int plan_and_start(struct manager *m)
{
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	int n = mcr_reap_plan(m->census, m->config, worth_trying, m, &anchors);

	m->cycle_note = NULL;
	if (n <= 0 || !m->config->shield)
		return n < 0 ? n : 0;
	if (m->config->dry_run) {
		for (int i = 0; i < n; i++)
			log_info("dry run: would reap %zu zombies below '%s'", anchors[i].zombies,
				 anchors[i].path);
		return 0;
	}
	m->cycle_note = refusal(m);
	if (m->cycle_note) {
		m->totals.rounds_refused++;
		log_info("not reaping below %d cgroups: %s", n, m->cycle_note);
		return 0;
	}
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
	r = look(m, &gone);
	if (r == 0)
		r = plan_and_start(m);
	if (r < 0)
		log_error("census failed: %s", strerror(-r));
	if (!job_runs(&m->cycle_job))
		end_cycle(m);
	return 0;
}

int cycle_start_timer(struct manager *m)
{
	int r = sd_event_add_time_relative(m->event, &m->cycle_timer, CLOCK_MONOTONIC, 0, 0, on_timer, m);

	m->first_cycle = true;
	return r < 0 ? r : sd_event_source_set_description(m->cycle_timer, "cycle");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The status file: what `memcg-reaper status` and `list` show, for everybody to read, replaced as a
 * whole.  Its fields are documented in memcg-reaper(8).
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "census.h"
#include "config.h"
#include "fileio.h"
#include "gate.h"
#include "json.h"
#include "kernelrecharge.h"
#include "log.h"
#include "manager.h"
#include "pinjson.h"
#include "pintally.h"
#include "policy.h"
#include "util.h"

/* More zombies than that are counted but not listed: the file is rewritten each cycle. */
#define LISTED_MAX 1000
/* Kinds of units that make zombies, most first. */
#define MAKERS_MAX 20

static struct json_object *zombie_json(const struct manager *m, const struct mcr_zombie *z, uint64_t now)
{
	const struct zombie_times times = cycle_times(m);
	const struct known *k = zombies_find(&m->zombies, z->id);
	const struct mcr_policy *p = coverage_policy(m, z->id, z->path, NULL);
	struct json_object *o = json_object_new_object();

	add_u64(o, "id", z->id);
	add_str(o, "path", z->path);
	add_u64(o, "refs", z->refs);
	add_u64(o, "usage_bytes", z->usage_bytes);
	add_u64(o, "swap_bytes", z->swap_bytes);
	add_u64(o, "lru_pages", mcr_zombie_pages(z));
	if (k && k->since_exact && now >= k->since_ns)
		add_u64(o, "age_seconds", (now - k->since_ns) / MCR_NSEC_PER_SEC);
	else
		add_str(o, "age_seconds", NULL);
	json_object_object_add(o, "covered", json_object_new_boolean(p != NULL));
	add_str(o, "policy", p ? p->name : NULL);
	json_object_object_add(o, "due", json_object_new_boolean(k && zombie_is_due(k, &times, now)));
	json_object_object_add(o, "pinned", json_object_new_boolean(k && k->pinned));
	add_str(o, "reason", k && k->pinned ? zombie_why(k, z) : NULL);
	return o;
}

/* Of those that were looked at, which are the ones that a round did not rid us of. */
static struct json_object *main_pins_json(const struct manager *m)
{
	struct mcr_pin_tally t = { 0 };

	for (size_t i = 0; i < m->zombies.n; i++)
		if (*m->zombies.at[i].why)
			mcr_pin_tally_add(&t, m->zombies.at[i].main_pin, m->zombies.at[i].main_pin_bytes);
	return mcr_pin_tally_json(&t);
}

static struct json_object *zombies_json(const struct manager *m)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(),
			   *trend = json_object_new_array();
	uint64_t now = mcr_now_ns(), pinned, due = cycle_count_due(m, &pinned);

	add_u64(o, "now", due);
	add_u64(o, "pinned", pinned);
	add_u64(o, "dying", m->census ? m->census->dying : 0);
	add_u64(o, "kernel_bytes_each", m->zombie_cost_bytes);
	for (size_t i = 0; i < m->n_trend; i++)
		json_object_array_add(trend, json_object_new_uint64(m->trend[i]));
	json_object_object_add(o, "main_pins", main_pins_json(m));
	json_object_object_add(o, "trend", trend);
	json_object_object_add(o, "named", json_object_new_boolean(m->census && m->census->named));
	for (size_t i = 0; m->census && i < m->census->n && i < LISTED_MAX; i++)
		json_object_array_add(list, zombie_json(m, &m->census->zombies[i], now));
	json_object_object_add(o, "list", list);
	return o;
}

static struct json_object *held_json(const struct manager *m)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	uint64_t now = mcr_now_ns();

	add_u64(o, "now", m->held.n);
	for (size_t i = 0; i < m->held.n && i < LISTED_MAX; i++) {
		const struct held *h = m->held.at[i];
		struct json_object *one = json_object_new_object();

		add_u64(one, "id", h->id);
		add_str(one, "path", h->path);
		add_str(one, "policy", h->policy->name);
		add_str(one, "state", held_state_name(h->state));
		add_u64(one, "held_msec", now > h->since_ns ? (now - h->since_ns) / 1000000 : 0);
		add_u64(one, "left_bytes", h->left_bytes);
		json_object_array_add(list, one);
	}
	json_object_object_add(o, "list", list);
	return o;
}

static struct json_object *totals_json(const struct manager *m)
{
	const struct totals *t = &m->totals;
	struct json_object *o = json_object_new_object();

	add_u64(o, "reaped", t->reaped);
	add_u64(o, "reaped_bytes", t->reaped_bytes);
	add_u64(o, "settled", t->settled);
	add_u64(o, "settled_with_rest", t->settled_with_rest);
	add_u64(o, "reused", t->reused);
	add_u64(o, "drained_bytes", t->drained_bytes);
	add_u64(o, "lost_by_live_bytes", t->lost_bytes);
	add_u64(o, "rounds", t->rounds);
	add_u64(o, "rounds_refused", t->rounds_refused);
	add_u64(o, "late_workers", t->late_workers);
	add_u64(o, "recharged_bytes", m->recharges.tally.moved_bytes);
	add_u64(o, "longest_pause_usec", m->recharges.tally.longest_pause_usec);
	return o;
}

static struct json_object *recharges_json(const struct manager *m)
{
	struct json_object *o = tally_json(&m->recharges.tally);

	add_u64(o, "under_way", m->recharges.n);
	add_str(o, "impossible_because", m->recharges.why_not);
	json_object_object_add(o, "not_put_right", losts_json(&m->recharges.losts));
	return o;
}

static struct json_object *kernel_json(void)
{
	struct mcr_kernelrecharge k;

	return mcr_kernelrecharge_json(mcr_kernelrecharge_read(NULL, &k) == 0 ? &k : NULL);
}

static struct json_object *gate_json(const struct manager *m)
{
	struct json_object *o = json_object_new_object();
	struct mcr_gate_counters c;

	json_object_object_add(o, "active", json_object_new_boolean(m->gate != NULL));
	if (!m->gate) {
		add_str(o, "why_not", m->gate_why);
		return o;
	}
	mcr_gate_counters(m->gate, &c);
	add_str(o, "how", mcr_gate_how_name(mcr_gate_how(m->gate)));
	add_u64(o, "held_total", c.held_total);
	add_u64(o, "refused", c.refused);
	add_u64(o, "let_go_empty", c.empty);
	add_u64(o, "let_go_excepted", c.excluded);
	add_u64(o, "let_go_small", c.small);
	add_u64(o, "let_go_too_hard", c.too_hard);
	add_u64(o, "let_go_over_limit", c.over_limit);
	add_u64(o, "let_go_stale", c.stale);
	add_u64(o, "let_go_expired", c.expired);
	add_u64(o, "lost_events", c.lost_events);
	add_u64(o, "reuse_waits", c.reuse_waits);
	return o;
}

static struct json_object *churn_json(const struct manager *m)
{
	const struct churn_maker *top[MAKERS_MAX];
	struct json_object *list = json_object_new_array();
	uint64_t now = mcr_now_ns();
	size_t n = churn_top(&m->churn, now, top, ARRAY_SIZE(top));

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		add_str(o, "pattern", top[i]->pattern);
		add_str(o, "latest", top[i]->unit);
		add_str(o, "kind", top[i]->timer ? "timer" : mcr_unit_kind_name(top[i]->kind));
		add_u64(o, "held_per_hour", churn_per_hour(top[i], CHURN_HELD, now));
		add_u64(o, "zombies_per_hour", churn_per_hour(top[i], CHURN_ZOMBIE, now));
		add_str(o, "pinned_by", top[i]->pin);
		add_str(o, "advice", churn_advice(top[i]));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *policies_json(const struct manager *m)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->config->n_policies; i++) {
		const struct mcr_policy *p = m->config->policies[i];
		struct json_object *o = json_object_new_object();

		add_str(o, "name", p->name);
		json_object_object_add(o, "holds", json_object_new_boolean(mcr_policy_holds(p)));
		json_object_object_add(o, "dry_run", json_object_new_boolean(p->dry_run));
		add_u64(o, "budget_left_bytes", budget_left(&m->budgets[i], mcr_now_ns()));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *status_json(const struct manager *m)
{
	struct json_object *o = json_object_new_object(), *census = json_object_new_object();

	add_str(o, "version", MCR_VERSION);
	add_u64(o, "pid", getpid());
	add_u64(o, "uptime_seconds", (mcr_now_ns() - m->started_ns) / MCR_NSEC_PER_SEC);
	add_u64(o, "written_unix", mcr_realtime_ns() / MCR_NSEC_PER_SEC);
	add_u64(o, "interval_seconds", m->config->interval_usec / MCR_USEC_PER_SEC);
	json_object_object_add(o, "policies", policies_json(m));
	json_object_object_add(o, "makers", churn_json(m));
	json_object_object_add(o, "zombies", zombies_json(m));
	json_object_object_add(o, "held", held_json(m));
	json_object_object_add(o, "since_start", totals_json(m));
	json_object_object_add(o, "recharges", recharges_json(m));
	json_object_object_add(o, "kernel_recharge", kernel_json());
	json_object_object_add(o, "gate", gate_json(m));
	json_object_object_add(census, "named", json_object_new_boolean(m->walker != NULL));
	add_str(census, "why_not", m->walker ? NULL : m->walker_why);
	json_object_object_add(o, "census", census);
	add_str(o, "last_round_refused", m->cycle_note);
	return o;
}

static void tell_systemd(const struct manager *m)
{
	uint64_t pinned, due = cycle_count_due(m, &pinned);

	sd_notifyf(0, "STATUS=%" PRIu64 " zombies (%" PRIu64 " pinned), %zu held; %" PRIu64 " reaped and %" PRIu64
		   " settled since start", due, pinned, m->held.n, m->totals.reaped, m->totals.settled);
}

char *report_text(const struct manager *m)
{
	struct json_object *o = status_json(m);
	char *text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(o);
	return text;
}

void report_write(struct manager *m)
{
	auto_(freep) char *text = report_text(m);
	int r = text ? mcr_replace_at(m->run_fd, STATUS_FILE, text, strlen(text), 0644) : -ENOMEM;

	if (r < 0)
		log_warning("cannot write " RUN_DIR "/" STATUS_FILE ": %s, ignoring", strerror(-r));
	m->report_due = false;
	m->reported_ns = mcr_now_ns();
	tell_systemd(m);
}

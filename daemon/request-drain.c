/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Draining a cgroup because somebody asks: several requests for one cgroup are one drain, a batch at a time in a worker.
 */
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bus.h"
#include "cgroup.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "log.h"
#include "manager.h"
#include "policy.h"
#include "request-parts.h"
#include "util.h"

/* Longer than anybody waits for a unit to stop. */
#define TIMEOUT_MAX_USEC (15 * 60 * MCR_USEC_PER_SEC)

static void answer_drain(struct request *r, const char *result, uint64_t freed, uint64_t left)
{
	if (r->call)
		sd_bus_reply_method_return(r->call, "stt", result, freed, left);
	request_end(r);
}

/* Users may ask as often as they like: it is not for them to fill the journal. */
static int level_for(const struct request *r)
{
	return r->uid == 0 ? LOG_INFO : LOG_DEBUG;
}

static void arm(struct manager *m)
{
	uint64_t due = UINT64_MAX;

	for (const struct request *r = m->requests.first; r; r = r->next)
		if (r->kind == REQUEST_DRAIN && r->state != REQUEST_ASKING && r->deadline_ns < due)
			due = r->deadline_ns;
	sd_event_source_set_time(m->requests.timer, due == UINT64_MAX ? due : due / MCR_NSEC_PER_USEC);
	sd_event_source_set_enabled(m->requests.timer, due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void on_drained(const void *record, void *userdata)
{
	const struct mcr_drain_report *rep = record;
	uint64_t left = rep->left.file_bytes + rep->left.anon_bytes + rep->left.swap_bytes;
	struct manager *m = userdata;
	bool told = false;

	if (rep->error == 0)
		m->totals.drained_bytes += rep->freed_bytes;
	for (struct request *r = m->requests.first, *next; r; r = next) {
		next = r->next;
		if (r->id != rep->id || r->state != REQUEST_WORKING)
			continue;
		if (rep->error == -ESTALE || rep->error == -ENOENT || rep->error == -ENODEV)
			answer_drain(r, "gone", rep->freed_bytes, 0);
		else if (rep->error < 0)
			request_refuse(r, SD_BUS_ERROR_FAILED, strerror(-rep->error));
		else {
			if (!told)
				log_action(EVENT_NONE, level_for(r), "drained", r->path, rep->freed_bytes, "somebody asked for it");
			told = true;
			answer_drain(r, left ? "left" : "settled", rep->freed_bytes, left);
		}
	}
}

static void start_job(struct manager *m);

/* The worker reports in the order it was given: which cgroup it was at. */
static uint64_t first_unreported(const struct manager *m)
{
	const struct requests *all = &m->requests;

	for (size_t i = 0; i < all->n_items; i++)
		for (const struct request *r = all->first; r; r = r->next)
			if (r->id == all->items[i].id && r->state == REQUEST_WORKING)
				return r->id;
	return 0;
}

static void on_job_end(bool late, void *userdata)
{
	struct manager *m = userdata;
	uint64_t culprit;

	manager_recover(m);
	m->totals.late_workers += late;
	culprit = first_unreported(m);
	for (struct request *r = m->requests.first, *next; r; r = next) {
		next = r->next;
		if (r->kind != REQUEST_DRAIN || r->state != REQUEST_WORKING)
			continue;
		if (!late)
			request_refuse(r, SD_BUS_ERROR_FAILED, "the worker failed");
		else if (r->id == culprit)
			request_refuse(r, SD_BUS_ERROR_FAILED, "the worker took too long");
		else
			r->state = REQUEST_WAITING;
	}
	m->requests.n_items = 0;
	start_job(m);
}

static const struct job_ops request_ops = {
	.name = "request",
	.record_size = sizeof(struct mcr_drain_report),
	.on_record = on_drained,
	.on_end = on_job_end,
};

static bool has_item(const struct requests *all, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (all->items[i].id == id)
			return true;
	return false;
}

/* Several requests for one cgroup are one drain. */
static size_t collect(struct manager *m)
{
	struct requests *all = &m->requests;
	size_t n = 0;

	for (struct request *r = all->first; r; r = r->next) {
		const struct mcr_policy *p;

		if (r->kind != REQUEST_DRAIN || r->state != REQUEST_WAITING)
			continue;
		if (!has_item(all, n, r->id)) {
			if (n == ARRAY_SIZE(all->items))
				continue;
			p = coverage_policy(m, r->id, r->path, NULL);
			if (!p)
				p = m->config->policies[0];
			all->items[n++] = (struct mcr_drain_item){
				.id = r->id, .in_use = true,
				.step_bytes = p->step_bytes, .max_bytes = p->drain_max_bytes,
			};
		}
		r->state = REQUEST_WORKING;
	}
	return n;
}

static void start_job(struct manager *m)
{
	const int keep[] = { mcr_hierarchy_fd(m->h), m->run_fd };
	struct mcr_drain_work work = {
		.opts = { .h = m->h, .journal_dir_fd = m->run_fd },
		.items = m->requests.items,
	};
	int r;

	arm(m);
	if (job_runs(&m->requests.job))
		return;
	work.n = m->requests.n_items = collect(m);
	if (work.n == 0)
		return;
	work.opts.sync = manager_may_sync(m);
	r = job_start(&m->requests.job, m->event, &request_ops, m, m->config->worker_max_usec, mcr_drain_in_worker, &work,
		      keep, ARRAY_SIZE(keep));
	if (r < 0) {
		log_error("cannot start a worker: %s", strerror(-r));
		on_job_end(false, m);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	uint64_t now = mcr_now_ns();

	(void)source;
	(void)usec;
	for (struct request *r = m->requests.first, *next; r; r = next) {
		next = r->next;
		if (r->kind == REQUEST_DRAIN && r->state != REQUEST_ASKING && r->deadline_ns <= now)
			answer_drain(r, "timeout", 0, 0);
	}
	start_job(m);
	return 0;
}

int requests_start(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->requests.timer, CLOCK_MONOTONIC, 0, 1000, on_timer, m);

	if (r >= 0)
		r = sd_event_source_set_enabled(m->requests.timer, SD_EVENT_OFF);
	return r < 0 ? r : sd_event_source_set_description(m->requests.timer, "requests");
}

static bool is_slice(const char *path)
{
	size_t len = strlen(path), suffix = strlen(".slice");

	return len > suffix && strcmp(path + len - suffix, ".slice") == 0;
}

/* Allowed: held when it is removed, and drained now if somebody waits for that. */
void request_accept_drain(struct request *r)
{
	struct manager *m = r->m;
	const struct mcr_policy *p = coverage_policy(m, r->id, r->path, NULL);
	bool held;
	int e;

	if (!p || !p->drain) {
		request_refuse(r, BUS_ERROR_NOT_COVERED, p ? "its policy says Drain=no" : "no policy covers this cgroup");
		return;
	}
	if (p->dry_run) {
		log_action(EVENT_NONE, level_for(r), "dry run: would drain", r->path, 0, "somebody asked for it");
		answer_drain(r, "dry-run", 0, 0);
		return;
	}
	held = m->gate && !is_slice(r->path);
	e = held ? coverage_force(m, r->id, r->path, r->uid, p) : 0;
	if (r->timeout_usec == 0 && held) {
		answer_drain(r, e < 0 ? "refused" : "queued", 0, 0);
		return;
	}
	if (r->timeout_usec == 0) {	/* nobody holds it: now or never; nobody waits for it either */
		sd_bus_reply_method_return(r->call, "stt", "queued", (uint64_t)0, (uint64_t)0);
		r->timeout_usec = m->config->worker_max_usec;
		sd_bus_message_unref(steal_ptr(r->call));
	}
	r->state = REQUEST_WAITING;
	r->deadline_ns = mcr_now_ns() + r->timeout_usec * MCR_NSEC_PER_USEC;
	start_job(m);
}

/* ---- Whose cgroup it is ---- */

static bool is_at_or_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return len > 1 && strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/');
}

/* A unit's processes may ask for its own cgroup (a slice is no one's own), and users for what systemd has given to them. */
static bool owns_cgroup(const struct request *r, int fd)
{
	struct stat st;

	return (is_at_or_below(r->caller_cgroup, r->path) && !is_slice(r->path)) ||
	       (fstat(fd, &st) == 0 && st.st_uid == r->uid);
}

/* The cgroup is known by its path: is there one, and who asks? */
static void take_path(struct request *r)
{
	auto_(closep) int fd = mcr_cgroup_open_path(r->m->h, r->path);
	auto_(freep) char *path = NULL;

	if (fd < 0 || mcr_cgroup_id(fd, &r->id) < 0 || mcr_cgroup_path(r->m->h, fd, &path) < 0) {
		request_refuse(r, BUS_ERROR_NO_SUCH_CGROUP, fd == -EINVAL ? "no path of a cgroup" : "there is no such cgroup");
		return;
	}
	free(r->path);
	r->path = steal_ptr(path);
	if (strcmp(r->path, "/") == 0)
		request_refuse(r, SD_BUS_ERROR_INVALID_ARGS, "the root cannot be drained");
	else
		request_authorize(r, owns_cgroup(r, fd));
}

static int check_timeout(uint64_t timeout_usec, sd_bus_error *error)
{
	if (timeout_usec > TIMEOUT_MAX_USEC)
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "the timeout is more than 15 minutes");
	return 0;
}

int request_drain_cgroup(struct manager *m, sd_bus_message *call, const char *path, uint64_t timeout_usec,
			 sd_bus_error *error)
{
	struct request *r;
	int e = check_timeout(timeout_usec, error);

	if (e >= 0)
		e = request_new(m, call, REQUEST_DRAIN, &r, error);
	if (e < 0)
		return e;
	r->timeout_usec = timeout_usec;
	r->path = strdup(path);
	if (r->path)
		take_path(r);
	else
		request_refuse(r, SD_BUS_ERROR_NO_MEMORY, "out of memory");
	return 1;
}

static void on_unit(struct request *r, const char *path)
{
	r->path = path ? strdup(path) : NULL;
	if (r->path)
		take_path(r);
	else if (path)
		request_refuse(r, SD_BUS_ERROR_NO_MEMORY, "out of memory");
	else
		request_refuse(r, BUS_ERROR_NO_SUCH_CGROUP, "the unit has no cgroup, or systemd cannot be asked");
}

int request_drain_unit(struct manager *m, sd_bus_message *call, const char *unit, uint64_t timeout_usec,
		       sd_bus_error *error)
{
	struct request *r;
	int e;

	if (!request_is_unit(unit))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "'%.64s' is no name of a unit with a cgroup", unit);
	e = check_timeout(timeout_usec, error);
	if (e >= 0)
		e = request_new(m, call, REQUEST_DRAIN, &r, error);
	if (e < 0)
		return e;
	r->timeout_usec = timeout_usec;
	r->unit = strdup(unit);
	r->path = r->unit ? request_own_unit_path(r) : NULL;
	if (r->path)
		take_path(r);
	else if (!r->unit || request_ask_unit(r, on_unit) < 0)
		request_refuse(r, BUS_ERROR_NO_SUCH_CGROUP, "systemd cannot be asked for the unit's cgroup");
	return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include <string.h>

#include "bus.h"
#include "config.h"
#include "manager.h"
#include "polkit.h"
#include "request-parts.h"
#include "util.h"

static void unlink_request(struct requests *all, struct request *r)
{
	for (struct request **p = &all->first; *p; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			return;
		}
	}
}

void request_end(struct request *r)
{
	unlink_request(&r->m->requests, r);
	request_recharge_done(r);
	sd_bus_slot_unref(r->slot);
	sd_bus_message_unref(r->call);
	free(r->unit);
	free(r->path);
	free(r->caller_cgroup);
	free(r);
}

void request_refuse(struct request *r, const char *name, const char *why)
{
	if (r->call)
		sd_bus_reply_method_errorf(r->call, name, "%s", why);
	request_end(r);
}

unsigned int requests_waiting(const struct manager *m)
{
	unsigned int n = 0;

	for (const struct request *r = m->requests.first; r; r = r->next)
		n++;
	return n;
}

/* root is bounded with all others together only. */
static int check_limits(const struct manager *m, uid_t uid, sd_bus_error *error)
{
	unsigned int all = 0, own = 0;

	for (const struct request *r = m->requests.first; r; r = r->next) {
		all++;
		own += r->uid == uid;
	}
	if (all >= m->config->requests_max)
		return sd_bus_error_setf(error, BUS_ERROR_LIMIT, "%u requests wait already (RequestsMax=)", all);
	if (uid != 0 && own >= m->config->requests_per_user)
		return sd_bus_error_setf(error, BUS_ERROR_LIMIT, "%u requests of yours wait already (RequestsPerUser=)", own);
	return 0;
}

/* Who asks, and from which cgroup. */
static int read_sender(struct request *r)
{
	auto_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
	const char *cgroup = direct_sender(r->m, sd_bus_message_get_bus(r->call), &r->uid);
	int e;

	if (cgroup) {
		r->caller_cgroup = strdup(cgroup);
		return r->caller_cgroup ? 0 : -ENOMEM;
	}
	e = sd_bus_query_sender_creds(r->call, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);

	if (e >= 0)
		e = sd_bus_creds_get_euid(creds, &r->uid);
	if (e < 0)
		return e;
	creds = sd_bus_creds_unref(creds);
	if (sd_bus_query_sender_creds(r->call, SD_BUS_CREDS_CGROUP | SD_BUS_CREDS_PID | SD_BUS_CREDS_AUGMENT, &creds) < 0 ||
	    sd_bus_creds_get_cgroup(creds, &cgroup) < 0)
		cgroup = "";
	r->caller_cgroup = strdup(cgroup);
	return r->caller_cgroup ? 0 : -ENOMEM;
}

int request_new(struct manager *m, sd_bus_message *call, enum request_kind kind, struct request **ret, sd_bus_error *error)
{
	struct request *r = calloc(1, sizeof(*r));
	int e = r ? 0 : -ENOMEM;

	if (e < 0)
		return e;
	r->m = m;
	r->call = sd_bus_message_ref(call);
	r->kind = kind;
	e = read_sender(r);
	if (e >= 0)
		e = check_limits(m, r->uid, error);
	if (e < 0) {
		request_end(r);
		return e;
	}
	r->next = m->requests.first;
	m->requests.first = r;
	*ret = r;
	return 0;
}

/* ---- Who may ---- */

static void go_on(struct request *r);

static void on_polkit(bool allowed, void *userdata)
{
	struct request *r = userdata;

	r->slot = sd_bus_slot_unref(r->slot);
	if (allowed)
		go_on(r);
	else
		request_refuse(r, SD_BUS_ERROR_ACCESS_DENIED, "not allowed");
}

void request_authorize(struct request *r, bool own)
{
	static const char *const actions[] = {
		[REQUEST_DRAIN] = BUS_NAME ".drain", [REQUEST_REAP] = BUS_NAME ".reap",
		[REQUEST_RELOAD] = BUS_NAME ".reload", [REQUEST_RECHARGE] = BUS_NAME ".recharge",
	};

	if (r->uid == 0 || own)
		go_on(r);
	else if (polkit_ask(r->m->bus, r->call, actions[r->kind], on_polkit, r, &r->slot) < 0)
		request_refuse(r, SD_BUS_ERROR_ACCESS_DENIED, "not allowed, and polkit cannot be asked");
}

/* ---- Reaping and reading the configuration ---- */

static void reload_now(struct request *r)
{
	int n = manager_reload(r->m);

	if (n < 0) {
		request_refuse(r, BUS_ERROR_CONFIGURATION, "the configuration cannot be read, the old one stays; see the journal");
		return;
	}
	sd_bus_reply_method_return(r->call, "u", (uint32_t)n);
	request_end(r);
}

static void go_on(struct request *r)
{
	switch (r->kind) {
	case REQUEST_DRAIN:
		request_accept_drain(r);
		break;
	case REQUEST_REAP:
		r->state = REQUEST_WAITING;
		r->dying_before = cycle_dying(r->m);
		cycle_now(r->m);
		break;
	case REQUEST_RELOAD:
		reload_now(r);
		break;
	case REQUEST_RECHARGE:
		request_accept_recharge(r);
		break;
	}
}

static int take(struct manager *m, sd_bus_message *call, enum request_kind kind, sd_bus_error *error)
{
	struct request *r;
	int e = request_new(m, call, kind, &r, error);

	if (e < 0)
		return e;
	request_authorize(r, false);
	return 1;
}

int request_reap(struct manager *m, sd_bus_message *call, sd_bus_error *error)
{
	return take(m, call, REQUEST_REAP, error);
}

int request_reload(struct manager *m, sd_bus_message *call, sd_bus_error *error)
{
	return take(m, call, REQUEST_RELOAD, error);
}

void requests_round_ended(struct manager *m)
{
	for (struct request *r = m->requests.first, *next; r; r = next) {
		next = r->next;
		if (r->kind != REQUEST_REAP || r->state != REQUEST_WAITING)
			continue;
		sd_bus_reply_method_return(r->call, "tts", r->dying_before, cycle_dying(m), m->cycle_note ? m->cycle_note : "");
		request_end(r);
	}
}

/* The worker, if any, goes on: killing it could mean to wait for it. */
void requests_cancel(struct manager *m, const sd_bus *bus)
{
	for (struct request *r = m->requests.first, *next; r; r = next) {
		next = r->next;
		if ((r->slot && bus == m->bus) || (r->call && sd_bus_message_get_bus(r->call) == bus))
			request_refuse(r, SD_BUS_ERROR_NO_REPLY, "the bus has gone");
	}
}

void requests_cancel_all(struct manager *m)
{
	job_kill(&m->requests.job);
	while (m->requests.first)
		request_refuse(m->requests.first, SD_BUS_ERROR_NO_REPLY, "memcg-reaperd is stopping");
}

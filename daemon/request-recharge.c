/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recharging because somebody asks. Only who may do everything may do that: what is named is looked for after polkit has agreed,
 * so that the answer tells nobody else whether it exists, and a file is opened by memcg-recharge alone, never by the daemon.
 */
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "bus.h"
#include "census.h"
#include "cgroup.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "json.h"
#include "manager.h"
#include "owner.h"
#include "policy.h"
#include "reap.h"
#include "rechargeask.h"
#include "request-parts.h"
#include "util.h"

#define FILE_PREFIX "file:"

void request_recharge_done(struct request *r)
{
	recharge_unwait(r->m, r);
	for (size_t i = 0; i < r->n_targets; i++)
		free(r->targets[i].path);
	free(r->owner);
	json_object_put(r->answers);
}

/* ---- What is meant ---- */

/* path is copied. */
static int add_target(struct request *r, uint64_t id, const char *path, bool dead)
{
	char *copy;

	if (r->n_targets == REQUEST_TARGETS_MAX)
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	r->targets[r->n_targets++] = (struct request_target){ .id = id, .path = copy, .dead = dead };
	return 0;
}

/* -ENOENT: there is no such cgroup. */
static int add_live(struct request *r, const char *name)
{
	const struct mcr_hierarchy *h = r->m->h;
	auto_(freep) char *path = NULL;
	auto_(closep) int fd = -EBADF;
	uint64_t id;
	int e;

	fd = mcr_parse_u64(name, &id) == 0 ? mcr_cgroup_open_id(h, id) : mcr_cgroup_open_path(h, name);
	if (fd < 0)
		return -ENOENT;
	e = mcr_cgroup_id(fd, &id);
	if (e == 0)
		e = mcr_cgroup_path(h, fd, &path);
	if (e < 0)
		return -ENOENT;		/* it is just going */
	return strcmp(path, "/") == 0 ? -EISDIR : add_target(r, id, path, false);
}

static bool is_meant(const struct mcr_zombie *z, const char *name)
{
	uint64_t id;

	return mcr_parse_u64(name, &id) == 0 ? z->id == id : strcmp(z->name, name) == 0 || strcmp(z->path, name) == 0;
}

/* Of the latest census; several may have had the name. */
static int add_zombies(struct request *r, const char *name)
{
	const struct mcr_census *c = r->m->census;
	int e = 0;

	for (size_t i = 0; e == 0 && c && c->named && i < c->n; i++) {
		const struct mcr_zombie *z = &c->zombies[i];

		if (!is_meant(z, name))
			continue;
		e = add_target(r, z->id, z->path, true);
		if (e == 0 && r->n_targets)
			r->targets[r->n_targets - 1].shield = !mcr_reap_is_forbidden(r->m->config, z->anchor);
	}
	return e == 0 && r->n_targets == 0 ? -ENOENT : e;
}

static int add_file(struct request *r, const char *path)
{
	return *path == '/' && strlen(path) < PATH_MAX ? add_target(r, 0, path, false) : -EINVAL;
}

/* ---- One after the other ---- */

static const char *why_not(int error)
{
	switch (error) {
	case -EDESTADDRREQ:
		return "to whom? No policy says so for this one: name an owner";
	case -EXDEV:
		return "it was in a cgroup with a limit, which the owner by policy is not in: name an owner";
	case -EBUSY:
		return "too many are being recharged already";
	case -ENOTCONN:
		return "systemd cannot be asked to start memcg-recharge";
	default:
		return strerror(-error);
	}
}

static const char *error_name(int error)
{
	return error == -EDESTADDRREQ || error == -EXDEV ? SD_BUS_ERROR_INVALID_ARGS :
	       error == -EBUSY ? BUS_ERROR_LIMIT : SD_BUS_ERROR_FAILED;
}

static int owner_by_policy(const struct request *r, const struct request_target *t, const struct mcr_policy *p, char **ret)
{
	int e = t->id ? recharge_owner_of(r->m->config, p, t->path, ret) : -EDESTADDRREQ;

	if (e == 0)
		e = mcr_owner_within_limits(r->m->h, *ret, t->path);
	return e == -EINVAL ? -EDESTADDRREQ : e;
}

static void on_answer(struct json_object *answer, const char *why, void *userdata);

static uint64_t evict_max(const struct request *r, const struct request_target *t, const struct mcr_policy *p)
{
	return t->id && (!t->dead || t->shield) ? recharge_evict_max(r->m, p, t->dead) : 0;
}

static int ask(struct request *r, const struct request_target *t)
{
	const struct mcr_policy *own = t->id ? coverage_policy(r->m, t->id, t->path, NULL) : NULL;
	const struct mcr_policy *p = own ? own : r->m->config->policies[0];
	auto_(freep) char *by_policy = NULL;
	struct mcr_recharge_request q;
	int e = 0;

	if (!r->owner)
		e = owner_by_policy(r, t, p, &by_policy);
	if (e < 0)
		return e;
	q = (struct mcr_recharge_request){
		.cgroup_id = t->id, .path = t->path, .owner = r->owner ? r->owner : by_policy,
		.owner_user = !r->owner && mcr_owner_is_user(p), .evict_max_bytes = evict_max(r, t, p),
		.dry_run = r->dry_run || (own && own->dry_run),
	};
	return recharge_ask(r->m, p, &q, on_answer, r);
}

static void answer_all(struct request *r)
{
	struct json_object *whole = json_object_new_object();

	json_object_object_add(whole, "recharges", steal_ptr(r->answers));
	sd_bus_reply_method_return(r->call, "s", json_object_to_json_string_ext(whole, JSON_C_TO_STRING_PLAIN |
									       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(whole);
	request_end(r);
}

static void add_failure(struct request *r, const struct request_target *t, const char *why)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "path", t->path);
	add_u64(o, "moved_bytes", 0);
	add_str(o, "why_not", why);
	json_object_array_add(r->answers, o);
}

/* One that cannot be asked for is an error where it is the only one. */
static void go_on(struct request *r)
{
	while (r->at < r->n_targets) {
		int e = ask(r, &r->targets[r->at]);

		if (e == 0)
			return;
		if (r->n_targets == 1) {
			request_refuse(r, error_name(e), why_not(e));
			return;
		}
		add_failure(r, &r->targets[r->at++], why_not(e));
	}
	answer_all(r);
}

static void on_answer(struct json_object *answer, const char *why, void *userdata)
{
	struct request *r = userdata;

	if (answer)
		json_object_array_add(r->answers, json_object_get(answer));
	else if (r->n_targets == 1) {
		request_refuse(r, SD_BUS_ERROR_FAILED, why);
		return;
	} else
		add_failure(r, &r->targets[r->at], why);
	r->at++;
	go_on(r);
}

/* ---- From a name to what is meant ---- */

static void begin(struct request *r, int found)
{
	if (found == 0) {
		r->state = REQUEST_WORKING;
		r->answers = json_object_new_array();
		go_on(r);
	} else if (found == -EISDIR) {
		request_refuse(r, SD_BUS_ERROR_INVALID_ARGS, "the root cannot be recharged");
	} else if (found == -EINVAL) {
		request_refuse(r, SD_BUS_ERROR_INVALID_ARGS, "no path of a file");
	} else if (found == -ENOMEM) {
		request_refuse(r, SD_BUS_ERROR_NO_MEMORY, "out of memory");
	} else {
		request_refuse(r, BUS_ERROR_NO_SUCH_CGROUP, "there is no such cgroup, zombie, unit or file");
	}
}

static void on_unit(struct request *r, const char *path)
{
	begin(r, path ? add_live(r, path) : -ENOENT);
}

/* A cgroup that is there, a zombie, a unit; what begins with a slash and is none of these, a file. */
void request_accept_recharge(struct request *r)
{
	const char *name = r->unit;
	int e = -ENOENT;

	if (r->m->recharges.why_not) {
		request_refuse(r, SD_BUS_ERROR_FAILED, r->m->recharges.why_not);
		return;
	}
	if (strncmp(name, FILE_PREFIX, strlen(FILE_PREFIX)) == 0) {
		begin(r, add_file(r, name + strlen(FILE_PREFIX)));
		return;
	}
	e = add_live(r, name);
	if (e == -ENOENT)
		e = add_zombies(r, name);
	if (e == -ENOENT && request_is_unit(name) && request_ask_unit(r, on_unit) >= 0)
		return;
	begin(r, e == -ENOENT && *name == '/' ? add_file(r, name) : e);
}

static int check(const char *source, const char *owner, char **ret_owner, sd_bus_error *error)
{
	if (!*source || strlen(source) >= PATH_MAX)
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "what is to be recharged?");
	if (*owner && mcr_slice_path(owner, ret_owner) < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "'%.64s' cannot be an owner", owner);
	return 0;
}

int request_recharge(struct manager *m, sd_bus_message *call, const char *source, const char *owner, bool dry_run,
		     sd_bus_error *error)
{
	auto_(freep) char *path = NULL;
	struct request *r;
	int e = check(source, owner, &path, error);

	if (e >= 0)
		e = request_new(m, call, REQUEST_RECHARGE, &r, error);
	if (e < 0)
		return e;
	r->dry_run = dry_run;
	r->owner = steal_ptr(path);
	r->unit = strdup(source);
	if (r->unit)
		request_authorize(r, false);
	else
		request_refuse(r, SD_BUS_ERROR_NO_MEMORY, "out of memory");
	return 1;
}

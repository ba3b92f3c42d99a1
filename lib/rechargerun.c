/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargerun.h"

#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "hierarchy.h"
#include "holderwalk.h"
#include "json.h"
#include "ledger.h"
#include "owner.h"
#include "pins.h"
#include "reach.h"
#include "rechargeask.h"
#include "rewrite.h"
#include "shmobject.h"
#include "users.h"
#include "util.h"

struct run {
	const struct mcr_recharge_opts *o;
	const struct mcr_recharge_request *q;
	struct mcr_holderwalk *walk;	/* NULL: BPF is refused */
	int owner_fd;			/* -EBADF: none, or not yet */
	struct json_object *objects;
	uint64_t moved_bytes, left_bytes, longest_pause_usec;
	const char *why_not;		/* the first reason against one of them; static */
};

static void note_why(struct run *run, const char *why)
{
	if (!run->why_not)
		run->why_not = why;
}

/* ---- The owner ---- */

static const char *owner_why(int error)
{
	switch (error) {
	case -ENOENT:
		return "the owner does not exist, and is no slice that could be started";
	case -EBUSY:
		return "other cgroups are in the owner: no process can join it, and nobody else can be charged there";
	case -ENODEV:
		return "the owner has no memory controller";
	case -EHOSTDOWN:
	case -ETIMEDOUT:
		return "systemd does not start the owner";
	default:
		return "the owner cannot be opened";
	}
}

/* In a dry run nothing is started: the slice the owner would be in stands for one that is not there yet. */
static int open_owner(const struct run *run, const char *path)
{
	auto_(freep) char *parent = NULL;
	const char *slash = strrchr(path, '/');
	int fd;

	if (!run->o->dry_run)
		return mcr_owner_open(run->o->h, path);
	fd = mcr_owner_open_running(run->o->h, path);
	if (fd != -ENOENT || !slash || !mcr_owner_is(path))
		return fd;
	parent = strndup(path, slash - path);
	return parent ? mcr_cgroup_open_path(run->o->h, parent) : -ENOMEM;
}

/* ---- One object ---- */

static int rewrite(const struct run *run, int owner_fd, const struct mcr_shmobject *object, struct mcr_rewrite_result *ret)
{
	const struct mcr_rewrite_opts opts = {
		.sz = sizeof(opts), .h = run->o->h, .owner_fd = owner_fd, .max_pause_usec = run->q->pause_max_usec,
		.walk = run->walk, .dry_run = run->o->dry_run, .keep = run->o->keep, .drop = run->o->drop,
	};

	return mcr_rewrite(&opts, run->o->log, object, ret);
}

/*
 * Whoever maps most of it pays, where that can be: mostly it cannot, because the owner's own cgroup would have to be
 * frozen, and a frozen process writes nothing.  Then the other one pays.
 */
static int rewrite_for_user(const struct run *run, const char *user, const struct mcr_shmobject *object,
			    struct mcr_rewrite_result *ret)
{
	auto_(closep) int fd = user && *user ? mcr_owner_open_running(run->o->h, user) : -ENOENT;
	int r;

	if (fd >= 0) {
		r = rewrite(run, fd, object, ret);
		if (r != 1 || ret->refusal != MCR_REFUSED_OWNER_IN_IT)
			return r;
	}
	return rewrite(run, run->owner_fd, object, ret);
}

static struct json_object *object_json(const char *kind, const char *name, uint64_t bytes,
				       const struct mcr_rewrite_result *res, const char *why)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "kind", kind);
	add_str(o, "name", name);
	add_u64(o, "bytes", bytes);
	add_str(o, "strategy", res->strategy == MCR_REWRITE_NONE ? NULL : mcr_rewrite_strategy_name(res->strategy));
	add_u64(o, "moved_bytes", res->moved_bytes);
	add_u64(o, "chunks", res->chunks);
	add_u64(o, "chunks_over", res->chunks_over);
	add_u64(o, "pause_usec", res->pause_usec);
	add_u64(o, "longest_pause_usec", res->longest_pause_usec);
	add_str(o, "refusal", res->refusal == MCR_REFUSED_NOT ? NULL : mcr_refusal_name(res->refusal));
	add_str(o, "why_not", why);
	if (res->refused_pid)
		add_u64(o, "pid", res->refused_pid);
	return o;
}

static const char *result_why(int r, const struct mcr_rewrite_result *res)
{
	if (r == -ECANCELED)
		return "the mover died or hung; everything was put back";
	if (r < 0)
		return strerror(-r);
	return res->refusal == MCR_REFUSED_NOT ? NULL : mcr_refusal_sentence(res->refusal);
}

/*
 * While a part is moved, who opens the object waits; when we are killed, until somebody has put it right.  Who starts us anew for
 * that must not be the one who waits: the service manager opens unit files, PID files and much else on /run.
 */
static bool is_managers(const struct mcr_shmobject *object)
{
	struct stat st;

	return stat("/run", &st) == 0 && st.st_dev == object->dev;
}

static int move(struct run *run, const struct mcr_shmobject *object, const char *kind, const char *name, uint64_t bytes,
		const char *user)
{
	struct mcr_rewrite_result res = { .refusal = MCR_REFUSED_MANAGERS };
	int r = is_managers(object) ? 1 : run->q->owner_user ? rewrite_for_user(run, user, object, &res) : rewrite(run, run->owner_fd, object, &res);
	const char *why = result_why(r, &res);
	uint64_t data = bytes ? bytes : res.data_bytes;

	if (r == -EUCLEAN)
		return r;
	note_why(run, why);
	run->moved_bytes += res.moved_bytes;
	run->left_bytes += why && data > res.moved_bytes ? data - res.moved_bytes : 0;
	if (res.longest_pause_usec > run->longest_pause_usec)
		run->longest_pause_usec = res.longest_pause_usec;
	json_object_array_add(run->objects, object_json(kind, name, data, &res, why));
	return 0;
}

static int refuse(struct run *run, const char *kind, const char *name, uint64_t bytes, enum mcr_refusal refusal, const char *why)
{
	const struct mcr_rewrite_result res = { .refusal = refusal };

	note_why(run, why);
	run->left_bytes += bytes;
	json_object_array_add(run->objects, object_json(kind, name, bytes, &res, why));
	return 0;
}

/* ---- All of a memcg's ---- */

/* It was empty when this was asked for: whoever started it again uses what it has. */
static bool in_use_again(const struct run *run)
{
	auto_(closep) int fd = run->q->only_empty ? mcr_cgroup_open_id(run->o->h, run->q->cgroup_id) : -ESTALE;

	return fd >= 0 && mcr_cgroup_populated(fd) > 0;
}

static int move_pin(struct run *run, const struct mcr_pins *pins, const struct mcr_ledger *ledger, size_t i)
{
	const struct mcr_pin *p = &pins->pins[i];
	const char *kind = mcr_pin_kind_name(p->kind);
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	int r;

	if (run->o->step)
		run->o->step();
	r = mcr_reach_open("/proc", p, &object, &refusal);
	if (r == 1)
		return refuse(run, kind, p->name, p->bytes, refusal, mcr_refusal_sentence(refusal));
	if (r == -ENOENT)
		return refuse(run, kind, p->name, p->bytes, MCR_REFUSED_NOT, "there is no way to it from here");
	if (r < 0)
		return refuse(run, kind, p->name, p->bytes, MCR_REFUSED_NOT, strerror(-r));
	r = move(run, &object, kind, p->name, p->bytes, mcr_ledger_main_borrower(ledger, i));
	mcr_shmobject_close(&object);
	return r;
}

static int look(uint64_t id, struct mcr_pins **ret)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = NULL;
	int r = mcr_pins_walker_new(&w, NULL);

	return r < 0 ? r : mcr_pins_walk(w, id, ret);
}

static int move_memcg(struct run *run)
{
	auto_(mcr_pins_freep) struct mcr_pins *pins = NULL;
	auto_(mcr_users_freep) struct mcr_users *users = NULL;
	auto_(mcr_ledger_freep) struct mcr_ledger *ledger = NULL;
	int r = look(run->q->cgroup_id, &pins);

	if (r == 0)
		r = mcr_users_find("/proc", pins, &users);
	if (r == 0)
		r = mcr_ledger_make(users, &ledger);
	for (size_t i = 0; r == 0 && i < pins->n; i++) {
		if (!mcr_reach_is_shmem(&pins->pins[i]))
			continue;
		if (in_use_again(run)) {
			note_why(run, "it is in use again");
			break;
		}
		r = move_pin(run, pins, ledger, i);
	}
	if (r == -ESTALE) {	/* the last reference has gone meanwhile */
		note_why(run, "the cgroup is gone, and nothing holds it");
		r = 0;
	}
	return r;
}

static int move_file(struct run *run)
{
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	int r = mcr_shmobject_open(run->q->path, &object, &refusal);

	if (r == 1)
		return refuse(run, "file", run->q->path, 0, refusal, mcr_refusal_sentence(refusal));
	if (r < 0)
		return refuse(run, "file", run->q->path, 0, MCR_REFUSED_NOT, strerror(-r));
	r = move(run, &object, "file", run->q->path, 0, NULL);
	mcr_shmobject_close(&object);
	return r;
}

static struct json_object *answer(struct run *run)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "path", run->q->path);
	add_str(o, "owner", run->q->owner);
	add_bool(o, "dry_run", run->o->dry_run);
	add_u64(o, "moved_bytes", run->moved_bytes);
	add_u64(o, "left_bytes", run->left_bytes);
	add_u64(o, "longest_pause_usec", run->longest_pause_usec);
	add_str(o, "why_not", run->why_not);
	json_object_object_add(o, "objects", steal_ptr(run->objects));
	return o;
}

int mcr_recharge_run(const struct mcr_recharge_opts *o, const struct mcr_recharge_request *q, struct json_object **ret)
{
	struct run run = { .o = o, .q = q, .objects = json_object_new_array() };
	auto_(closep) int fd = run.owner_fd = open_owner(&run, q->owner);
	int r = 0;

	if (mcr_holderwalk_new(&run.walk, NULL) < 0)
		note_why(&run, "BPF is refused here, and without it a user might not be seen");
	else if (fd < 0)
		note_why(&run, owner_why(fd));
	else
		r = q->cgroup_id ? move_memcg(&run) : move_file(&run);
	if (r == 0)
		*ret = answer(&run);
	json_object_put(run.objects);
	mcr_holderwalk_free(run.walk);
	return r;
}

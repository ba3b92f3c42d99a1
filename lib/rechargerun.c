/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargerun.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "drain.h"
#include "hierarchy.h"
#include "holderwalk.h"
#include "json.h"
#include "ledger.h"
#include "owner.h"
#include "pins.h"
#include "reach.h"
#include "rechargeask.h"
#include "rechargeswap.h"
#include "refaultrun.h"
#include "rewrite.h"
#include "shmobject.h"
#include "swapmove.h"
#include "users.h"
#include "util.h"

struct run {
	const struct mcr_recharge_opts *o;
	const struct mcr_recharge_request *q;
	struct mcr_holderwalk *walk;	/* NULL: BPF is refused */
	struct mcr_swaprun swap;	/* what goes by swap, all together, in the end */
	bool dead;			/* the cgroup was removed before we began */
	int owner_fd;			/* -EBADF: none, or not yet */
	struct json_object *objects;
	uint64_t moved_bytes, left_bytes, longest_pause_usec, shield_bytes;
	const char *why_not;		/* the first reason against one of them; static */
};

/* Seconds for looking at an object and all processes; and for that with evicting and reading back. */
#define LOOK_SEC 60
#define REST_SEC 300

static void step(const struct run *run, unsigned int sec)
{
	if (run->o->step)
		run->o->step(sec);
}

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

/* Whoever maps most of it, if policy says so and they are found, or the owner. A descriptor of its own, or errno. */
static int open_payer(const struct run *run, const char *user)
{
	int fd = run->q->owner_user && user && *user ? mcr_owner_open_running(run->o->h, user) : -ENOENT;

	if (fd < 0)
		fd = fcntl(run->owner_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* 0, 1 or errno, as mcr_rewrite(). */
static int rewrite_for_payer(const struct run *run, const char *user, const struct mcr_shmobject *object,
			     struct mcr_rewrite_result *ret)
{
	auto_(closep) int fd = open_payer(run, user);

	return fd < 0 ? fd : rewrite(run, fd, object, ret);
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

/* What came of one: r is as of mcr_rewrite(). */
static void note_object(struct run *run, const char *kind, const char *name, uint64_t bytes, int r,
			const struct mcr_rewrite_result *res)
{
	const char *why = result_why(r, res);
	uint64_t data = bytes ? bytes : res->data_bytes;

	note_why(run, why);
	run->moved_bytes += res->moved_bytes;
	run->left_bytes += why && data > res->moved_bytes ? data - res->moved_bytes : 0;
	if (res->longest_pause_usec > run->longest_pause_usec)
		run->longest_pause_usec = res->longest_pause_usec;
	json_object_array_add(run->objects, object_json(kind, name, data, res, why));
}

/*
 * A pin that swap can move is taken care of in the end, with all others.  Of a live cgroup only where somebody removes
 * it for us.  False: it is not, and *refusal, of rewriting, may have become what stands against swap.
 */
static bool by_swap(struct run *run, const struct mcr_pin *p, const char *user, enum mcr_refusal *refusal)
{
	enum mcr_refusal against = MCR_REFUSED_NOT;
	int fd, r;

	if (!p || !run->swap.walker || (run->dead && !p->swap_bytes) || (p->bytes && !mcr_swap_helps(*refusal)))
		return false;
	if (!run->dead && !run->o->dry_run && !(run->q->only_empty && run->o->out))
		return false;
	if (!run->dead && run->q->only_empty && run->q->evict_max_bytes)
		return false;	/* it is to be drained next; what is left then is asked for once more */
	fd = open_payer(run, user);
	r = fd < 0 ? fd : mcr_swaprun_room(&run->swap, p, fd, run->dead, &against);
	if (r == 0)
		r = mcr_swaprun_add(&run->swap, p, steal_fd(fd), *refusal, &against);
	close_fd(fd);
	if (r == 1 && mcr_swap_is_on())
		*refusal = against;
	return r == 0;
}

/*
 * The owner's own cgroup cannot be frozen, because a frozen process writes nothing: where whoever maps most should pay,
 * it is swap or the other owner.
 */
static int move(struct run *run, const struct mcr_shmobject *object, const struct mcr_pin *p, const char *name,
		const char *user)
{
	struct mcr_rewrite_result res = { .refusal = MCR_REFUSED_MANAGERS };
	int r = is_managers(object) ? 1 : rewrite_for_payer(run, user, object, &res);
	bool in_it = r == 1 && res.refusal == MCR_REFUSED_OWNER_IN_IT;

	if (r == 1 && by_swap(run, p, user, &res.refusal)) {
		res.refusal = MCR_REFUSED_NOT;
		if (res.moved_bytes)	/* it was refused later on; the rest is told with what goes by swap */
			note_object(run, mcr_pin_kind_name(p->kind), name, res.moved_bytes, 0, &res);
		return 0;
	}
	if (in_it && run->q->owner_user)
		r = rewrite(run, run->owner_fd, object, &res);
	if (r == -EUCLEAN)
		return r;
	note_object(run, p ? mcr_pin_kind_name(p->kind) : "file", name, p ? p->bytes : 0, r, &res);
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
	const char *kind = mcr_pin_kind_name(p->kind), *user = mcr_ledger_main_borrower(ledger, i);
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	int r;

	step(run, LOOK_SEC);
	/* It is out: nobody needs to wait for anybody. */
	if (!p->bytes && by_swap(run, p, user, &refusal))
		return 0;
	r = mcr_reach_open("/proc", p, run->walk, &object, &refusal);
	if (r == 1 && by_swap(run, p, user, &refusal))
		return 0;
	if (r == 1)
		return refuse(run, kind, p->name, p->bytes, refusal, mcr_refusal_sentence(refusal));
	if (r == -ENOENT)
		return refuse(run, kind, p->name, p->bytes, MCR_REFUSED_NOT, "there is no way to it from here");
	if (r < 0)
		return refuse(run, kind, p->name, p->bytes, MCR_REFUSED_NOT, strerror(-r));
	r = move(run, &object, p, p->name, user);
	mcr_shmobject_close(&object);
	return r;
}

static int look(struct run *run, struct mcr_pins **ret)
{
	uint64_t id = run->q->cgroup_id;
	int r = mcr_pins_walker_new(&run->swap.walker, NULL);

	if (r == 0)
		r = mcr_pins_walk(run->swap.walker, id, ret);
	if (r == 0)
		run->dead = (*ret)->dying;
	return r;
}

/* All that was left to swap, at once. */
static void move_by_swap(struct run *run)
{
	if (!run->o->dry_run)
		mcr_swaprun_go(&run->swap);
	for (size_t i = 0; i < run->swap.n; i++) {
		const struct mcr_swap_object *o = &run->swap.objects[i];
		struct mcr_rewrite_result res = {
			.strategy = run->dead ? MCR_REWRITE_SWAP_IN : MCR_REWRITE_SWAP, .moved_bytes = o->moved_bytes,
			.refusal = o->refusal,
		};

		/* What a zombie has in memory is left because of what stands against rewriting it. */
		if (run->dead && o->refusal == MCR_REFUSED_STAYS && o->because)
			res.refusal = o->because;
		note_object(run, o->kind, o->name, o->bytes, o->error, &res);
	}
}

/* Last: what of its memory is shared has an owner by then, and is not pushed to swap. */
static void refault(struct run *run)
{
	struct mcr_refault_outcome out;
	int r = mcr_refault_memcg(run->o, run->q, run->owner_fd, run->objects, &out);

	/* What was done before it stays done, and is told; so is what a shield has asked for. */
	note_why(run, r == -ESTALE ? NULL : r < 0 ? strerror(-r) : out.why_not);
	run->moved_bytes += out.moved_bytes;
	run->left_bytes += out.left_bytes;
	run->shield_bytes += out.shield_bytes;
}

static int move_memcg(struct run *run)
{
	auto_(mcr_pins_freep) struct mcr_pins *pins = NULL;
	auto_(mcr_users_freep) struct mcr_users *users = NULL;
	auto_(mcr_ledger_freep) struct mcr_ledger *ledger = NULL;
	int r = look(run, &pins);

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
	step(run, REST_SEC);
	if (r == 0 && !in_use_again(run))
		refault(run);
	if (r == -ESTALE) {	/* the last reference has gone meanwhile */
		note_why(run, "the cgroup is gone, and nothing holds it");
		r = 0;
	}
	step(run, 0);		/* it looks at no process, and each of its steps has an end of its own */
	if (r == 0)
		move_by_swap(run);
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
	r = move(run, &object, NULL, run->q->path, NULL);
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
	add_u64(o, "shield_bytes", run->shield_bytes);
	add_str(o, "why_not", run->why_not);
	if (run->swap.n && !run->o->dry_run) {
		add_u64(o, "swapped_out_bytes", run->swap.out_bytes);
		if (run->swap.left_entries != UINT64_MAX)
			add_u64(o, "swap_entries_left", run->swap.left_entries);
	}
	json_object_object_add(o, "objects", steal_ptr(run->objects));
	return o;
}

int mcr_recharge_run(const struct mcr_recharge_opts *o, const struct mcr_recharge_request *q, struct json_object **ret)
{
	struct run run = {
		.o = o, .q = q, .objects = json_object_new_array(),
		.swap = { .h = o->h, .cgroup_id = q->cgroup_id, .out = o->out, .userdata = o->userdata },
	};
	auto_(closep) int fd = run.owner_fd = open_owner(&run, q->owner);
	int r;

	r = mcr_holderwalk_new(&run.walk, NULL);
	run.swap.walk = run.walk;
	if (r < 0)
		note_why(&run, "BPF is refused here, and without it a user might not be seen");
	else if (fd < 0)
		note_why(&run, owner_why(fd));
	r = run.why_not ? 0 : q->cgroup_id ? move_memcg(&run) : move_file(&run);
	if (r == 0)
		*ret = answer(&run);
	json_object_put(run.objects);
	mcr_swaprun_done(&run.swap);
	mcr_pins_walker_free(run.swap.walker);
	mcr_holderwalk_free(run.walk);
	return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargerun.h"

#include <json-c/json.h>
#include <string.h>

#include "cgroup.h"
#include "hierarchy.h"
#include "holderwalk.h"
#include "json.h"
#include "ledger.h"
#include "owner.h"
#include "pins.h"
#include "reach.h"
#include "rechargeask.h"
#include "rechargeparts.h"
#include "refaultrun.h"
#include "rewrite.h"
#include "shmobject.h"
#include "users.h"
#include "util.h"

/* Seconds for looking at an object and all processes; and for that with evicting and reading back. */
#define LOOK_SEC 60
#define REST_SEC 300

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
static int open_owner(const struct mcr_recharging *run, const char *path)
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

/* ---- All of a memcg's ---- */

/* It was empty when this was asked for: whoever started it again uses what it has. */
static bool in_use_again(const struct mcr_recharging *run)
{
	auto_(closep) int fd = run->q->only_empty ? mcr_cgroup_open_id(run->o->h, run->q->cgroup_id) : -ESTALE;

	return fd >= 0 && mcr_cgroup_populated(fd) > 0;
}

static int move_pin(struct mcr_recharging *run, const struct mcr_pins *pins, const struct mcr_ledger *ledger, size_t i)
{
	const struct mcr_pin *p = &pins->pins[i];
	const char *kind = mcr_pin_kind_name(p->kind), *user = mcr_ledger_main_borrower(ledger, i);
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	int r;

	mcr_recharging_step(run, LOOK_SEC);
	/* It is out: nobody needs to wait for anybody. */
	if (!p->bytes && mcr_recharging_by_swap(run, p, user, &refusal))
		return 0;
	r = mcr_reach_open("/proc", p, run->walk, &object, &refusal);
	if (r == 1 && mcr_recharging_by_swap(run, p, user, &refusal))
		return 0;
	if (r == 1)
		return mcr_recharging_refuse(run, kind, p->name, p->bytes, refusal, mcr_refusal_sentence(refusal));
	if (r == -ENOENT)
		return mcr_recharging_refuse(run, kind, p->name, p->bytes, MCR_REFUSED_NOT, "there is no way to it from here");
	if (r < 0)
		return mcr_recharging_refuse(run, kind, p->name, p->bytes, MCR_REFUSED_NOT, strerror(-r));
	r = mcr_recharging_move(run, &object, p, p->name, user);
	mcr_shmobject_close(&object);
	return r;
}

static int look(struct mcr_recharging *run, struct mcr_pins **ret)
{
	uint64_t id = run->q->cgroup_id;
	int r = run->swap.walker ? 0 : mcr_pins_walker_new(&run->swap.walker, NULL);

	if (r == 0)
		r = mcr_pins_walk(run->swap.walker, id, ret);
	if (r == 0)
		run->dead = (*ret)->dying;
	return r;
}

/* All that was left to swap, at once. */
static void move_by_swap(struct mcr_recharging *run)
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
		mcr_recharging_note_object(run, o->kind, o->name, o->bytes, o->error, &res);
	}
}

/* Last: what of its memory is shared has an owner by then, and is not pushed to swap. */
static void refault(struct mcr_recharging *run)
{
	struct mcr_refault_outcome out;
	int r = mcr_refault_memcg(run->o, run->q, run->owner_fd, run->objects, &out);

	/* What was done before it stays done, and is told; so is what a shield has asked for. */
	mcr_recharging_note_why(run, r == -ESTALE ? NULL : r < 0 ? strerror(-r) : out.why_not);
	run->moved_bytes += out.moved_bytes;
	run->left_bytes += out.left_bytes;
	run->shield_bytes += out.shield_bytes;
}

/* What is charged, and who uses it. */
struct sight {
	struct mcr_pins *pins;
	struct mcr_users *users;
	struct mcr_ledger *ledger;
};

static void sight_done(struct sight *s)
{
	mcr_ledger_freep(&s->ledger);
	mcr_users_freep(&s->users);
	mcr_pins_freep(&s->pins);
}

static int look_around(struct mcr_recharging *run, struct sight *s)
{
	int r;

	sight_done(s);
	mcr_recharging_step(run, LOOK_SEC);
	r = look(run, &s->pins);
	if (r == 0)
		r = mcr_users_find("/proc", s->pins, &s->users);
	return r == 0 ? mcr_ledger_make(s->users, &s->ledger) : r;
}

static int move_objects(struct mcr_recharging *run, const struct sight *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->pins->n; i++) {
		if (!mcr_reach_is_shmem(&s->pins->pins[i]))
			continue;
		if (in_use_again(run)) {
			mcr_recharging_note_why(run, "it is in use again");
			break;
		}
		r = move_pin(run, s->pins, s->ledger, i);
	}
	mcr_recharging_step(run, REST_SEC);
	if (r == 0 && !in_use_again(run))
		refault(run);
	return r;
}

static int move_memcg(struct mcr_recharging *run)
{
	auto_(sight_done) struct sight s = { .pins = NULL };
	int r = look_around(run, &s);

	/* What cannot be seen can be moved all the same, but by the kernel alone. */
	if (r != -ESTALE && mcr_recharging_whole(run, r == 0 ? s.pins : NULL, r == 0 ? s.ledger : NULL))
		return 0;
	if (r == 0 && run->moved_bytes) {	/* the kernel has begun, and ceased */
		r = look_around(run, &s);
		if (r == 0)
			mcr_recharging_whole_rest(run, s.pins);
	}
	if (r == 0)
		r = move_objects(run, &s);
	if (r < 0 && r != -ESTALE && r != -EUCLEAN && run->moved_bytes) {	/* what was moved is told all the same */
		mcr_recharging_note_why(run, strerror(-r));
		r = 0;
	}
	if (r == -ESTALE) {	/* the last reference has gone meanwhile */
		mcr_recharging_note_why(run, run->moved_bytes ? NULL : "the cgroup is gone, and nothing holds it");
		r = 0;
	}
	mcr_recharging_step(run, 0);		/* it looks at no process, and each of its steps has an end of its own */
	if (r == 0)
		move_by_swap(run);
	return r;
}

/* Without BPF a user might not be seen, which is nothing to the kernel. */
static int move_blindly(struct mcr_recharging *run)
{
	if (run->owner_fd < 0)
		mcr_recharging_note_why(run, owner_why(run->owner_fd));
	else if (!run->q->cgroup_id || !mcr_recharging_whole(run, NULL, NULL))
		mcr_recharging_note_why(run, "BPF is refused here, and without it a user might not be seen");
	return 0;
}

static int move_file(struct mcr_recharging *run)
{
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	int r = mcr_shmobject_open(run->q->path, &object, &refusal);

	if (r == 1)
		return mcr_recharging_refuse(run, "file", run->q->path, 0, refusal, mcr_refusal_sentence(refusal));
	if (r < 0)
		return mcr_recharging_refuse(run, "file", run->q->path, 0, MCR_REFUSED_NOT, strerror(-r));
	r = mcr_recharging_move(run, &object, NULL, run->q->path, NULL);
	mcr_shmobject_close(&object);
	return r;
}

static struct json_object *answer(struct mcr_recharging *run)
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
	add_str(o, "kernel", run->kernel);
	add_str(o, "kernel_why_not", run->kernel_why_not);
	add_u64(o, "drained_bytes", run->drained_bytes);
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
	struct mcr_recharging run = {
		.o = o, .q = q, .objects = json_object_new_array(),
		.swap = { .h = o->h, .cgroup_id = q->cgroup_id, .out = o->out, .userdata = o->userdata },
	};
	int r = mcr_holderwalk_new(&run.walk, NULL);

	run.owner_fd = open_owner(&run, q->owner);
	run.swap.walk = run.walk;
	if (r < 0)
		r = move_blindly(&run);
	else if (run.owner_fd < 0)
		mcr_recharging_note_why(&run, owner_why(run.owner_fd));
	else
		r = q->cgroup_id ? move_memcg(&run) : move_file(&run);
	if (r == 0)
		*ret = answer(&run);
	close_fd(run.owner_fd);
	json_object_put(run.objects);
	mcr_swaprun_done(&run.swap);
	mcr_pins_walker_free(run.swap.walker);
	mcr_holderwalk_free(run.walk);
	return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargeparts.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "drain.h"
#include "json.h"
#include "owner.h"
#include "pins.h"
#include "rechargeask.h"
#include "rechargerun.h"
#include "rewrite.h"
#include "shmobject.h"
#include "swapmove.h"
#include "util.h"

void mcr_recharging_step(const struct mcr_recharging *run, unsigned int sec)
{
	if (run->o->step)
		run->o->step(sec);
}

void mcr_recharging_note_why(struct mcr_recharging *run, const char *why)
{
	if (!run->why_not)
		run->why_not = why;
}

static int rewrite(const struct mcr_recharging *run, int owner_fd, const struct mcr_shmobject *object,
		   struct mcr_rewrite_result *ret)
{
	const struct mcr_rewrite_opts opts = {
		.sz = sizeof(opts), .h = run->o->h, .owner_fd = owner_fd, .max_pause_usec = run->q->pause_max_usec,
		.walk = run->walk, .dry_run = run->o->dry_run, .keep = run->o->keep, .drop = run->o->drop,
	};

	return mcr_rewrite(&opts, run->o->log, object, ret);
}

int mcr_recharging_open_payer(const struct mcr_recharging *run, const char *user)
{
	int fd = run->q->owner_user && user && *user ? mcr_owner_open_running(run->o->h, user) : -ENOENT;

	if (fd < 0)
		fd = fcntl(run->owner_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* 0, 1 or errno, as mcr_rewrite(). */
static int rewrite_for_payer(const struct mcr_recharging *run, const char *user, const struct mcr_shmobject *object,
			     struct mcr_rewrite_result *ret)
{
	auto_(closep) int fd = mcr_recharging_open_payer(run, user);

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

void mcr_recharging_note_object(struct mcr_recharging *run, const char *kind, const char *name, uint64_t bytes, int r,
				const struct mcr_rewrite_result *res)
{
	const char *why = result_why(r, res);
	uint64_t data = bytes ? bytes : res->data_bytes;

	mcr_recharging_note_why(run, why);
	run->moved_bytes += res->moved_bytes;
	run->left_bytes += why && data > res->moved_bytes ? data - res->moved_bytes : 0;
	if (res->longest_pause_usec > run->longest_pause_usec)
		run->longest_pause_usec = res->longest_pause_usec;
	json_object_array_add(run->objects, object_json(kind, name, data, res, why));
}

bool mcr_recharging_by_swap(struct mcr_recharging *run, const struct mcr_pin *p, const char *user, enum mcr_refusal *refusal)
{
	enum mcr_refusal against = MCR_REFUSED_NOT;
	int fd, r;

	if (!p || !run->swap.walker || (run->dead && !p->swap_bytes) || (p->bytes && !mcr_swap_helps(*refusal)))
		return false;
	if (!run->dead && !run->o->dry_run && !(run->q->only_empty && run->o->out))
		return false;
	if (!run->dead && run->q->only_empty && run->q->evict_max_bytes)
		return false;	/* it is to be drained next; what is left then is asked for once more */
	fd = mcr_recharging_open_payer(run, user);
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
int mcr_recharging_move(struct mcr_recharging *run, const struct mcr_shmobject *object, const struct mcr_pin *p,
			const char *name, const char *user)
{
	struct mcr_rewrite_result res = { .refusal = MCR_REFUSED_MANAGERS };
	int r = is_managers(object) ? 1 : rewrite_for_payer(run, user, object, &res);
	bool in_it = r == 1 && res.refusal == MCR_REFUSED_OWNER_IN_IT;

	if (r == 1 && mcr_recharging_by_swap(run, p, user, &res.refusal)) {
		res.refusal = MCR_REFUSED_NOT;
		if (res.moved_bytes)	/* it was refused later on; the rest is told with what goes by swap */
			mcr_recharging_note_object(run, mcr_pin_kind_name(p->kind), name, res.moved_bytes, 0, &res);
		return 0;
	}
	if (in_it && run->q->owner_user)
		r = rewrite(run, run->owner_fd, object, &res);
	if (r == -EUCLEAN)
		return r;
	mcr_recharging_note_object(run, p ? mcr_pin_kind_name(p->kind) : "file", name, p ? p->bytes : 0, r, &res);
	return 0;
}

int mcr_recharging_refuse(struct mcr_recharging *run, const char *kind, const char *name, uint64_t bytes,
			  enum mcr_refusal refusal, const char *why)
{
	const struct mcr_rewrite_result res = { .refusal = refusal };

	mcr_recharging_note_why(run, why);
	run->left_bytes += bytes;
	json_object_array_add(run->objects, object_json(kind, name, bytes, &res, why));
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup as a whole, by the kernel (rechargekernel.h): one without processes, dead or alive.  What lives keeps what is its own.
 *
 * What nobody maps of its page cache is dropped before, where page cache may be reclaimed: there is no owner for it.
 */
#include <fcntl.h>
#include <string.h>

#include "cgroup.h"
#include "kernelrecharge.h"
#include "ledger.h"
#include "owner.h"
#include "pins.h"
#include "rechargeask.h"
#include "rechargekernel.h"
#include "rechargeparts.h"
#include "rechargerun.h"
#include "rewrite.h"
#include "unmapped.h"
#include "util.h"

#define KIND "memory"
#define NAME "of the whole cgroup"

/* For a portion and for looking at what is left; and for opening files. */
#define STEP_SEC 60
#define DROP_SEC 60

/* What is dirty is written meanwhile: as long as each time more can be dropped. */
#define DROP_TRIES 5
#define DROP_PAUSE_USEC 500000

/* ---- How much ---- */

/* Entries of files are counted by MCR_PIN_SWAP. */
static uint64_t pins_bytes(const struct mcr_pins *pins)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < pins->n; i++)
		sum += pins->pins[i].bytes;
	return sum;
}

/* What only the kernel moves: no object, and nothing that reclaim frees. */
static uint64_t private_bytes(const struct mcr_pins *pins)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < pins->n; i++) {
		const struct mcr_pin *p = &pins->pins[i];

		if (p->kind == MCR_PIN_ANON || p->kind == MCR_PIN_KSM || p->kind == MCR_PIN_SWAP_CACHE)
			sum += p->bytes;
		else if (p->kind == MCR_PIN_SWAP && p->count > p->in_files + p->freed)
			sum += (p->count - p->in_files - p->freed) * sysconf(_SC_PAGESIZE);
	}
	return sum;
}

/* What its files tell counts those below it as well, which are not moved with it. */
static bool is_alone(int fd)
{
	uint64_t live, dying;

	return mcr_cgroup_descendants(fd, &live) == 0 && mcr_cgroup_dying_descendants(fd, &dying) == 0 && !live && !dying;
}

/* What the cgroup is charged now. 0 (also *ret, if it has gone); -ENODATA: nobody can tell; or errno. */
static int source_bytes(struct mcr_recharging *run, int fd, uint64_t *ret)
{
	auto_(mcr_pins_freep) struct mcr_pins *pins = NULL;
	struct mcr_charge c;
	int r;

	if (fd >= 0 && (!run->swap.walker || is_alone(fd))) {
		r = mcr_cgroup_charge(fd, &c);
		if (r == 0)
			*ret = c.file_bytes + c.anon_bytes + c.swap_bytes + c.swapcache_bytes;
		if (r != -ENODEV)
			return r;
	}
	if (!run->swap.walker)
		return -ENODATA;
	r = mcr_pins_walk(run->swap.walker, run->q->cgroup_id, &pins);
	if (r < 0 && r != -ESTALE)
		return r;
	*ret = r == 0 ? pins_bytes(pins) : 0;
	return 0;
}

/* ---- Before ---- */

/* What nobody maps of the page cache, as far as it may be reclaimed. */
static uint64_t to_drop(const struct mcr_recharging *run, const struct mcr_pins *pins)
{
	uint64_t bytes = pins ? mcr_unmapped_bytes(pins) : 0, max = run->q->evict_max_bytes;

	return bytes < max ? bytes : max;
}

static void drop_unmapped(struct mcr_recharging *run, int source_fd, const struct mcr_pins *pins)
{
	uint64_t all = to_drop(run, pins), before = 0, after = 0, dropped;

	if (!all || source_bytes(run, source_fd, &before) < 0)
		return;
	mcr_recharging_step(run, DROP_SEC);
	for (int i = 0; i < DROP_TRIES && run->drained_bytes < all; i++) {
		if (i)
			usleep(DROP_PAUSE_USEC);
		mcr_unmapped_drop(pins, run->q->evict_max_bytes);
		if (source_bytes(run, source_fd, &after) < 0)
			return;
		dropped = before > after ? before - after : 0;
		if (i && dropped <= run->drained_bytes)
			return;
		run->drained_bytes = dropped;
	}
}

/* ---- Moving ---- */

struct whole {
	struct mcr_recharging *run;
	int source_fd;			/* -EBADF: it is dead */
	int target_fd;
};

/* Is there somebody in it, or nobody can tell?  One that is dead has no file to read any more. */
static bool is_in_use(int source_fd)
{
	int r = source_fd >= 0 ? mcr_cgroup_populated(source_fd) : 0;

	return r > 0 || (r < 0 && r != -ENODEV && r != -ENOENT);
}

static enum mcr_refusal interrupted(const struct mcr_recharging *run)
{
	return run->o->interrupted ? run->o->interrupted() : MCR_REFUSED_NOT;
}

static enum mcr_refusal look(void *userdata)
{
	const struct whole *w = userdata;
	enum mcr_refusal refusal = interrupted(w->run);

	if (refusal)
		return refusal;
	if (is_in_use(w->source_fd))
		return MCR_REFUSED_IN_USE;
	mcr_recharging_step(w->run, STEP_SEC);
	return MCR_REFUSED_NOT;
}

/* Whoever maps most and has gone is none any more: then it is the owner. */
static int restart(uint64_t *ret_target_id, void *userdata)
{
	struct whole *w = userdata;
	int fd = mcr_owner_open(w->run->o->h, w->run->q->owner);

	if (fd < 0)
		return fd;
	close_fd(w->run->owner_fd);
	close_fd(w->target_fd);
	w->run->owner_fd = fd;
	w->target_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return mcr_cgroup_id(fd, ret_target_id);
}

static void listen(const struct mcr_recharging *run, bool on)
{
	if (run->o->listen)
		run->o->listen(on);
}

/* Not more than has left the source, whatever the kernel's counters have counted for others. */
static uint64_t measured(const struct mcr_kernelmove_result *res, int before_known, uint64_t before, int after_known, uint64_t after)
{
	uint64_t counted = res->moved_bytes + res->moved_swap_bytes, gone = before > after ? before - after : 0;

	return before_known == 0 && after_known == 0 && gone < counted ? gone : counted;
}

static void tell(struct mcr_recharging *run, uint64_t moved, uint64_t left, enum mcr_refusal refusal)
{
	const struct mcr_rewrite_result res = { .strategy = MCR_REWRITE_KERNEL, .moved_bytes = moved, .refusal = refusal };

	mcr_recharging_note_object(run, KIND, NAME, moved + left, 0, &res);
}

static void move(struct whole *w, struct mcr_kernelmove_result *ret)
{
	struct mcr_recharging *run = w->run;
	struct mcr_kernelmove_opts opts = {
		.dir = run->o->kernel_dir, .source_id = run->q->cgroup_id, .look = look, .restart = restart, .userdata = w,
	};
	uint64_t before = 0, after = 0, moved;
	int before_known = source_bytes(run, w->source_fd, &before), after_known;

	mcr_cgroup_id(w->target_fd, &opts.target_id);
	listen(run, true);
	mcr_kernelmove(&opts, ret);
	listen(run, false);
	mcr_recharging_step(run, STEP_SEC);
	after_known = source_bytes(run, w->source_fd, &after);
	moved = measured(ret, before_known, before, after_known, after);
	if (ret->end == MCR_KERNELMOVE_LEFT)
		tell(run, moved, after, ret->refusal);
	else if (moved)
		tell(run, moved, 0, MCR_REFUSED_NOT);
}

/* What there is to be moved, after what is dropped. */
static uint64_t to_move(struct mcr_recharging *run, int source_fd, const struct mcr_pins *pins)
{
	uint64_t bytes = 0, first = to_drop(run, pins);

	source_bytes(run, source_fd, &bytes);
	return bytes - (first < bytes ? first : bytes);
}

/*
 * Whoever maps most of it pays, if policy says so, nothing of it escapes a limit, and they have room for all of it: they
 * are not to reclaim, or to be killed, for what another has left.  NULL: the owner; also if nobody can tell how much it is.
 */
static const char *paying_user(const struct mcr_recharging *run, const struct mcr_ledger *ledger, uint64_t bytes)
{
	const char *user = ledger && run->q->owner_user ? mcr_ledger_largest_borrower(ledger) : NULL;
	uint64_t room = 0;

	if (!user || !*user || !bytes || mcr_owner_within_limits(run->o->h, user, run->q->path) < 0 ||
	    mcr_owner_room(run->o->h, user, run->q->path, &room) < 0 || room < bytes)
		return NULL;
	return user;
}

/* Whether there is room for it. */
static void foretell(struct mcr_recharging *run, const char *user, uint64_t bytes)
{
	uint64_t room = UINT64_MAX;

	mcr_owner_room(run->o->h, user ? user : run->q->owner, run->q->path, &room);
	if (bytes)
		tell(run, 0, bytes, room < bytes ? MCR_REFUSED_OWNER_LIMIT : MCR_REFUSED_NOT);
}

/* ---- Whether ---- */

static bool not_by_kernel(struct mcr_recharging *run, const char *word, const char *why)
{
	run->kernel = word;
	run->kernel_why_not = why;
	return false;
}

static bool is_possible(struct mcr_recharging *run, int source_fd)
{
	struct mcr_kernelrecharge k;
	int r = mcr_kernelrecharge_read(run->o->kernel_dir, &k);

	if (r == -ENOENT)
		return not_by_kernel(run, "absent", "this kernel has no " MCR_KERNELRECHARGE_DIR);
	if (r < 0)
		return not_by_kernel(run, "refused", strerror(-r));
	if (!k.enabled)
		return not_by_kernel(run, "off", "it is switched off (" MCR_KERNELRECHARGE_DIR "/enabled)");
	if (source_fd < 0 && source_fd != -ESTALE && source_fd != -ENOENT)	/* it may be alive, and in use */
		return not_by_kernel(run, "refused", strerror(-source_fd));
	if (is_in_use(source_fd))
		return not_by_kernel(run, "refused", "there are processes in the cgroup: it keeps what is no shared memory");
	return true;
}

bool mcr_recharging_whole(struct mcr_recharging *run, const struct mcr_pins *pins, const struct mcr_ledger *ledger)
{
	auto_(closep) int source_fd = mcr_cgroup_open_id(run->o->h, run->q->cgroup_id);
	struct whole w = { .run = run, .source_fd = source_fd, .target_fd = -EBADF };
	struct mcr_kernelmove_result res = { .end = MCR_KERNELMOVE_DONE };
	const char *user;
	uint64_t bytes;

	if (!is_possible(run, source_fd))
		return false;
	bytes = to_move(run, source_fd, pins);
	user = paying_user(run, ledger, bytes);
	if (run->o->dry_run) {
		foretell(run, user, bytes);
	} else {
		w.target_fd = mcr_recharging_open_payer(run, user);
		if (w.target_fd < 0)
			return not_by_kernel(run, "refused", strerror(-w.target_fd));
		drop_unmapped(run, source_fd, pins);
		move(&w, &res);
		close_fd(w.target_fd);
	}
	run->kernel = run->o->dry_run ? "possible" : res.end == MCR_KERNELMOVE_DONE ? "done" : "left";
	if (res.end != MCR_KERNELMOVE_NOT)
		return true;
	if (interrupted(run)) {
		mcr_recharging_note_why(run, mcr_refusal_sentence(interrupted(run)));
		return true;
	}
	return not_by_kernel(run, mcr_kernelmove_word(res.error), res.why);
}

/* After it was switched off in the middle there is what nothing else moves. */
void mcr_recharging_whole_rest(struct mcr_recharging *run, const struct mcr_pins *pins)
{
	uint64_t left = private_bytes(pins);

	if (left)
		tell(run, 0, left, MCR_REFUSED_KERNEL_OFF);
}

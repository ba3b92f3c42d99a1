/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup as a whole, by the kernel (rechargekernel.h): one without processes, dead or alive.  What lives keeps what is its own.
 *
 * What nobody maps of the page cache of a live one is reclaimed before, by as many bytes as that is: there is no owner for it.
 * Of a dead one it goes along: what takes from the dead takes what is mapped too.
 */
#include <fcntl.h>
#include <string.h>

#include "cgroup.h"
#include "drain.h"
#include "kernelrecharge.h"
#include "ledger.h"
#include "owner.h"
#include "pins.h"
#include "rechargeask.h"
#include "rechargekernel.h"
#include "rechargeparts.h"
#include "rechargerun.h"
#include "rewrite.h"
#include "util.h"

#define KIND "memory"
#define NAME "of the whole cgroup"

/* For a portion, and for looking at what is left. */
#define STEP_SEC 60
#define DRAIN_SEC 300

/* ---- How much ---- */

static bool is_page_cache(const struct mcr_pin *p)
{
	return p->kind == MCR_PIN_FILE || p->kind == MCR_PIN_BLOCK_DEVICE || p->kind == MCR_PIN_METADATA;
}

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

/* What the cgroup is charged now. 0 (also *ret, if it has gone); -ENODATA: nobody can tell; or errno. */
static int source_bytes(struct mcr_recharging *run, int fd, uint64_t *ret)
{
	auto_(mcr_pins_freep) struct mcr_pins *pins = NULL;
	struct mcr_charge c;
	int r;

	if (fd >= 0) {
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

static int add_freed(const struct mcr_drain_report *rep, void *userdata)
{
	uint64_t *freed = userdata;

	*freed += rep->freed_bytes;
	return 0;
}

/* Without pins what is mapped of shared memory counts as mapped page cache: rather too little. */
static uint64_t unmapped_bytes(int fd, const struct mcr_pins *pins)
{
	struct mcr_charge c;
	uint64_t sum = 0, kept;

	for (size_t i = 0; pins && i < pins->n; i++)
		if (is_page_cache(&pins->pins[i]) && pins->pins[i].bytes > pins->pins[i].mapped_bytes)
			sum += pins->pins[i].bytes - pins->pins[i].mapped_bytes;
	if (pins || mcr_cgroup_charge(fd, &c) < 0)
		return sum;
	kept = c.shmem_bytes + c.mapped_bytes;
	return c.file_bytes > kept ? c.file_bytes - kept : 0;
}

/* What nobody maps of the page cache of a live one, as far as it may be reclaimed. */
static uint64_t to_drop(const struct mcr_recharging *run, int source_fd, const struct mcr_pins *pins)
{
	uint64_t bytes = source_fd >= 0 ? unmapped_bytes(source_fd, pins) : 0, max = run->q->evict_max_bytes;

	return bytes < max ? bytes : max;
}

/* By so many bytes and no more: reclaim passes over what is mapped and was used of late as long as there is other. */
static void drop_unmapped(struct mcr_recharging *run, int source_fd, const struct mcr_pins *pins)
{
	const struct mcr_drain_opts opts = { .h = run->o->h, .journal_dir_fd = run->o->journal_dir_fd };
	const struct mcr_drain_item item = {
		.id = run->q->cgroup_id, .step_bytes = run->q->step_bytes, .max_bytes = to_drop(run, source_fd, pins),
	};

	if (!item.max_bytes)
		return;
	mcr_recharging_step(run, DRAIN_SEC);
	mcr_drain_in_turn(&opts, &item, 1, add_freed, &run->drained_bytes);
}

/* ---- Moving ---- */

struct whole {
	struct mcr_recharging *run;
	int source_fd;			/* -EBADF: it is dead */
	int target_fd;
};

static enum mcr_refusal look(void *userdata)
{
	const struct whole *w = userdata;

	if (w->run->o->stopped && w->run->o->stopped())
		return MCR_REFUSED_STOPPED;
	if (w->source_fd >= 0 && mcr_cgroup_populated(w->source_fd) > 0)
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

static void listen_for_stop(const struct mcr_recharging *run, bool on)
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
	listen_for_stop(run, true);
	mcr_kernelmove(&opts, ret);
	listen_for_stop(run, false);
	mcr_recharging_step(run, STEP_SEC);
	after_known = source_bytes(run, w->source_fd, &after);
	moved = measured(ret, before_known, before, after_known, after);
	if (ret->end == MCR_KERNELMOVE_LEFT)
		tell(run, moved, after, ret->refusal);
	else if (moved)
		tell(run, moved, 0, MCR_REFUSED_NOT);
}

/* What would be moved, and whether there is room for it. */
static void foretell(struct mcr_recharging *run, int source_fd, const struct mcr_pins *pins)
{
	uint64_t bytes = 0, room = UINT64_MAX, first = to_drop(run, source_fd, pins);

	source_bytes(run, source_fd, &bytes);
	bytes -= first < bytes ? first : bytes;
	mcr_owner_room(run->o->h, run->q->owner, run->q->path, &room);
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
	if (source_fd >= 0 && mcr_cgroup_populated(source_fd) > 0)
		return not_by_kernel(run, "refused", "there are processes in the cgroup: it keeps what is no shared memory");
	return true;
}

bool mcr_recharging_whole(struct mcr_recharging *run, const struct mcr_pins *pins, const struct mcr_ledger *ledger)
{
	const char *user = ledger ? mcr_ledger_largest_borrower(ledger) : NULL;
	auto_(closep) int source_fd = mcr_cgroup_open_id(run->o->h, run->q->cgroup_id);
	struct whole w = { .run = run, .source_fd = source_fd, .target_fd = -EBADF };
	struct mcr_kernelmove_result res = { .end = MCR_KERNELMOVE_DONE };

	if (!is_possible(run, source_fd))
		return false;
	if (run->o->dry_run) {
		foretell(run, source_fd, pins);
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
	if (run->o->stopped && run->o->stopped()) {
		mcr_recharging_note_why(run, mcr_refusal_sentence(MCR_REFUSED_STOPPED));
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

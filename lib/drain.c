/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drain.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "fileio.h"
#include "hierarchy.h"
#include "reclaim.h"
#include "restore.h"
#include "sync.h"
#include "util.h"
#include "worker.h"

#define TURN_USEC 100000
#define TURNS_MAX 50

bool mcr_drain_worth_retry(const struct mcr_charge *left)
{
	return left->file_bytes > left->shmem_bytes;
}

bool mcr_drain_is_empty(const struct mcr_charge *left)
{
	return left->file_bytes == 0 && left->anon_bytes == 0 && left->swap_bytes == 0;
}

bool mcr_swap_is_on(void)
{
	char meminfo[8192];
	uint64_t kib;

	return mcr_read_at(AT_FDCWD, "/proc/meminfo", meminfo, sizeof(meminfo)) >= 0 &&
	       mcr_keyed_u64(meminfo, "SwapTotal", &kib) == 0 && kib > 0;
}

/* A live cgroup that meets its limit while it must not swap would be OOM-killed: those in use are left as they are. */
static bool any_unused(const struct mcr_drain_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!items[i].in_use)
			return true;
	return false;
}

/* Forbids swap to the unused of the batch for the time of the drain. */
static int forbid_swap(const struct mcr_drain_opts *o, const struct mcr_drain_item *items, size_t n,
		       struct mcr_restore **ret)
{
	auto_(mcr_restore_freep) struct mcr_restore *journal = NULL;
	int r = mcr_restore_new(o->h, o->journal_dir_fd, MCR_DRAIN_JOURNAL, &journal);

	for (size_t i = 0; r == 0 && i < n; i++) {
		auto_(closep) int fd = mcr_cgroup_open_id(o->h, items[i].id);

		if (fd < 0 || items[i].in_use)
			continue;	/* gone: its report will say so */
		r = mcr_restore_add(journal, fd, "memory.swap.max", "0");
		if (r == -ENOENT || r == -ENODEV)
			r = 0;
	}
	if (r == 0)
		r = mcr_restore_apply(journal);
	if (r < 0 && journal)
		mcr_restore_undo(journal);
	if (r == 0)
		*ret = steal_ptr(journal);
	return r;
}

static struct mcr_drain_report drain_one(const struct mcr_drain_opts *o, const struct mcr_drain_item *item,
					 bool swappiness_key)
{
	const struct mcr_reclaim_opts opts = {
		.step_bytes = item->step_bytes, .max_bytes = item->max_bytes, .only_empty = !item->in_use,
		.swappiness_key = swappiness_key,
	};
	struct mcr_drain_report rep = { .id = item->id };
	struct mcr_reclaim_result res = { 0 };
	auto_(closep) int fd = mcr_cgroup_open_id(o->h, item->id);

	rep.error = fd < 0 ? fd : mcr_reclaim(fd, &opts, &res);
	if (rep.error == 0)
		rep.error = mcr_cgroup_charge(fd, &rep.left);
	rep.freed_bytes = res.freed_bytes;
	return rep;
}

int mcr_drain(const struct mcr_drain_opts *o, const struct mcr_drain_item *items, size_t n,
	      int (*report)(const struct mcr_drain_report *report, void *userdata), void *userdata)
{
	auto_(mcr_restore_freep) struct mcr_restore *journal = NULL;
	bool key = mcr_reclaim_has_swappiness(mcr_hierarchy_fd(o->h)) > 0;
	int r = 0, undo;

	if (o->sync)
		mcr_sync_filesystems();
	if (!key && any_unused(items, n) && mcr_swap_is_on())
		r = forbid_swap(o, items, n, &journal);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct mcr_drain_report rep = drain_one(o, &items[i], key);

		r = report(&rep, userdata);
	}
	undo = journal ? mcr_restore_undo(journal) : 0;
	return r < 0 ? r : undo;
}

int mcr_drain_in_turn(const struct mcr_drain_opts *o, const struct mcr_drain_item *items, size_t n,
		      int (*report)(const struct mcr_drain_report *report, void *userdata), void *userdata)
{
	int r = mcr_drain(o, items, n, report, userdata);

	for (int i = 0; r == -EBUSY && i < TURNS_MAX; i++) {
		usleep(TURN_USEC);
		r = mcr_drain(o, items, n, report, userdata);
	}
	return r;
}

static int send_report(const struct mcr_drain_report *rep, void *userdata)
{
	const struct mcr_drain_work *work = userdata;

	return mcr_worker_report(work->out_fd, rep, sizeof(*rep));
}

int mcr_drain_in_worker(void *userdata, int out_fd)
{
	struct mcr_drain_work *work = userdata;

	if (work->nice)
		setpriority(PRIO_PROCESS, 0, work->nice);
	work->out_fd = out_fd;
	return mcr_drain_in_turn(&work->opts, work->items, work->n, send_report, work);
}

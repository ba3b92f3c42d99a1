/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Serves one request to recharge: has the kernel move all of a memcg, where it can (rechargekernel.h); else finds the objects of
 * shared memory that are charged to it (or the file that was named), and moves each to the owner by the strategy that
 * fits; then its page cache, as far as live users have it mapped.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct json_object;
struct mcr_chunklog;
struct mcr_hierarchy;
struct mcr_recharge_request;

struct mcr_recharge_opts {
	const struct mcr_hierarchy *h;
	struct mcr_chunklog *log;	/* NULL with dry_run */
	bool dry_run;			/* only say what would be done */
	int journal_dir_fd;		/* for knobs that are changed for a moment (restore.h), and "/proc"; not with dry_run */
	int proc_fd;
	/* rewrite.h: descriptors that must outlive the caller. */
	int (*keep)(int fd, const char *name, void *userdata);
	void (*drop)(const char *name, void *userdata);
	/*
	 * Called when what cannot be rewritten is in swap: whoever holds the cgroup is to remove it now (rechargeswap.h).
	 * NULL: nobody would. 0 or errno.
	 */
	int (*out)(void *userdata);
	void *userdata;			/* of out */
	/*
	 * Called before each object and each way is begun, with the seconds after which something hangs that should not; may be
	 * NULL.
	 */
	void (*step)(unsigned int sec);
	const char *kernel_dir;		/* as of kernelrecharge.h */
	/*
	 * Around what the kernel does: a signal that would end us is to end its work instead (EINTR), so that what was moved can be
	 * told. And has one come: MCR_REFUSED_STOPPED, or _TIME when a step's seconds are over? Both may be NULL.
	 */
	void (*listen)(bool on);
	enum mcr_refusal (*interrupted)(void);
};

/*
 * Blocks for as long as it takes.  *ret is what came of it, as `memcg-reaper recharge --json` prints it (memcg-reaper(8));
 * the caller puts it back.
 * 0: there is an answer, though maybe that nothing could be moved; -EUCLEAN: something has to be repaired, there is no answer;
 * or errno.
 */
int mcr_recharge_run(const struct mcr_recharge_opts *o, const struct mcr_recharge_request *q, struct json_object **ret);

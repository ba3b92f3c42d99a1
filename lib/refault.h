/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves the charge of page cache to an owner: it is evicted, and what live users had of it is read back at once by a
 * process in the owner's cgroup.  Nobody is frozen and no content is touched; it costs reading from disk, and until
 * it is read its users may wait for the disk as well: what they fault first themselves is charged to them.
 *
 * Left where it is: what the kernel does not evict (dirty, locked, always in use).
 *
 * Needs CAP_SYS_ADMIN (/proc/PID/map_files), CAP_SYS_PTRACE and CAP_DAC_OVERRIDE (of others), CAP_FOWNER (O_NOATIME).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"

struct mcr_wanted;

/* How results call it, beside mcr_rewrite_strategy_name(). */
#define MCR_REFAULT_STRATEGY "refault"

struct mcr_refault_opts {
	size_t sz;			/* sizeof() as the caller was compiled; fields are only ever appended */
	int owner_fd;			/* directory of the owner's cgroup; it must take processes */
	uint64_t max_bytes;		/* more that is wanted: refused */
	uint64_t max_usec;		/* for reading back, in all; 0: 30 s */
	unsigned int pressure_max_centi, available_min_centi;	/* beyond (pressure.h) nothing is begun, and reading stops */
	bool dry_run;			/* only say what would be done */
	/*
	 * Evicts the memcgs the wanted pages are charged to; called once at most, when all is open that is to be read
	 * back. MCR_REFUSED_NOT: it was tried; else why not, and nothing was taken.
	 */
	enum mcr_refusal (*evict)(void *userdata);
	void *userdata;
};

struct mcr_refault_result {
	enum mcr_refusal refusal;	/* the first reason against some of it */
	uint64_t wanted_bytes;		/* that can be read back */
	uint64_t refused_bytes;		/* wanted, and of files that cannot */
	size_t files, files_refused;
	uint64_t present_bytes;		/* after evicting, before reading: not evicted, or faulted by its users first */
	uint64_t read_bytes;		/* back from disk */
	uint64_t charged_bytes;		/* what the owner has more of in page cache, by its own memory.stat */
	uint64_t evict_usec, read_usec;
	bool evicted;			/* it came to evicting */
	bool late;			/* the time was over before all was read */
};

/*
 * Sets the refusal of each wanted file that is not read back. Blocks for as long as evict() and max_usec take. 0: all
 * that was wanted is in memory; 1: not all, ret->refusal says why; or errno of starting a process. *ret is always
 * set.
 */
int mcr_refault(const struct mcr_refault_opts *opts, struct mcr_wanted *wanted, struct mcr_refault_result *ret);

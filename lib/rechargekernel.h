/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a request to recharge a cgroup is served by the kernel (kernelrecharge.h): in portions, between which is looked
 * whether it is still wanted, and with an answer to each errno.
 *
 * The kernel moves all that is charged to a cgroup, whatever it is and whoever uses it, and nobody waits.  So there are
 * no objects here, and what it has left because it was busy is left for later, not rewritten.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "refusal.h"

/* A portion takes the kernel a fraction of a second. */
#define MCR_KERNELMOVE_PORTION_BYTES (256ULL << 20)
/* Whoever asked waits, and others behind it; what is left then is asked for again. */
#define MCR_KERNELMOVE_MAX_USEC (240 * MCR_USEC_PER_SEC)
/* How often what is busy is asked for again, after a tenth of a second that doubles each time. */
#define MCR_KERNELMOVE_BUSY_TRIES 3
#define MCR_KERNELMOVE_BUSY_USEC 100000

enum mcr_kernelmove_end {
	MCR_KERNELMOVE_DONE,	/* nothing is left of it, or it is gone */
	MCR_KERNELMOVE_LEFT,	/* something is left and stays for now, because of refusal */
	MCR_KERNELMOVE_NOT,	/* the kernel does not do it (any more), because of why: others may */
};

struct mcr_kernelmove_opts {
	const char *dir;		/* as of kernelrecharge.h */
	uint64_t source_id, target_id;
	uint64_t portion_bytes, max_usec;	/* 0: as above */
	/* Before each portion: MCR_REFUSED_NOT: go on; or why not. */
	enum mcr_refusal (*look)(void *userdata);
	/* The target has gone: its id anew, once. 0 or errno. */
	int (*restart)(uint64_t *ret_target_id, void *userdata);
	void *userdata;
};

struct mcr_kernelmove_result {
	enum mcr_kernelmove_end end;
	enum mcr_refusal refusal;
	int error;			/* of the last request, or 0 */
	const char *why;		/* static */
	/* By the kernel's counters, which count what others ask for at the same time as well. */
	uint64_t moved_bytes, moved_swap_bytes;
	unsigned int requests;
};

/* Blocks for as long as it takes. *ret is always set. */
void mcr_kernelmove(const struct mcr_kernelmove_opts *o, struct mcr_kernelmove_result *ret);

/* A static word for why the kernel does not do it: "absent", "off", "refused", for an errno of struct mcr_kernelmove_result. */
const char *mcr_kernelmove_word(int error);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The half of refaulting that runs in the owner's cgroup: opens what is wanted while it is still in the page cache,
 * waits until that was evicted, and reads back what is not there any more.  Whatever it reads is charged to the
 * cgroup it is in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_wanted;

enum mcr_readback_kind {
	MCR_READBACK_READY,	/* all are open that can be: it waits for a byte in go_fd */
	MCR_READBACK_FILE,	/* what came of one; also as it goes on, and of one that could not be opened */
	MCR_READBACK_DONE,
};

/* What it reports; file is an index into what is wanted. */
struct mcr_readback_report {
	enum mcr_readback_kind kind;
	int refusal;		/* enum mcr_refusal */
	size_t file;
	uint64_t present_bytes;	/* were there already: not evicted, or a user was faster */
	uint64_t read_bytes;	/* are there now, and were not */
};

struct mcr_readback {
	struct mcr_wanted *wanted;	/* files with a refusal are passed over */
	int go_fd;
	int owner_fd;		/* of the cgroup it is in: whose room it watches */
	int proc_fd;		/* "/proc": through it files are opened, and memory pressure is watched */
	unsigned int pressure_max_centi, available_min_centi;
};

/* The job of a worker (worker.h), whose records are struct mcr_readback_report. */
int mcr_readback_run(void *readback, int out_fd);

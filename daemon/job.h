/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A worker process in the event loop: its records come one by one, its end is told, and it is
 * killed when it says nothing for too long.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "worker.h"

#define JOB_RECORD_MAX 256

struct job_ops {
	const char *name;
	size_t record_size;
	void (*on_record)(const void *record, void *userdata);
	void (*on_end)(bool late, void *userdata);	/* no worker any more; late: killed */
};

struct job {
	const struct job_ops *ops;
	void *userdata;
	struct mcr_worker worker;
	sd_event_source *io, *deadline;
	uint64_t silence_usec;
	char buf[JOB_RECORD_MAX];
	size_t used;
	bool late;
};

static inline bool job_runs(const struct job *j)
{
	return j->worker.pid > 0;
}

/* Starts run(arg) in a worker with the descriptors keep[]; silence_usec is the longest pause between records. */
int job_start(struct job *j, sd_event *event, const struct job_ops *ops, void *userdata, uint64_t silence_usec,
	      mcr_worker_job run, void *arg, const int *keep, size_t n_keep);

/* Kills the worker without further ado; on_end is not called. */
void job_kill(struct job *j);

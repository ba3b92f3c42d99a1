/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "log.h"
#include "util.h"

void job_kill(struct job *j)
{
	j->io = sd_event_source_disable_unref(j->io);
	j->deadline = sd_event_source_disable_unref(j->deadline);
	if (job_runs(j))
		mcr_worker_end(&j->worker);
}

static void end(struct job *j)
{
	job_kill(j);
	j->ops->on_end(j->late, j->userdata);
}

/* Killed, but not waited for: it may sit in the kernel for a while.  Its end closes the pipe. */
static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct job *j = userdata;

	(void)source;
	(void)usec;
	log_warning("worker '%s' has said nothing for %llu s, killed", j->ops->name,
		    (unsigned long long)(j->silence_usec / MCR_USEC_PER_SEC));
	j->late = true;
	kill(j->worker.pid, SIGKILL);
	return 0;
}

/* Reads until one record is whole: 1; 0: nothing more for now; -EPIPE: the worker has ended. */
static int read_record(struct job *j)
{
	while (j->used < j->ops->record_size) {
		ssize_t n = read(j->worker.fd, j->buf + j->used, j->ops->record_size - j->used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -EPIPE;
		j->used += n;
	}
	j->used = 0;
	return 1;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct job *j = userdata;
	int r;

	(void)source;
	(void)fd;
	(void)events;
	while ((r = read_record(j)) > 0) {
		j->ops->on_record(j->buf, j->userdata);
		sd_event_source_set_time_relative(j->deadline, j->silence_usec);
	}
	if (r < 0)
		end(j);
	return 0;
}

int job_start(struct job *j, sd_event *event, const struct job_ops *ops, void *userdata, uint64_t silence_usec,
	      mcr_worker_job run, void *arg, const int *keep, size_t n_keep)
{
	int r;

	j->ops = ops;
	j->userdata = userdata;
	j->silence_usec = silence_usec;
	j->used = 0;
	j->late = false;
	r = mcr_worker_start(&j->worker, run, arg, keep, n_keep);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &j->io, j->worker.fd, EPOLLIN, on_readable, j);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &j->deadline, CLOCK_MONOTONIC, silence_usec, 0, on_late, j);
	if (r < 0) {
		job_kill(j);
		return r;
	}
	sd_event_source_set_description(j->io, ops->name);
	return 0;
}

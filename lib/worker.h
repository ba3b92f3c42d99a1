/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child process for work that can block in the kernel: it does one job, reports through a pipe
 * and is killed at its deadline.  It dies with its parent, and keeps none of the parent's file
 * descriptors but those it is given: the gate must not outlive the daemon in a worker's table.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct mcr_worker {
	pid_t pid;
	int pidfd;	/* readable when it has ended */
	int fd;		/* what it reports; non-blocking, end of file when it has ended */
};
#define MCR_WORKER_INIT { .pid = 0, .pidfd = -EBADF, .fd = -EBADF }

/* The job: reports with mcr_worker_report() to out_fd; its result is the exit status (0 or 1). */
typedef int (*mcr_worker_job)(void *arg, int out_fd);

/*
 * Starts the job in a child with a copy of arg.  keep[] are the descriptors it may use, under
 * their own numbers.  0, or errno of fork, pipe or pidfd_open.
 */
int mcr_worker_start(struct mcr_worker *w, mcr_worker_job job, void *arg, const int *keep, size_t n_keep);

/*
 * The same in another cgroup, by its directory: all memory it touches is charged there.  errno of clone3 besides: -EBUSY or
 * -EOPNOTSUPP: the cgroup takes no processes; -ENODEV: it was removed.
 */
int mcr_worker_start_in(struct mcr_worker *w, int cgroup_fd, mcr_worker_job job, void *arg, const int *keep,
			size_t n_keep);

/* Sends one record, whole; at most PIPE_BUF bytes, so that records never mix. 0 or errno. */
int mcr_worker_report(int out_fd, const void *record, size_t size);

/*
 * Kills it if it still runs, reaps it, closes the descriptors. Returns its wait status, or 0.  One that sits in
 * the kernel (a sync of much, a dead disk) ends when that is over: it is waited for two seconds, and then left to itself.
 */
int mcr_worker_end(struct mcr_worker *w);

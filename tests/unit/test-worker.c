/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "main.h"
#include "util.h"

#define SOON_MSEC 10000

static bool readable(int fd, int msec)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, msec) == 1 && p.revents != 0;
}

/* Waits for its own end, so that mcr_worker_end() finds it dead and has no need to kill. */
static int end_of(struct mcr_worker *w)
{
	ck_assert(readable(w->pidfd, SOON_MSEC));
	return mcr_worker_end(w);
}

static int job_returns(void *arg, int out_fd)
{
	(void)out_fd;
	return *(int *)arg;
}

static int job_reports_twice(void *arg, int out_fd)
{
	int *n = arg;
	int r = mcr_worker_report(out_fd, n, sizeof(*n));

	(*n)++;
	return r < 0 ? r : mcr_worker_report(out_fd, n, sizeof(*n));
}

static int job_waits(void *arg, int out_fd)
{
	(void)arg;
	mcr_worker_report(out_fd, "r", 1);
	while (pause() < 0)
		;
	return 0;
}

START_TEST(the_job_reports_with_its_own_copy_of_arg)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	int n = 41, got[2] = { 0 };

	ck_assert_int_eq(mcr_worker_start(&w, job_reports_twice, &n, NULL, 0), 0);
	ck_assert(readable(w.pidfd, SOON_MSEC));
	ck_assert_int_eq(read(w.fd, got, sizeof(got)), sizeof(got));
	ck_assert_int_eq(got[0], 41);
	ck_assert_int_eq(got[1], 42);
	ck_assert_int_eq(n, 41);
	ck_assert_int_eq(read(w.fd, got, sizeof(got)), 0);	/* end of file: it has ended */
	ck_assert_int_eq(mcr_worker_end(&w), 0);
}
END_TEST

START_TEST(the_result_of_the_job_is_the_exit_status)
{
	static const int results[] = { 0, -EIO, 1, 256 };

	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		struct mcr_worker w = MCR_WORKER_INIT;
		int result = results[i], status;

		ck_assert_int_eq(mcr_worker_start(&w, job_returns, &result, NULL, 0), 0);
		status = end_of(&w);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), result != 0);
	}
}
END_TEST

START_TEST(a_worker_that_runs_is_killed_at_the_end)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	pid_t pid;
	int status;

	ck_assert_int_eq(mcr_worker_start(&w, job_waits, NULL, NULL, 0), 0);
	ck_assert(readable(w.fd, SOON_MSEC));
	ck_assert(!readable(w.pidfd, 0));
	pid = w.pid;
	status = mcr_worker_end(&w);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	ck_assert_int_eq(kill(pid, 0), -1);
	ck_assert_int_eq(errno, ESRCH);
}
END_TEST

START_TEST(ending_twice_or_what_never_began_is_fine)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	int result = 1;

	ck_assert_int_eq(mcr_worker_end(&w), 0);
	ck_assert_int_eq(mcr_worker_start(&w, job_returns, &result, NULL, 0), 0);
	ck_assert_int_ne(end_of(&w), 0);
	ck_assert_int_eq(mcr_worker_end(&w), 0);
	ck_assert_int_eq(w.pid, 0);
	ck_assert_int_lt(w.fd, 0);
	ck_assert_int_lt(w.pidfd, 0);
}
END_TEST

START_TEST(reading_from_a_silent_worker_does_not_block)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	char c;

	ck_assert_int_eq(mcr_worker_start(&w, job_waits, NULL, NULL, 0), 0);
	ck_assert(readable(w.fd, SOON_MSEC));
	ck_assert_int_eq(read(w.fd, &c, 1), 1);
	ck_assert_int_eq(read(w.fd, &c, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	mcr_worker_end(&w);
}
END_TEST

/* Reports the number of every descriptor that is open in the worker. */
static int job_lists_fds(void *arg, int out_fd)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	(void)arg;
	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd != dirfd(dir) && mcr_worker_report(out_fd, &fd, sizeof(fd)) < 0)
			return -1;
	}
	return 0;
}

/* How many descriptors beyond the standard ones it has; all of them must be in keep[] but one, its pipe. */
static unsigned int fds_of_worker(const int *keep, size_t n_keep)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	unsigned int n = 0, strange = 0;
	int fd;

	ck_assert_int_eq(mcr_worker_start(&w, job_lists_fds, NULL, keep, n_keep), 0);
	ck_assert(readable(w.pidfd, SOON_MSEC));
	while (read(w.fd, &fd, sizeof(fd)) == sizeof(fd)) {
		size_t i;

		if (fd <= STDERR_FILENO)
			continue;
		n++;
		for (i = 0; i < n_keep && keep[i] != fd; i++)
			;
		strange += i == n_keep;
	}
	ck_assert_int_eq(mcr_worker_end(&w), 0);
	ck_assert_uint_eq(strange, 1);
	return n;
}

START_TEST(the_worker_has_only_the_descriptors_it_was_given)
{
	int fds[40], keep[3];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		ck_assert_int_ge(fds[i] = open("/dev/null", O_RDONLY), 0);	/* inherited by intention */
	keep[0] = fds[30];
	keep[1] = fds[3];
	keep[2] = fds[31];
	ck_assert_uint_eq(fds_of_worker(NULL, 0), 1);
	ck_assert_uint_eq(fds_of_worker(keep, 1), 2);
	ck_assert_uint_eq(fds_of_worker(keep, 3), 4);
}
END_TEST

START_TEST(descriptors_that_are_not_open_may_be_given)
{
	const int keep[] = { -EBADF, temp_fd, -1, temp_fd };

	ck_assert_uint_eq(fds_of_worker(keep, ARRAY_SIZE(keep)), 2);
}
END_TEST

START_TEST(starting_and_ending_leaves_no_descriptor_behind)
{
	int result = 0, before = dup(STDIN_FILENO), after;

	close(before);
	for (int i = 0; i < 50; i++) {
		struct mcr_worker w = MCR_WORKER_INIT;

		ck_assert_int_eq(mcr_worker_start(&w, job_returns, &result, NULL, 0), 0);
		mcr_worker_end(&w);
	}
	after = dup(STDIN_FILENO);
	ck_assert_int_eq(after, before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);	/* and no child */
}
END_TEST

static int job_tells_signals(void *arg, int out_fd)
{
	struct sigaction act;
	sigset_t mask;
	int usual;

	(void)arg;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigaction(SIGTERM, NULL, &act);
	usual = !sigismember(&mask, SIGTERM) && act.sa_handler == SIG_DFL;
	return mcr_worker_report(out_fd, &usual, sizeof(usual));
}

START_TEST(signals_mean_the_usual_in_the_worker)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	sigset_t mask;
	int usual = 0;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGTERM, SIG_IGN);
	ck_assert_int_eq(mcr_worker_start(&w, job_tells_signals, NULL, NULL, 0), 0);
	ck_assert(readable(w.pidfd, SOON_MSEC));
	ck_assert_int_eq(read(w.fd, &usual, sizeof(usual)), sizeof(usual));
	ck_assert(usual);
	mcr_worker_end(&w);
}
END_TEST

static int job_tells_its_group(void *arg, int out_fd)
{
	const pid_t ids[] = { getpid(), getpgrp() };

	(void)arg;
	return mcr_worker_report(out_fd, ids, sizeof(ids));
}

START_TEST(the_worker_is_out_of_reach_of_the_terminal)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	pid_t ids[2] = { 0 };

	ck_assert_int_eq(mcr_worker_start(&w, job_tells_its_group, NULL, NULL, 0), 0);
	ck_assert(readable(w.pidfd, SOON_MSEC));
	ck_assert_int_eq(read(w.fd, ids, sizeof(ids)), sizeof(ids));
	ck_assert_int_eq(ids[0], w.pid);
	ck_assert_int_eq(ids[1], w.pid);	/* a group of its own */
	mcr_worker_end(&w);
}
END_TEST

/* A parent of a worker that is killed. The pipe's other end is in the worker alone. */
static _Noreturn void parent_of_a_worker(int pipe_write)
{
	struct mcr_worker w = MCR_WORKER_INIT;

	if (mcr_worker_start(&w, job_waits, NULL, &pipe_write, 1) < 0)
		_exit(1);
	if (!readable(w.fd, SOON_MSEC) || write(pipe_write, "x", 1) != 1)
		_exit(1);
	close(pipe_write);
	for (;;)
		pause();
}

START_TEST(the_worker_dies_with_its_parent)
{
	int fds[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		parent_of_a_worker(fds[1]);
	close(fds[1]);
	ck_assert(readable(fds[0], SOON_MSEC));
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	ck_assert(!readable(fds[0], 50));		/* the worker lives and holds its end */
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(readable(fds[0], SOON_MSEC));
	ck_assert_int_eq(read(fds[0], &c, 1), 0);	/* closed: it is dead */
	close(fds[0]);
}
END_TEST

START_TEST(a_record_that_could_be_torn_is_refused)
{
	static char record[PIPE_BUF + 1];
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(mcr_worker_report(fds[1], record, PIPE_BUF + 1), -EINVAL);
	ck_assert_int_eq(mcr_worker_report(fds[1], record, PIPE_BUF), 0);
	ck_assert_int_eq(read(fds[0], record, sizeof(record)), PIPE_BUF);
}
END_TEST

START_TEST(a_report_nobody_reads_is_an_error)
{
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	ck_assert_int_eq(mcr_worker_report(fds[1], "x", 1), -EPIPE);
}
END_TEST

START_TEST(what_is_no_cgroup_takes_no_worker)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	int result = 0;

	ck_assert_int_lt(mcr_worker_start_in(&w, temp_fd, job_returns, &result, NULL, 0), 0);
	ck_assert_int_eq(w.pid, 0);
	ck_assert_int_lt(w.fd, 0);
}
END_TEST

TEST_MAIN("worker", what_is_no_cgroup_takes_no_worker, the_job_reports_with_its_own_copy_of_arg, the_result_of_the_job_is_the_exit_status,
	  a_worker_that_runs_is_killed_at_the_end, ending_twice_or_what_never_began_is_fine,
	  reading_from_a_silent_worker_does_not_block, the_worker_has_only_the_descriptors_it_was_given,
	  descriptors_that_are_not_open_may_be_given, starting_and_ending_leaves_no_descriptor_behind,
	  signals_mean_the_usual_in_the_worker, the_worker_is_out_of_reach_of_the_terminal,
	  the_worker_dies_with_its_parent,
	  a_record_that_could_be_torn_is_refused, a_report_nobody_reads_is_an_error)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fileio.h"
#include "util.h"

/* For one that was killed and is in the kernel. */
#define PATIENCE_MSEC 2000

static void close_all_but(const int *keep, size_t n)
{
	unsigned int from = 3;

	for (;;) {
		unsigned int next = UINT_MAX;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned int)keep[i] >= from && (unsigned int)keep[i] < next)
				next = keep[i];
		if (next == UINT_MAX)
			break;
		if (next > from)
			close_range(from, next - 1, 0);
		from = next + 1;
	}
	close_range(from, ~0U, 0);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child(mcr_worker_job job, void *arg, int out_fd, const int *keep, size_t n_keep,
			    pid_t parent)
{
	int fds[16];
	size_t n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);	/* Ctrl-C is for the parent, which ends us in good order */
	if (getppid() != parent)
		_exit(1);	/* it died before we could ask to die with it */
	reset_signals();
	for (size_t i = 0; i < n_keep && n < ARRAY_SIZE(fds) - 1; i++)
		fds[n++] = keep[i];
	fds[n++] = out_fd;
	close_all_but(fds, n);
	_exit(job(arg, out_fd) == 0 ? 0 : 1);
}

/* As fork(), but the child begins in the cgroup, or has moved there before it returns. */
static pid_t fork_into(int cgroup_fd)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd };
	pid_t pid;

	if (cgroup_fd < 0)
		return fork();
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid >= 0 || errno != ENOSYS)
		return pid;
	/* Seccomp cannot look into clone3's arguments, so that a unit's RestrictNamespaces= refuses it altogether. */
	pid = fork();
	if (pid == 0 && mcr_write_at(cgroup_fd, "cgroup.procs", "0") < 0)
		_exit(1);
	return pid;
}

int mcr_worker_start(struct mcr_worker *w, mcr_worker_job job, void *arg, const int *keep, size_t n_keep)
{
	return mcr_worker_start_in(w, -EBADF, job, arg, keep, n_keep);
}

int mcr_worker_start_in(struct mcr_worker *w, int cgroup_fd, mcr_worker_job job, void *arg, const int *keep, size_t n_keep)
{
	pid_t parent = getpid(), pid;
	int pipe_fds[2], pidfd;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork_into(cgroup_fd);
	if (pid < 0) {
		int r = -errno;

		close(pipe_fds[0]);
		close(pipe_fds[1]);
		return r;
	}
	if (pid == 0)
		child(job, arg, pipe_fds[1], keep, n_keep, parent);
	close(pipe_fds[1]);
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	*w = (struct mcr_worker){ .pid = pid, .pidfd = pidfd < 0 ? -errno : pidfd, .fd = pipe_fds[0] };
	if (pidfd < 0) {
		int r = w->pidfd;

		mcr_worker_end(w);
		return r;
	}
	return 0;
}

int mcr_worker_report(int out_fd, const void *record, size_t size)
{
	ssize_t n;

	if (size > PIPE_BUF)
		return -EINVAL;
	do
		n = write(out_fd, record, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int mcr_worker_end(struct mcr_worker *w)
{
	struct pollfd pfd = { .fd = w->pidfd, .events = POLLIN };
	int status = 0;
	pid_t ended = 0;

	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		if (w->pidfd >= 0)
			poll(&pfd, 1, PATIENCE_MSEC);
		while ((ended = waitpid(w->pid, &status, w->pidfd >= 0 ? WNOHANG : 0)) < 0 && errno == EINTR)
			;
		if (ended == 0)
			status = SIGKILL;	/* what it will end with */
	}
	w->pid = 0;
	w->pidfd = close_fd(w->pidfd);
	w->fd = close_fd(w->fd);
	return status;
}

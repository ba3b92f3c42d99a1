/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens a file again and again, looks at one page of it, and closes it: somebody who has nothing of it most of the time.
 *
 *	mcr-peek CGROUP FILE
 *
 * The file has no byte that is 0. Prints "ready PID"; on SIGTERM "opens=N zeros=N", the second being how often the page was a hole.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static int is_hole(const char *file, uint64_t random)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char page[4096];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(file);
	if (pread(fd, page, sizeof(page), random % (st.st_size / sizeof(page)) * sizeof(page)) != sizeof(page))
		die(file);
	close(fd);
	return memchr(page, 0, sizeof(page)) != NULL;
}

static int peek(const char *file)
{
	unsigned long opens = 0, zeros = 0;

	printf("ready %d\n", getpid());
	fflush(stdout);
	for (; !over; opens++) {
		zeros += is_hole(file, opens * 2654435761UL);
		usleep(1000);
	}
	printf("opens=%lu zeros=%lu\n", opens, zeros);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_term };
	int fd = argc == 3 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, status = 1;
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	pid_t pid;

	if (fd < 0)
		return 2;
	sigaction(SIGTERM, &act, NULL);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die(argv[1]);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return peek(argv[2]);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (over)
			kill(pid, SIGTERM);
	return status != 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A live user of page cache: a process in CGROUP that maps a file and touches every Nth page of it.
 *
 *	mcr-map CGROUP FILE [EVERY [lock|busy|unmap]]
 *
 * Prints "ready PID".  At each SIGUSR1 it tells what it finds, and touches the same pages again:
 *
 *	resident=N of=N major=N changed=N
 *
 * pages of those it touches that are in memory, before it touches them; page faults for which it had to read from
 * disk; pages whose content is another than at first.  "lock": it locks the pages.  "busy": it touches them all the
 * time.  "unmap": it lets go of the file at SIGUSR1 instead.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

struct user {
	const unsigned char *at;
	unsigned char *in_core, *first;
	size_t pages, every, page;
};

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static long major_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_majflt;
}

static size_t touch(const struct user *u, bool note)
{
	size_t changed = 0;

	for (size_t i = 0; i < u->pages; i += u->every) {
		unsigned char now = *(volatile const unsigned char *)(u->at + i * u->page);

		changed += !note && now != u->first[i];
		if (note)
			u->first[i] = now;
	}
	return changed;
}

static void tell(const struct user *u)
{
	size_t resident = 0, of = 0, changed;
	long before = major_faults();

	if (mincore((void *)u->at, u->pages * u->page, u->in_core) < 0)
		die("mincore");
	for (size_t i = 0; i < u->pages; i += u->every) {
		resident += u->in_core[i] & 1;
		of++;
	}
	changed = touch(u, false);
	printf("resident=%zu of=%zu major=%ld changed=%zu\n", resident, of, major_faults() - before, changed);
	fflush(stdout);
}

static struct user map(const char *path, size_t every)
{
	struct user u = { .every = every, .page = sysconf(_SC_PAGESIZE) };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	u.pages = (st.st_size + u.page - 1) / u.page;
	u.at = mmap(NULL, u.pages * u.page, PROT_READ, MAP_SHARED, fd, 0);
	if (u.at == MAP_FAILED)
		die("mmap");
	madvise((void *)u.at, u.pages * u.page, MADV_RANDOM);	/* no page that is not touched comes by itself */
	u.in_core = malloc(u.pages);
	u.first = calloc(1, u.pages);
	close(fd);
	touch(&u, true);
	return u;
}

static _Noreturn void use(const char *path, size_t every, const char *how)
{
	struct timespec busy = { .tv_nsec = 1000000 }, *wait = strcmp(how, "busy") == 0 ? &busy : NULL;
	struct user u = map(path, every);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (strcmp(how, "lock") == 0 && mlock(u.at, u.pages * u.page) < 0)
		die("mlock");
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;) {
		if (sigtimedwait(&set, NULL, wait) == SIGUSR1 && strcmp(how, "unmap") == 0)
			munmap((void *)u.at, u.pages * u.page);
		else if (strcmp(how, "unmap") == 0)
			continue;
		else if (wait)
			touch(&u, false);
		else
			tell(&u);
	}
}

int main(int argc, char **argv)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int fd = argc < 3 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sigset_t set;
	pid_t pid;

	if (fd < 0) {
		fputs("usage: mcr-map CGROUP FILE [EVERY [lock|busy|unmap]]\n", stderr);
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	args.cgroup = fd;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die(argv[1]);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use(argv[2], argc > 3 ? strtoul(argv[3], NULL, 0) : 1, argc > 4 ? argv[4] : "");
	}
	return waitpid(pid, NULL, 0) < 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A user of memory who is never idle: a process in CGROUP that maps a file, and writes a word of each page of it, in turn, as
 * fast as it can.
 *
 *	mcr-touch CGROUP FILE
 *
 * Prints "ready PID" when each page is in its page table. At SIGUSR1 and in the end, at SIGTERM, it tells of the time since it was
 * ready, or has told before:
 *
 *	pages=N rounds=N faults=N longest_usec=N lost=N
 *
 * pages of the file; times it has come to the end of it; page faults of any kind; the longest time between two looks at the clock, which
 * there is one of every 64 pages; words that were not what it had written.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "util.h"

#define PAGES_PER_LOOK 64

struct user {
	volatile uint64_t *at;
	size_t pages, words;		/* of the file; of a page */
	uint64_t round, since_round, lost, longest_usec;
	long faults_before;
};

static volatile sig_atomic_t asked, over;

static void on_signal(int sig)
{
	asked = 1;
	over |= sig == SIGTERM;
}

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static long faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt + u.ru_majflt;
}

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * MCR_USEC_PER_SEC + ts.tv_nsec / MCR_NSEC_PER_USEC;
}

static void tell(struct user *u)
{
	printf("pages=%zu rounds=%llu faults=%ld longest_usec=%llu lost=%llu\n", u->pages,
	       (unsigned long long)(u->round - u->since_round), faults() - u->faults_before,
	       (unsigned long long)u->longest_usec, (unsigned long long)u->lost);
	fflush(stdout);
	u->since_round = u->round;
	u->longest_usec = 0;
	u->faults_before = faults();
}

static void touch_all(struct user *u)
{
	uint64_t before = now_usec(), now;

	for (size_t i = 0; i < u->pages; i++) {
		volatile uint64_t *word = u->at + i * u->words;

		u->lost += *word != u->round;
		*word = u->round + 1;
		if (i % PAGES_PER_LOOK)
			continue;
		now = now_usec();
		if (now - before > u->longest_usec)
			u->longest_usec = now - before;
		before = now;
	}
	u->round++;
}

static struct user map(const char *path)
{
	struct user u = { .words = sysconf(_SC_PAGESIZE) / sizeof(uint64_t) };
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	u.pages = st.st_size / sysconf(_SC_PAGESIZE);
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		die("mmap");
	u.at = at;
	for (size_t i = 0; i < u.pages; i++)
		u.at[i * u.words] = 0;
	close(fd);
	return u;
}

static _Noreturn void use(const char *path)
{
	struct user u = map(path);

	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);
	touch_all(&u);
	tell(&u);		/* so that all it needs for telling is there */
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	u.faults_before = faults();
	while (!over) {
		touch_all(&u);
		if (asked) {
			asked = 0;
			tell(&u);
		}
	}
	exit(u.lost != 0);
}

int main(int argc, char **argv)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int fd = argc < 3 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	pid_t pid;

	if (fd < 0) {
		fputs("usage: mcr-touch CGROUP FILE\n", stderr);
		return 2;
	}
	args.cgroup = fd;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die("clone3");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use(argv[2]);
	}
	if (waitpid(pid, &status, 0) < 0)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

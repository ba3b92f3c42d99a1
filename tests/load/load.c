/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes cgroups live and die, the way a service manager does, but without one: for scenarios and
 * benchmarks.  Each cgroup is made below DIR, a child is started in it, touches memory, ends, and
 * the cgroup is removed.
 *
 *	mcr-load zombies DIR N FILES       the child leaves a tmpfs page in FILES/<n>: the cgroup cannot go
 *	mcr-load services DIR N RATE FILES the child writes and reads a file of 64 KiB; RATE a second, 0: as fast
 *	                                   as it goes
 *	mcr-load append DIR N RATE FILE    the child appends a page to FILE
 *	mcr-load one DIR N RATE FILES      as services, all in one cgroup DIR that is there: what the files alone cost
 *	mcr-load cgroups DIR N             makes N cgroups and leaves them
 *	mcr-load clear DIR                 removes all cgroups below DIR
 *
 * Prints how many removals were refused (EBUSY) and how many failed otherwise; exits 1 in that case.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "fileio.h"
#include "util.h"

struct run {
	int dir_fd;
	const char *files;
	size_t bytes;
	bool append, one;
	unsigned int refused, failed;
};

static int append(const struct run *r)
{
	static char buf[4096];
	int fd = open(r->files, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	return fd < 0 || write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf);
}

static int touch(const struct run *r, unsigned int n)
{
	static char buf[65536];
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%u", r->files, n);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 || write(fd, buf, r->bytes) != (ssize_t)r->bytes ||
	       pread(fd, buf, r->bytes, 0) != (ssize_t)r->bytes;
}

/* A child that begins its life in the cgroup: nothing of ours is charged there. */
static pid_t start_in(int cgroup_fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static int live_and_die(struct run *r, unsigned int n)
{
	auto_(closep) int fd = -EBADF;
	char name[64];
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), r->one ? "." : "load-%u", n);
	if (!r->one && mkdirat(r->dir_fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(r->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	pid = start_in(fd);
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(r->append ? append(r) : touch(r, n));
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		return -EIO;
	if (r->one || unlinkat(r->dir_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == EBUSY) {
		r->refused++;
	} else {
		perror(name);
		r->failed++;
	}
	return 0;
}

static void wait_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / MCR_NSEC_PER_SEC, .tv_nsec = ns % MCR_NSEC_PER_SEC };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int run_many(struct run *r, unsigned int n, unsigned int rate)
{
	uint64_t start = mcr_now_ns();

	if (!r->append)
		mkdir(r->files, 0700);
	for (unsigned int i = 0; i < n; i++) {
		int e = live_and_die(r, i);

		if (e < 0) {
			fprintf(stderr, "cgroup %u: %s\n", i, strerror(-e));
			return 1;
		}
		if (rate)
			wait_until(start + (i + 1) * MCR_NSEC_PER_SEC / rate);
	}
	printf("made %u refused %u failed %u msec %" PRIu64 "\n", n, r->refused, r->failed,
	       (mcr_now_ns() - start) / 1000000);
	return r->failed > 0;
}

static int make_cgroups(int dir_fd, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "live-%u", i);
		if (mkdirat(dir_fd, name, 0755) < 0) {
			perror(name);
			return 1;
		}
	}
	return 0;
}

static int clear(int dir_fd)
{
	DIR *dir = fdopendir(dup(dir_fd));
	struct dirent *e;
	int failed = 0;

	while (dir && (e = readdir(dir)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			failed |= unlinkat(dir_fd, e->d_name, AT_REMOVEDIR) < 0 && errno != EBUSY;
	if (dir)
		closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	struct run r = { .dir_fd = argc > 2 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1 };

	if (argc > 2 && r.dir_fd < 0) {
		perror(argv[2]);
		return 1;
	}
	if (argc == 5 && strcmp(argv[1], "zombies") == 0) {
		r.files = argv[4];
		r.bytes = 4096;
		return run_many(&r, atoi(argv[3]), 0);
	}
	r.append = argc == 6 && strcmp(argv[1], "append") == 0;
	r.one = argc == 6 && strcmp(argv[1], "one") == 0;
	if (r.append || r.one || (argc == 6 && strcmp(argv[1], "services") == 0)) {
		r.files = argv[5];
		r.bytes = 65536;
		return run_many(&r, atoi(argv[3]), atoi(argv[4]));
	}
	if (argc == 4 && strcmp(argv[1], "cgroups") == 0)
		return make_cgroups(r.dir_fd, atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "clear") == 0)
		return clear(r.dir_fd);
	fprintf(stderr, "usage: mcr-load zombies|services|append|one|cgroups|clear DIR ...\n");
	return 2;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes one known pin.  A child that begins its life in CGROUP touches the memory; what else it had goes with it.
 *
 *	mcr-pin CGROUP file PATH OFFSET LEN...	reads these parts of a file (or device), no more
 *	mcr-pin CGROUP write PATH LEN		writes a file
 *	mcr-pin CGROUP memfd NAME LEN		then waits, holding it open
 *	mcr-pin CGROUP sysv KEY LEN		makes a segment, which stays; KEY as strtoul takes it
 *	mcr-pin CGROUP shared LEN		shared anonymous memory, then waits
 *	mcr-pin CGROUP anon LEN OTHER		private memory of a process that moves to the cgroup OTHER and waits
 *	mcr-pin CGROUP huge LEN OTHER		the same in huge pages
 *	mcr-pin CGROUP lock PATH LEN OTHER	maps and locks a file, moves, waits
 *	mcr-pin CGROUP tcp PORT OTHER		a listening socket on the loopback device, moves, waits
 *	mcr-pin CGROUP unix PATH OTHER		the same with a local socket
 *	mcr-pin CGROUP inotify PATH OTHER	watches it, moves, waits
 *	mcr-pin CGROUP defunct			a process that has ended; its parent waits, but not for it
 *
 * Prints "ready PID" when all is done (the process that waits), or "ready SHMID".
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "util.h"

#define HUGE_BYTES (2UL << 20)

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static pid_t start_in(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	pid_t pid = fd < 0 ? -1 : syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die(dir);
	close(fd);
	return pid;
}

static int ready(long id)
{
	printf("ready %ld\n", id);
	fflush(stdout);
	return 0;
}

static int ready_and_wait(void)
{
	ready(getpid());
	pause();
	return 0;
}

static int read_parts(const char *path, char **part)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		die(path);
	for (; part[0] && part[1]; part += 2) {
		off_t at = strtoull(part[0], NULL, 0), end = at + strtoull(part[1], NULL, 0);

		for (; at < end; at += 4096)
			if (pread(fd, buf, 4096, at) < 0)
				die(path);
	}
	return 0;
}

static int write_file(const char *path, size_t len)
{
	static char buf[4096];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	for (size_t at = 0; at < len; at += sizeof(buf))
		if (fd < 0 || pwrite(fd, buf, sizeof(buf), at) < 0)
			die(path);
	return 0;
}

/*
 * Somebody else touches what is mapped here already, in the cgroup; then it is touched here too, so that the pages are
 * mapped by one who stays.
 */
static void touch_in(const char *dir, char *at, size_t len)
{
	pid_t pid = start_in(dir);
	int status;

	if (pid == 0) {
		for (size_t i = 0; i < len; i += 4096)
			at[i] = 1;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		die("child");
	for (size_t i = 0; i < len; i += 4096)
		*(volatile char *)(at + i);
}

static char *map(int flags, int fd, size_t len)
{
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static int memfd(const char *dir, const char *name, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, len) < 0)
		die("memfd");
	touch_in(dir, map(MAP_SHARED, fd, len), len);
	return ready_and_wait();
}

static int sysv(const char *dir, key_t key, size_t len)
{
	int id = shmget(key, len, IPC_CREAT | 0600);
	char *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (at == (void *)-1)
		die("shm");
	touch_in(dir, at, len);
	return ready(id);
}

static void move_to(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static int anon(const char *dir, size_t len, const char *other, bool huge)
{
	if (start_in(dir) == 0) {
		char *at = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, len + HUGE_BYTES);

		at += HUGE_BYTES - (uintptr_t)at % HUGE_BYTES;
		madvise(at, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		memset(at, 1, len);
		move_to(other);
		_exit(ready_and_wait());
	}
	wait(NULL);
	return 0;
}

static int lock(const char *dir, const char *path, size_t len, const char *other)
{
	if (start_in(dir) == 0) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

		if (at == MAP_FAILED || mlock(at, len) < 0)
			die(path);
		move_to(other);
		_exit(ready_and_wait());
	}
	wait(NULL);
	return 0;
}

static int listen_tcp(const char *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1);
}

/* What stays open when its process moves. */
static int open_and_move(const char *dir, const char *kind, const char *arg, const char *other)
{
	if (start_in(dir) == 0) {
		int failed = strcmp(kind, "tcp") == 0  ? listen_tcp(arg) :
			     strcmp(kind, "unix") == 0 ? listen_unix(arg) :
							 inotify_add_watch(inotify_init1(IN_CLOEXEC), arg, IN_MODIFY) < 0;

		if (failed)
			die(kind);
		move_to(other);
		_exit(ready_and_wait());
	}
	wait(NULL);
	return 0;
}

static int defunct(const char *dir)
{
	pid_t pid = start_in(dir);
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT) < 0)
		die("waitid");
	ready(pid);
	pause();
	return 0;
}

/* What a child does and leaves. */
static int in_child(const char *dir, char **argv)
{
	pid_t pid = start_in(dir);
	int status;

	if (pid == 0)
		_exit(strcmp(argv[0], "file") == 0 ? read_parts(argv[1], argv + 2) :
						     write_file(argv[1], strtoul(argv[2], NULL, 0)));
	return waitpid(pid, &status, 0) < 0 || status ? 1 : ready(0);
}

int main(int argc, char **argv)
{
	const char *dir = argv[1], *kind = argc > 2 ? argv[2] : "";

	if (argc > 4 && (strcmp(kind, "file") == 0 || strcmp(kind, "write") == 0))
		return in_child(dir, argv + 2);
	if (argc == 5 && strcmp(kind, "memfd") == 0)
		return memfd(dir, argv[3], strtoul(argv[4], NULL, 0));
	if (argc == 5 && strcmp(kind, "sysv") == 0)
		return sysv(dir, strtoul(argv[3], NULL, 0), strtoul(argv[4], NULL, 0));
	if (argc == 4 && strcmp(kind, "shared") == 0) {
		size_t len = strtoul(argv[3], NULL, 0);

		touch_in(dir, map(MAP_SHARED | MAP_ANONYMOUS, -1, len), len);
		return ready_and_wait();
	}
	if (argc == 5 && (strcmp(kind, "anon") == 0 || strcmp(kind, "huge") == 0))
		return anon(dir, strtoul(argv[3], NULL, 0), argv[4], kind[0] == 'h');
	if (argc == 6 && strcmp(kind, "lock") == 0)
		return lock(dir, argv[3], strtoul(argv[4], NULL, 0), argv[5]);
	if (argc == 5 && (strcmp(kind, "tcp") == 0 || strcmp(kind, "unix") == 0 || strcmp(kind, "inotify") == 0))
		return open_and_move(dir, kind, argv[3], argv[4]);
	if (argc == 3 && strcmp(kind, "defunct") == 0)
		return defunct(dir);
	fputs("usage: mcr-pin CGROUP file|write|memfd|sysv|shared|anon|huge|lock|tcp|unix|inotify|defunct ...\n", stderr);
	return 2;
}

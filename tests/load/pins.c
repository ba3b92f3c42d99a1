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
 *	mcr-pin CGROUP fanotify PATH OTHER	the same by fanotify
 *	mcr-pin CGROUP ksm LEN OTHER		private memory, the same in all pages, that may be merged; moves, waits
 *	mcr-pin CGROUP swapin LEN OTHER		private memory that goes to swap; some is read back; moves, waits
 *	mcr-pin CGROUP connect PATH		to a local socket, and ends
 *	mcr-pin CGROUP unread PORT		to a TCP port; sends until nobody takes it any more, and ends
 *	mcr-pin CGROUP send tcp|unix|inotify ARG	opens it and sends it to a process that waits and does not receive
 *	mcr-pin CGROUP defunct			a process that has ended; its parent waits, but not for it
 *
 * Prints "ready PID" when all is done (the process that waits), or "ready SHMID".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/fanotify.h>
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

static int watch_inotify(const char *path)
{
	return inotify_add_watch(inotify_init1(IN_CLOEXEC), path, IN_MODIFY) < 0;
}

static int watch_fanotify(const char *path)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);

	return fanotify_mark(fd, FAN_MARK_ADD, FAN_CLOSE_WRITE, AT_FDCWD, path);
}

/* The first time pages are written to swap, and go with one of the next. */
static void reclaim_all(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/memory.reclaim", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (int i = 0; i < 10; i++, usleep(100000))
		if (fd < 0 || (write(fd, "64M", 3) < 0 && errno != EAGAIN))
			die(path);
	close(fd);
}

/* Private memory with a page that stands for all of them, or with some of it in swap. */
static int change_anon(const char *dir, const char *kind, size_t len, const char *other)
{
	if (start_in(dir) == 0) {
		bool merge = strcmp(kind, "ksm") == 0;
		volatile char *at = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, len);

		madvise((void *)at, len, MADV_NOHUGEPAGE);
		memset((void *)at, 1, len);
		if (merge)
			madvise((void *)at, len, MADV_MERGEABLE);
		else
			reclaim_all(dir);
		/* Forward, so that the kernel reads ahead, and stopping at various places. */
		for (size_t from = 0, pages = 21; !merge && from < len; from += 64 * 4096, pages = pages / 2 + 1)
			for (size_t i = 0; i < pages; i++)
				at[from + i * 4096]++;
		move_to(other);
		_exit(ready_and_wait());
	}
	wait(NULL);
	return 0;
}

static int connect_and_end(const char *dir, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int status;

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (start_in(dir) == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		_exit(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || write(fd, "x", 1) != 1);
	}
	return wait(&status) < 0 || status ? 1 : ready(0);
}

static int send_unread(const char *dir, const char *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	static char buf[65536];
	int status;

	if (start_in(dir) == 0) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
			die(port);
		for (int idle = 0; idle < 10; usleep(50000))
			idle = send(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 ? 0 : idle + 1;
		_exit(0);
	}
	return wait(&status) < 0 || status ? 1 : ready(0);
}

/* What stays open when its process moves. */
static int open_and_move(const char *dir, const char *kind, const char *arg, const char *other)
{
	if (start_in(dir) == 0) {
		int failed = strcmp(kind, "tcp") == 0  ? listen_tcp(arg) :
			     strcmp(kind, "unix") == 0 ? listen_unix(arg) :
			     kind[0] == 'f'	       ? watch_fanotify(arg) :
							 watch_inotify(arg);

		if (failed)
			die(kind);
		move_to(other);
		_exit(ready_and_wait());
	}
	wait(NULL);
	return 0;
}

/* The lowest descriptor that is free is the one of what is opened next. */
static int open_and_send(const char *dir, const char *kind, const char *arg)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec text = { .iov_base = (char *)"x", .iov_len = 1 };
	struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int pair[2], status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	if (start_in(dir) == 0) {
		int free_fd = dup(0), failed;

		close(free_fd);
		failed = strcmp(kind, "tcp") == 0  ? listen_tcp(arg) :
			 strcmp(kind, "unix") == 0 ? listen_unix(arg) :
						     watch_inotify(arg);
		memcpy(CMSG_DATA(&control.header), &free_fd, sizeof(free_fd));
		_exit(failed || sendmsg(pair[0], &m, 0) != 1);
	}
	if (wait(&status) < 0 || status)
		die(kind);
	return ready_and_wait();
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
	if (argc == 5 && (strcmp(kind, "tcp") == 0 || strcmp(kind, "unix") == 0 || strcmp(kind, "inotify") == 0 ||
			  strcmp(kind, "fanotify") == 0))
		return open_and_move(dir, kind, argv[3], argv[4]);
	if (argc == 5 && (strcmp(kind, "ksm") == 0 || strcmp(kind, "swapin") == 0))
		return change_anon(dir, kind, strtoul(argv[3], NULL, 0), argv[4]);
	if (argc == 4 && strcmp(kind, "connect") == 0)
		return connect_and_end(dir, argv[3]);
	if (argc == 4 && strcmp(kind, "unread") == 0)
		return send_unread(dir, argv[3]);
	if (argc == 5 && strcmp(kind, "send") == 0)
		return open_and_send(dir, argv[3], argv[4]);
	if (argc == 3 && strcmp(kind, "defunct") == 0)
		return defunct(dir);
	fputs("usage: mcr-pin CGROUP file|write|memfd|sysv|shared|anon|huge|lock|tcp|unix|inotify|fanotify|ksm|swapin|"
	      "connect|unread|send|defunct ...\n", stderr);
	return 2;
}

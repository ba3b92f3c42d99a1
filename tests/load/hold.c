/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holds shared memory in ways that stand against moving it.
 *
 *	mcr-hold CGROUP KIND [ARG]
 *
 * plain ARG		has the file ARG open, and maps it
 * maps ARG BYTES	maps so much of the file ARG, from its beginning, and touches nothing
 * seal-write, seal-future-write	a memfd with that seal
 * io-uring, aio, userfaultfd	a memfd, and one of those
 * xdp, kvm, vhost	a memfd, mapped, which is the memory of one of those
 * vfio			a memfd, and a container of VFIO without a device
 * spliced		a memfd, with pages of it in a pipe
 * posix ARG		POSIX shared memory of that name
 * segment ARG		a SysV segment with that key, which exists, attached; the target says nothing
 * mqueue ARG		a POSIX message queue with 512 messages of 8 KiB
 * pinned		a memfd; pages of it are a registered buffer of a process that has neither mapped nor open
 * in-flight		a memfd; another open file of it is in a message nobody has received
 * thread		a memfd that is open only in a second thread with descriptors of its own
 * hog ARG		no memory: waits until the file system is full, and then writes to the file ARG without end, and takes every
 *			block that becomes free
 * unfreezable		a memfd; waits for permission to open the file ARG, which nobody gives
 *
 * Prints "target PATH" and "ready PID", and waits in CGROUP.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "hold-devices.h"
#include "util.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define LEN (64 * 4096)

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static void start_in(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	pid_t pid = fd < 0 ? -1 : syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die(dir);
	close(fd);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	for (;;)
		pause();
}

static void ready(int fd)
{
	printf("target /proc/%d/fd/%d\nready %d\n", getpid(), fd, getpid());
	fflush(stdout);
}

static void wait_for_ever(int fd)
{
	ready(fd);
	for (;;)
		pause();
}

static char *map_bytes(int fd, size_t len)
{
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static char *map(int fd)
{
	return map_bytes(fd, LEN);
}

static int make_memfd(void)
{
	int fd = memfd_create("held", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char *at;

	if (fd < 0 || ftruncate(fd, LEN) < 0)
		die("memfd");
	at = map(fd);
	memset(at, 'x', LEN);
	munmap(at, LEN);
	return fd;
}

static int make_ring(void)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		die("io_uring");
	return ring;
}

/* The buffer's pages are held by the ring, and by nothing of ours that could be seen. */
static void pin(int fd)
{
	char *at = map(fd);
	struct iovec iov = { at, LEN };

	memset(at, 'y', LEN);
	if (syscall(SYS_io_uring_register, make_ring(), IORING_REGISTER_BUFFERS, &iov, 1) < 0)
		die("register");
	munmap(at, LEN);
	close(fd);
}

static void hold_pinned(int fd)
{
	int fds[2], r = pipe(fds);
	pid_t pid = r < 0 ? -1 : fork();
	char c;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(fd);
		if (write(fds[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	if (read(fds[0], &c, 1) != 1)
		die("pin");
	wait_for_ever(fd);
}

/* Also open as usual, so that it can be reached. */
static void hold_in_flight(int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 }, c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	struct cmsghdr *cmsg = (struct cmsghdr *)space;
	char path[64];
	int sockets[2], other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_RDWR | O_CLOEXEC);		/* an open file of its own */
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &other, sizeof(int));
	if (other < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0 || sendmsg(sockets[0], &msg, 0) != 1)
		die("send");
	close(other);
	wait_for_ever(fd);
}

static void *thread_main(void *arg)
{
	int fd;

	if (unshare(CLONE_FILES) < 0)
		die("unshare");
	fd = make_memfd();
	printf("target /proc/%d/task/%ld/fd/%d\nready %d\n", getpid(), (long)syscall(SYS_gettid), fd, getpid());
	fflush(stdout);
	for (;;)
		pause();
	return arg;
}

static void hold_in_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_main, NULL))
		die("thread");
	for (;;)
		pause();
}

static void hold_unfreezable(int fd, const char *file)
{
	ready(fd);
	open(file, O_RDONLY | O_CLOEXEC);
	for (;;)
		pause();
}

static void hog(const char *file)
{
	static char block[4096];
	struct statfs fs;
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ready(fd);
	while (fstatfs(fd, &fs) == 0 && fs.f_bfree)
		;
	for (;;)
		if (write(fd, block, sizeof(block)) < 0 && errno != ENOSPC)
			die(file);
}

/* False: it is none of those. */
static bool hold_by_device(const char *kind, int fd)
{
	if (strcmp(kind, "xdp") == 0)
		hold_xdp(map(fd), LEN);
	else if (strcmp(kind, "kvm") == 0)
		hold_kvm(map(fd), LEN);
	else if (strcmp(kind, "vhost") == 0)
		hold_vhost(map(fd), LEN);
	else if (strcmp(kind, "vfio") == 0)
		hold_vfio();
	else if (strcmp(kind, "spliced") == 0)
		hold_spliced(fd, LEN / 8);
	else
		return false;
	return true;
}

/* By the parent, who stays outside of CGROUP and never answers. */
static void never_permit(const char *file)
{
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);

	if (group < 0 || fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, file) < 0)
		die(file);
}

static void seal(int fd, int seals)
{
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		die("seal");
	wait_for_ever(fd);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[2] : "", *arg = argc > 3 ? argv[3] : "";
	aio_context_t aio = 0;
	int fd;

	if (strcmp(kind, "unfreezable") == 0)
		never_permit(arg);
	start_in(argv[1]);
	if (strcmp(kind, "thread") == 0)
		hold_in_thread();
	if (strcmp(kind, "hog") == 0)
		hog(arg);
	if (strcmp(kind, "mqueue") == 0)
		wait_for_ever(fill_mqueue(arg, 512));
	if (strcmp(kind, "posix") == 0)
		wait_for_ever(make_posix_shm(arg, LEN));
	if (strcmp(kind, "segment") == 0) {
		attach_segment(strtoul(arg, NULL, 0));
		wait_for_ever(STDIN_FILENO);
	}
	fd = strcmp(kind, "plain") == 0 || strcmp(kind, "maps") == 0 ? open(arg, O_RDWR | O_CLOEXEC) : make_memfd();
	if (fd < 0)
		die(arg);
	if (strcmp(kind, "plain") == 0)
		map(fd);
	else if (strcmp(kind, "maps") == 0)
		map_bytes(fd, strtoul(argc > 4 ? argv[4] : "", NULL, 0));
	else if (strcmp(kind, "seal-write") == 0)
		seal(fd, F_SEAL_WRITE);
	else if (strcmp(kind, "seal-future-write") == 0)
		seal(fd, F_SEAL_FUTURE_WRITE);
	else if (strcmp(kind, "io-uring") == 0)
		make_ring();
	else if (strcmp(kind, "aio") == 0)
		syscall(SYS_io_setup, 4, &aio);
	else if (strcmp(kind, "userfaultfd") == 0)
		syscall(SYS_userfaultfd, O_CLOEXEC);
	else if (strcmp(kind, "pinned") == 0)
		hold_pinned(fd);
	else if (strcmp(kind, "in-flight") == 0)
		hold_in_flight(fd);
	else if (strcmp(kind, "unfreezable") == 0)
		hold_unfreezable(fd, arg);
	else if (!hold_by_device(kind, fd))
		return 2;
	wait_for_ever(fd);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shares memory with a cgroup that pays for it: a child that begins its life in MAKER fills an object with random
 * bytes and ends; this process maps it, waits, and has a copy of its own to compare with.
 *
 *	mcr-share MAKER KIND LEN [ARG]
 *
 * file ARG		a new file of this name
 * memfd, sealed, future	a memfd; with F_SEAL_WRITE; with F_SEAL_FUTURE_WRITE
 * sysv			a segment, removed when this process ends
 * shared		shared anonymous memory
 * locked		a memfd, locked into memory
 * busy			a memfd that is read from end to end all the time
 *
 * Prints "ready PID", or "ready PID SHMID".  On SIGTERM it compares: prints "same" or "differs", and exits with 0 or
 * 1.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

static int die(const char *what)
{
	perror(what);
	exit(2);
}

static void *map(int fd, int prot, int flags, size_t len)
{
	void *at = mmap(NULL, len, prot, flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

/* In the maker's cgroup, which is charged for what it touches first. */
static void fill(const char *dir, char *at, const char *content, size_t len)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = fd };
	pid_t pid = fd < 0 ? -1 : syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die(dir);
	if (pid == 0) {
		memcpy(at, content, len);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		die("child");
	close(fd);
}

static char *make_content(size_t len)
{
	char *content = map(-1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, len);
	size_t done = 0;

	while (done < len) {
		ssize_t n = getrandom(content + done, len - done, 0);

		if (n < 0)
			die("getrandom");
		done += n;
	}
	return content;
}

static char *make_segment(size_t len, int *ret_id)
{
	void *at;

	*ret_id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
	at = *ret_id < 0 ? (void *)-1 : shmat(*ret_id, NULL, 0);
	if (at == (void *)-1)
		die("shm");
	shmctl(*ret_id, IPC_RMID, NULL);	/* it goes with the last who has it */
	return at;
}

static int make_fd(const char *kind, const char *path, size_t len)
{
	int fd = strcmp(kind, "file") == 0 ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) :
					     memfd_create(kind, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, len) < 0)
		die(kind);
	return fd;
}

/* F_SEAL_WRITE wants that nobody has mapped it for writing. */
static char *seal(int fd, int seals, char *at, size_t len)
{
	munmap(at, len);
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		die("seal");
	return map(fd, PROT_READ, MAP_PRIVATE, len);
}

static char *make(const char *dir, const char *kind, size_t len, const char *path, const char *content, int *ret_id)
{
	bool shared = strcmp(kind, "shared") == 0, segment = strcmp(kind, "sysv") == 0;
	int fd = shared || segment ? -1 : make_fd(kind, path, len);
	char *at = segment ? make_segment(len, ret_id) :
		   map(fd, PROT_READ | PROT_WRITE, shared ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, len);

	fill(dir, at, content, len);
	if (strcmp(kind, "sealed") == 0)
		at = seal(fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, at, len);
	else if (strcmp(kind, "future") == 0)
		at = seal(fd, F_SEAL_FUTURE_WRITE, at, len);
	else if (strcmp(kind, "locked") == 0 && mlock(at, len) < 0)
		die("mlock");
	return at;
}

/* Mapped by one who stays; read so as to be in this page table too. */
static void read_all(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		((const volatile char *)at)[i];
}

int main(int argc, char **argv)
{
	size_t len = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	char *at, *content;
	int id = -1;
	bool same;

	if (argc < 4 || !len) {
		fputs("usage: mcr-share MAKER KIND LEN [ARG]\n", stderr);
		return 2;
	}
	signal(SIGTERM, on_term);
	content = make_content(len);
	at = make(argv[1], argv[2], len, argc > 4 ? argv[4] : "", content, &id);
	read_all(at, len);
	printf(id < 0 ? "ready %d\n" : "ready %d %d\n", getpid(), id);
	fflush(stdout);
	while (!over) {
		if (strcmp(argv[2], "busy") == 0)
			read_all(at, len);
		else
			usleep(100000);
	}
	same = memcmp(at, content, len) == 0;
	puts(same ? "same" : "differs");
	return !same;
}

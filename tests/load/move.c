/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/rewrite, driven by hand.  OWNER and OTHER are directories of cgroups.
 *
 *	mcr-move one OWNER PATH [KEY=VALUE...]		moves one object; prints what came of it in one line
 *	mcr-move fro OWNER OTHER SECONDS PATH...	moves all to and fro; ends with them at OWNER
 *	mcr-move kill OWNER OTHER KILLS PATH...		the same, with a SIGKILL at a random moment of each move, and a repair
 *
 * PATH: a file, /proc/PID/fd/N, /proc/PID/map_files/RANGE, or sysv:SHMID.
 * Keys: pause (ms; with a slow kernel, see MCR_SLOW of tests/vm/run, that many times as long), min, max (bytes of a part),
 * dry, proc (1).
 * Exit status: 0 moved, 1 refused, 2 an error.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "chunklog.h"
#include "fileio.h"
#include "hierarchy.h"
#include "holderwalk.h"
#include "rewrite.h"
#include "shmobject.h"
#include "util.h"

#define CAPACITY (4UL << 20)
#define AIM_NSEC 8000000	/* what moving a part takes, or so */

static struct mcr_hierarchy *h;
static struct mcr_chunklog *journal;
static bool proc_only;
static struct mcr_rewrite_opts opts = { .sz = sizeof(opts) };

static int die(const char *what, int r)
{
	fprintf(stderr, "mcr-move: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(2);
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static void print_result(int r, const struct mcr_rewrite_result *res)
{
	printf("r=%d strategy=%s refusal=%s pid=%d data=%" PRIu64 " moved=%" PRIu64 " chunks=%" PRIu64 " over=%" PRIu64
	       " longest=%" PRIu64 " pause=%" PRIu64 " freeze=%" PRIu64 " chunk=%" PRIu64 " grown=%" PRIu64 " retries=%" PRIu64 " disturbed=%" PRIu64
	       " users=%zu cgroups=%zu\n",
	       r, mcr_rewrite_strategy_name(res->strategy), mcr_refusal_name(res->refusal), res->refused_pid, res->data_bytes,
	       res->moved_bytes, res->chunks, res->chunks_over, res->longest_pause_usec, res->pause_usec,
	       res->longest_freeze_usec, res->chunk_bytes, res->fs_grown_bytes, res->retries, res->disturbed, res->users, res->cgroups);
	fflush(stdout);
}

static unsigned int slowness(void)
{
	const char *factor = getenv("MCR_SLOW");

	return factor ? strtoul(factor, NULL, 10) : 1;
}

static void read_keys(char **argv)
{
	for (; *argv; argv++) {
		uint64_t value = 0;
		char *eq = strchr(*argv, '=');

		if (!eq || mcr_parse_u64(eq + 1, &value) < 0)
			die(*argv, EINVAL);
		*eq = '\0';
		if (strcmp(*argv, "pause") == 0)
			opts.max_pause_usec = value * 1000 * slowness();
		else if (strcmp(*argv, "min") == 0)
			opts.chunk_min = value;
		else if (strcmp(*argv, "max") == 0)
			opts.chunk_max = value;
		else if (strcmp(*argv, "proc") == 0)
			proc_only = value;
		else if (strcmp(*argv, "dry") == 0)
			opts.dry_run = value;
		else
			die(*argv, EINVAL);
	}
}

/* 0, 1, or the end. */
static int open_object(const char *path, struct mcr_shmobject *o, struct mcr_rewrite_result *res)
{
	int r = strncmp(path, "sysv:", 5) == 0 ? mcr_shmobject_open_sysv(atoi(path + 5), o, &res->refusal) :
						 mcr_shmobject_open(path, o, &res->refusal);

	if (r < 0)
		die(path, r);
	return r;
}

/* Loading the programs takes a second in an emulated guest: only where they are used. */
static void load_walk(void)
{
	const char *why = "";
	int r = proc_only ? 0 : mcr_holderwalk_new(&opts.walk, &why);

	if (r < 0)
		die(why, r);
}

static int one(char **argv)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	struct mcr_rewrite_result res = { 0 };
	int r;

	opts.owner_fd = open_dir(argv[0]);
	read_keys(argv + 2);
	r = open_object(argv[1], &o, &res);
	if (r == 0) {
		load_walk();
		r = mcr_rewrite(&opts, journal, &o, &res);
	}
	print_result(r, &res);
	mcr_shmobject_close(&o);
	return r < 0 ? 2 : r;
}

static void add(struct mcr_rewrite_result *sum, const struct mcr_rewrite_result *res)
{
	sum->strategy = res->strategy;
	sum->moved_bytes += res->moved_bytes;
	sum->chunks += res->chunks;
	sum->chunks_over += res->chunks_over;
	sum->pause_usec += res->pause_usec;
	sum->retries += res->retries;
	sum->disturbed += res->disturbed;
	sum->chunk_bytes = res->chunk_bytes;
	if (res->longest_pause_usec > sum->longest_pause_usec)
		sum->longest_pause_usec = res->longest_pause_usec;
	if (res->longest_freeze_usec > sum->longest_freeze_usec)
		sum->longest_freeze_usec = res->longest_freeze_usec;
}

/* Moves one, to the end. */
static int move(const char *path, int owner_fd, struct mcr_rewrite_result *sum)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	struct mcr_rewrite_result res = { 0 };
	int r = open_object(path, &o, &res);

	opts.owner_fd = owner_fd;
	if (r == 0)
		r = mcr_rewrite(&opts, journal, &o, &res);
	mcr_shmobject_close(&o);
	if (r)
		print_result(r, &res);
	add(sum, &res);
	return r;
}

static int fro(char **argv)
{
	int owners[] = { open_dir(argv[0]), open_dir(argv[1]) }, r = 0, to = 1;
	uint64_t end = mcr_now_ns() + strtoull(argv[2], NULL, 10) * MCR_NSEC_PER_SEC;
	struct mcr_rewrite_result sum = { 0 };

	for (bool last = false; r == 0; to = !to) {
		for (char **path = argv + 3; r == 0 && *path; path++)
			r = move(*path, owners[to], &sum);
		if (last)
			break;
		last = to == 1 && mcr_now_ns() > end;
	}
	print_result(r, &sum);
	return r != 0;
}

/* ---- Killing ---- */

/* What is kept outlives the one who is killed, as with the service manager. */
static int store_socket = -1, kept_guard = -EBADF;

static void send_fd(int fd, const char *name)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 }, c = name[0];
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *cmsg = (struct cmsghdr *)space;

		msg.msg_control = space;
		msg.msg_controllen = sizeof(space);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	} else {
		c = '-';
	}
	if (sendmsg(store_socket, &msg, 0) != 1 || read(store_socket, &c, 1) != 1)
		_exit(2);
}

static int keep(int fd, const char *name, void *userdata)
{
	(void)userdata;
	if (name[0] == 'g')	/* the object is there already */
		send_fd(fd, name);
	return 0;
}

static void drop(const char *name, void *userdata)
{
	(void)userdata;
	if (name[0] == 'g')
		send_fd(-1, name);
}

static void serve_store(int socket)
{
	char space[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };

	if (recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return;
	kept_guard = close_fd(kept_guard);
	if (CMSG_FIRSTHDR(&msg) && CMSG_FIRSTHDR(&msg)->cmsg_type == SCM_RIGHTS)
		memcpy(&kept_guard, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	if (write(socket, "k", 1) < 0)
		kept_guard = close_fd(kept_guard);
}

static pid_t mover_of(pid_t pid)
{
	char path[64], text[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	mcr_read_at(AT_FDCWD, path, text, sizeof(text));
	return atoi(text);
}

static pid_t start_move(const struct mcr_shmobject *o, int sockets[2])
{
	struct mcr_rewrite_result res;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		die("socketpair", errno);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		store_socket = sockets[1];
		opts.keep = keep;
		opts.drop = drop;
		_exit(mcr_rewrite(&opts, journal, o, &res) != 0);
	}
	close(sockets[1]);
	return pid;
}

/* Waits for a part to be in the journal, and then a moment longer, without sleeping. */
static void take_aim(pid_t pid, int socket)
{
	siginfo_t ended = { 0 };
	uint64_t end;

	while (!mcr_chunklog_saved(journal) && waitid(P_PID, pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && !ended.si_pid)
		serve_store(socket);
	for (end = mcr_now_ns() + (uint64_t)random() % AIM_NSEC; mcr_now_ns() < end;)
		;
}

/* Whether a part is missing from the object where it is in the journal alone. */
static bool has_hole(const struct mcr_shmobject *o)
{
	struct mcr_chunk c;

	if (mcr_chunklog_chunk(journal, &c) != 1)
		return false;
	for (uint32_t i = 0; i < c.n_extents; i++)
		if (lseek(o->fd, c.extents[i].offset, SEEK_HOLE) < (off_t)(c.extents[i].offset + c.extents[i].len))
			return true;
	return false;
}

/* Ends it after so long, itself or its mover alone. True if it was not done by then. */
static bool run_and_kill(const struct mcr_shmobject *o, uint64_t usec, bool mover_only, bool aimed)
{
	int sockets[2], status;
	uint64_t end = mcr_now_ns() + usec * MCR_NSEC_PER_USEC;
	pid_t pid = start_move(o, sockets), mover;

	while (mcr_now_ns() < end && waitpid(pid, &status, WNOHANG) == 0) {
		serve_store(sockets[0]);
		usleep(100);
	}
	if (aimed)
		take_aim(pid, sockets[0]);
	mover = mover_only && waitpid(pid, &status, WNOHANG) == 0 ? mover_of(pid) : 0;
	if (mover > 0) {
		kill(mover, SIGKILL);
		while (waitpid(pid, &status, WNOHANG) == 0) {
			serve_store(sockets[0]);
			usleep(100);
		}
	} else {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(sockets[0]);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

struct kills {
	uint64_t moves, killed, dirty, holes, usec;
};

static void kill_one(const char *path, struct kills *k)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	struct mcr_rewrite_result res = { 0 };
	uint64_t begin = mcr_now_ns(), usec = (uint64_t)random() % (k->usec + k->usec / 8 + 2000);
	int r = open_object(path, &o, &res);
	bool dirty;

	if (r)
		die(mcr_refusal_name(res.refusal), EBUSY);
	k->moves++;
	if (run_and_kill(&o, usec, random() % 3 == 0, random() % 2))
		k->killed++;
	else
		k->usec = (mcr_now_ns() - begin) / 1000;	/* how long a whole one takes */
	dirty = mcr_chunklog_dirty(journal);
	k->holes += has_hole(&o);
	r = mcr_rewrite_repair(h, opts.owner_fd, journal, o.fd);
	if (r < 0)
		die("repair", r);
	k->dirty += dirty;
	kept_guard = close_fd(kept_guard);
	mcr_shmobject_close(&o);
}

static int kill_all(char **argv)
{
	int owners[] = { open_dir(argv[0]), open_dir(argv[1]) };
	uint64_t kills = strtoull(argv[2], NULL, 10);
	struct mcr_rewrite_result sum = { 0 };
	uint64_t begin = mcr_now_ns();
	struct kills k = { 0 };
	int r = 0;

	for (size_t i = 3; r == 0 && argv[i]; i++, k.usec = (mcr_now_ns() - begin) / 1000 / (i - 3))
		r = move(argv[i], owners[0], &sum);
	if (r)
		return r;

	for (int to = 1; k.killed < kills; to = !to) {
		opts.owner_fd = owners[to];
		for (char **path = argv + 3; *path && k.killed < kills; path++)
			kill_one(*path, &k);
	}
	printf("moves=%" PRIu64 " killed=%" PRIu64 " dirty=%" PRIu64 " holes=%" PRIu64 " usec=%" PRIu64 "\n", k.moves, k.killed, k.dirty, k.holes,
	       k.usec);
	opts.keep = NULL;
	opts.drop = NULL;
	for (char **path = argv + 3; r == 0 && *path; path++)
		r = move(*path, owners[0], &sum);
	print_result(r, &sum);
	return r != 0;
}

int main(int argc, char **argv)
{
	const char *why = "";
	int r = mcr_hierarchy_find(&h, &why);

	if (r < 0)
		die(why, r);
	r = mcr_chunklog_new(CAPACITY, &journal);
	if (r < 0)
		die("journal", r);
	srandom(getpid());
	opts.h = h;
	opts.max_pause_usec = 50000 * slowness();
	if (argc >= 2 && strcmp(argv[1], "one") != 0)
		load_walk();
	if (argc >= 4 && strcmp(argv[1], "one") == 0)
		return one(argv + 2);
	if (argc >= 6 && strcmp(argv[1], "fro") == 0)
		return fro(argv + 2);
	if (argc >= 6 && strcmp(argv[1], "kill") == 0)
		return kill_all(argv + 2);
	return 2;
}

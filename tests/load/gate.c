/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate alone, with this process for the daemon: which of its own removals it is refused.
 *
 *	mcr-gate SLICE
 *
 * SLICE is an empty cgroup with the memory controller for its children. Prints a line for each removal: what it was, what
 * rmdir said, and how often the gate has put the daemon off so far (reuse_waits).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "gate.h"
#include "util.h"

#define CHARGED (4 << 20)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void join(const char *cgroup)
{
	auto_(freep) char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/cgroup.procs", cgroup) < 0)
		die(cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

/* A child that joins, charges what fd has, and waits to be killed. */
static pid_t start_member(const char *cgroup, int memory_fd)
{
	int ready[2];
	char byte = 0;
	pid_t pid = -1;

	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		join(cgroup);
		if (memory_fd >= 0 && posix_fallocate(memory_fd, 0, CHARGED))
			die("fallocate");
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("member");
	close(ready[0]);
	return pid;
}

static void stop_member(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const char *outcome(int error)
{
	return error ? strerrorname_np(error) : "gone";
}

/* As anybody but the daemon: the gate goes by the process. */
static int remove_as_other(const char *cgroup)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(rmdir(cgroup) < 0 ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die("fork");
	return WEXITSTATUS(status);
}

static int remove_as_daemon(const char *cgroup)
{
	return rmdir(cgroup) < 0 ? errno : 0;
}

static void tell(const struct mcr_gate *g, const char *what, int error)
{
	struct mcr_gate_counters c;

	mcr_gate_counters(g, &c);
	printf("%s: %s, %" PRIu64 "\n", what, outcome(error), c.reuse_waits);
}

static void ignore(const struct mcr_gate_event *event, void *userdata)
{
	(void)event;
	(void)userdata;
}

static struct mcr_gate *new_gate(const char *slice)
{
	const struct mcr_gate_opts opts = {
		.mount = "/sys/fs/cgroup", .heartbeat_max_ns = 600 * MCR_NSEC_PER_SEC, .held_max = 16,
	};
	const struct mcr_gate_rule rule = { .hold_max_ns = 600 * MCR_NSEC_PER_SEC, .hold = true };
	struct mcr_gate_range range = { .n = 1 };
	struct mcr_gate *g = NULL;
	const char *why = NULL;
	struct stat st;

	if (stat(slice, &st) < 0)
		die(slice);
	errno = -mcr_gate_new(&opts, ignore, NULL, &g, &why);
	if (errno)
		die(why);
	mcr_gate_make(g, 1);
	errno = -mcr_gate_add_rule(g, &rule, &range.first);
	if (!errno)
		errno = -mcr_gate_cover(g, st.st_ino, range);
	if (errno)
		die("rule");
	mcr_gate_put_in_force(g, &opts);
	mcr_gate_heartbeat(g);
	return g;
}

static bool yes(uint64_t id, void *userdata)
{
	(void)id;
	(void)userdata;
	return true;
}

static bool no(uint64_t id, void *userdata)
{
	(void)id;
	(void)userdata;
	return false;
}

/* Used at the first look, left at the second. */
static bool by_then(uint64_t id, void *userdata)
{
	unsigned int *looks = userdata;

	(void)id;
	return (*looks)++ > 0;
}

/* It was seen in use; then its user went, and was refused the removal before the daemon let go. */
static void let_go_late(struct mcr_gate *g, const char *cgroup, uint64_t id)
{
	unsigned int looks = 0;

	stop_member(start_member(cgroup, -1));
	tell(g, "its user, done with it", remove_as_other(cgroup));
	printf("still used: held %d\n", mcr_gate_forget_used(g, id, no, NULL));
	tell(g, "let go", remove_as_daemon(cgroup));
	tell(g, "its user again", remove_as_other(cgroup));
	printf("left: held %d\n", mcr_gate_forget_used(g, id, yes, NULL) == MCR_GATE_HELD);
	tell(g, "held anew", remove_as_other(cgroup));
	printf("left by then: held %d\n", mcr_gate_forget_used(g, id, by_then, &looks) == MCR_GATE_HELD);
	tell(g, "held anew again", remove_as_other(cgroup));
}

int main(int argc, char **argv)
{
	auto_(mcr_gate_freep) struct mcr_gate *g = NULL;
	auto_(freep) char *cgroup = NULL;
	struct stat st;
	int memory_fd;
	pid_t member;

	if (argc != 2 || asprintf(&cgroup, "%s/cgroup", argv[1]) < 0)
		return 2;
	g = new_gate(argv[1]);
	memory_fd = memfd_create("charged", MFD_CLOEXEC);
	if (memory_fd < 0 || mkdir(cgroup, 0755) < 0)
		die(cgroup);
	tell(g, "not held", remove_as_daemon(cgroup));
	stop_member(start_member(cgroup, memory_fd));
	tell(g, "somebody else", remove_as_other(cgroup));
	member = start_member(cgroup, -1);
	tell(g, "in use", remove_as_daemon(cgroup));
	stop_member(member);
	if (stat(cgroup, &st) < 0)
		die(cgroup);
	let_go_late(g, cgroup, st.st_ino);
	tell(g, "held and empty", remove_as_daemon(cgroup));
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes of mcr-torture that do something to the cgroups: ask the kernel to recharge, make and remove cgroups that
 * leave memory behind, reclaim, and turn all switches there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fileio.h"
#include "torture.h"
#include "util.h"

#define LEFT	16	/* objects of removed cgroups that are still there */

static bool write_file(const char *path, const char *text)
{
	return mcr_write_at(AT_FDCWD, path, text) >= 0;
}

static enum torture_result result_of(int r)
{
	switch (r) {
	case 0:
		return R_DONE;
	case -EAGAIN:
		return R_BUSY;
	case -EDQUOT:
		return R_LIMIT;
	case -ENOENT: case -ENODEV:
		return R_GONE;
	case -EINVAL:
		return R_INVALID;
	case -EOPNOTSUPP: case -ECANCELED:
		return R_OFF;
	}
	return NR_RESULTS;
}

/* A living one, or any of those that are dying or gone. */
static uint64_t some_source(const struct torture *t)
{
	uint64_t id = torture_rand(2) ? t->shared->dying[torture_rand(TORTURE_DYING)] : 0;

	return id ? id : t->id[torture_rand(NR_CGROUPS)];
}

static void request(struct torture *t, uint64_t from, uint64_t to)
{
	static const unsigned int most[] = { 3, 64, 600, 3000 };
	enum torture_result result;
	char text[80];
	int r;

	if (torture_rand(2))
		snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, from, to);
	else
		snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %lu", from, to,
			 TORTURE_PAGE * (1 + torture_rand(most[torture_rand(4)])) + torture_rand(4096));
	r = mcr_write_at(AT_FDCWD, TORTURE_KNOBS "recharge", text);
	result = result_of(r);
	if (result == NR_RESULTS || (result == R_OFF && !t->switching)) {
		torture_bad(t, "recharge %s: %s", text, strerror(-r));
		return;
	}
	__atomic_add_fetch(&t->shared->results[result], 1, __ATOMIC_RELAXED);
	if (result == R_OFF)
		usleep(5000);
}

/* All that is refused as invalid here is a target in the source's subtree, or the source itself. */
void torture_move(struct torture *t)
{
	while (!t->shared->stop) {
		if (!t->recharging) {
			usleep(10000);
			continue;
		}
		request(t, some_source(t), t->id[torture_rand(NR_CGROUPS)]);
		if (torture_rand(16) == 0)
			usleep(torture_rand(20000));
	}
}

/* ---- Cgroups that come and go ---- */

struct left {
	int fd;
	char *map;
};

static void forget(struct left *l)
{
	if (l->map)
		munmap(l->map, 64 * TORTURE_PAGE);
	if (l->fd > 0)
		close(l->fd);
	*l = (struct left){ 0 };
}

/* The child's whole life: shared memory, a file on disk, private memory it takes elsewhere with it. */
static void live(struct torture *t, int fd)
{
	static char page[TORTURE_PAGE];
	unsigned int nr = 1 + torture_rand(64);
	int disk = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *private = mmap(NULL, nr * TORTURE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned int i = 0; i < nr; i++) {
		memset(page, i + 1, sizeof(page));
		if (pwrite(fd, page, sizeof(page), i * TORTURE_PAGE) != sizeof(page) ||
		    pwrite(disk, page, sizeof(page), i * TORTURE_PAGE) != sizeof(page))
			torture_bad(t, "writing in a new cgroup: %s", strerror(errno));
		private[i * TORTURE_PAGE] = i + 1;
	}
	torture_join(t, torture_rand(NR_LIVED_IN));
	usleep(torture_rand(500000));
	for (unsigned int i = 0; i < nr; i++)
		if (private[i * TORTURE_PAGE] != (char)(i + 1) ||
		    pread(disk, page, sizeof(page), i * TORTURE_PAGE) != sizeof(page) || page[77] != (char)(i + 1))
			torture_bad(t, "page %u of a new cgroup is lost", i);
	_exit(0);
}

static pid_t start_in(int cgroup_fd)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd };

	return syscall(SYS_clone3, &args, sizeof(args));
}

static bool is_empty(int cgroup_fd)
{
	char text[128];

	return mcr_read_at(cgroup_fd, "cgroup.procs", text, sizeof(text)) == 0;
}

/* Its memory is in use, or still is on the way to be so, when the cgroup goes. */
static void live_and_leave(struct torture *t, struct left *l, int fd)
{
	l->fd = memfd_create("left", MFD_CLOEXEC);
	if (ftruncate(l->fd, 64 * TORTURE_PAGE) < 0)
		torture_bad(t, "ftruncate: %s", strerror(errno));
	if (start_in(fd) == 0)
		live(t, l->fd);
	for (int i = 0; i < 1000 && !is_empty(fd); i++)
		usleep(1000);
	if (torture_rand(2))
		l->map = mmap(NULL, 64 * TORTURE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, l->fd, 0);
}

static void come_and_go(struct torture *t, struct left *l, unsigned int n)
{
	int parent = t->fd[torture_rand(2) ? CG_TOP : CG_DEEP], fd;
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), "new-%u", n);
	if (mkdirat(parent, name, 0755) < 0) {
		torture_bad(t, "mkdir: %s", strerror(errno));
		return;
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		torture_bad(t, "new cgroup: %s", strerror(errno));
		return;
	}
	live_and_leave(t, l, fd);
	t->shared->dying[n % TORTURE_DYING] = st.st_ino;
	for (int i = 0; i < 200 && unlinkat(parent, name, AT_REMOVEDIR) < 0; i++)
		usleep(5000);
	close(fd);
}

static void use_again(struct torture *t, const struct left *l)
{
	char page[TORTURE_PAGE];

	for (unsigned int i = 0; i < 64 && l->fd > 0; i++)
		if (pread(l->fd, page, sizeof(page), i * TORTURE_PAGE) != sizeof(page) ||
		    (page[0] && page[0] != (char)(i + 1)) || page[0] != page[4095])
			torture_bad(t, "page %u that was left is lost", i);
}

void torture_churn(struct torture *t)
{
	struct left left[LEFT] = { 0 };

	for (unsigned int n = 0; !t->shared->stop; n++) {
		struct left *l = &left[n % LEFT];

		forget(l);
		come_and_go(t, l, n);
		use_again(t, &left[torture_rand(LEFT)]);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	for (int i = 0; i < LEFT; i++)
		use_again(t, &left[i]);
}

/* ---- Reclaim, and switches ---- */

void torture_reclaim(struct torture *t)
{
	while (!t->shared->stop) {
		int fd = t->fd[torture_rand(NR_CGROUPS)];

		mcr_write_at(fd, "memory.reclaim", torture_rand(4) ? "1M" : "16M");
		if (torture_rand(16) == 0)
			write_file("/proc/sys/vm/compact_memory", "1");
		if (torture_rand(32) == 0)
			mcr_write_at(fd, "memory.high", "4M");
		usleep(torture_rand(100000));
		mcr_write_at(fd, "memory.high", "max");
	}
	for (int i = 0; i < NR_CGROUPS; i++)
		mcr_write_at(t->fd[i], "memory.high", "max");
}

static void read_dying(struct torture *t)
{
	char text[65536];
	int r = mcr_read_at(AT_FDCWD, "/sys/kernel/debug/memcg_recharge/dying", text, sizeof(text));

	if (r < 0 && r != -E2BIG)
		torture_bad(t, "the list of the dying: %s", strerror(-r));
}

void torture_switch(struct torture *t)
{
	static const char *const modes[] = { TORTURE_KNOBS "mapped", TORTURE_KNOBS "on_access", TORTURE_KNOBS "evict" };

	while (!t->shared->stop) {
		/* Kernels without generations have no such file. */
		if (torture_rand(8) == 0)
			write_file("/sys/kernel/mm/lru_gen/enabled", torture_rand(2) ? "7" : "0");
		usleep(torture_rand(200000));
		if (!t->recharging)
			continue;
		if (!write_file(modes[torture_rand(ARRAY_SIZE(modes))], torture_rand(2) ? "1" : "0"))
			torture_bad(t, "a mode cannot be switched: %s", strerror(errno));
		if (t->switching && torture_rand(16) == 0) {
			write_file(TORTURE_KNOBS "enabled", "0");
			usleep(torture_rand(20000));
			if (!write_file(TORTURE_KNOBS "enabled", "1"))
				torture_bad(t, "cannot be switched on again: %s", strerror(errno));
		}
		read_dying(t);
	}
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		write_file(modes[i], "0");
}

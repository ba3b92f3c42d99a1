/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shield.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "fileio.h"
#include "hierarchy.h"
#include "owner.h"
#include "pressure.h"
#include "restore.h"
#include "util.h"

#define STEP_BYTES_DEFAULT (32ULL << 20)
/* Room that must be left below a limit: what may be charged while the shield lasts. */
#define LIMIT_ROOM_BYTES (64ULL << 20)
#define SHIELD_MAX_NSEC MCR_NSEC_PER_SEC
/* Growth that is protected besides twice the usage, for cgroups that are small now. */
#define PROTECT_MORE_BYTES (16ULL << 20)
#define DECOY_NAME "memcg-reaper-decoy"
#define DECOY_PAGES 256

/* A live child, by id: there may be thousands, more than a process may have files open. */
struct sibling {
	uint64_t id;
	uint64_t stolen;	/* pages reclaimed from it or below so far, by anybody but kswapd */
};

struct siblings {
	struct sibling *at;
	size_t n, size;
};

static void siblings_free(struct siblings *s)
{
	free(s->at);
}

/* memory.stat's count of pages taken by direct reclaim, which a write to memory.reclaim is. */
static int read_stolen(int fd, uint64_t *ret)
{
	char stat[8192];
	uint64_t direct = 0, proactive = 0;
	int r = mcr_read_at(fd, "memory.stat", stat, sizeof(stat));

	if (r < 0)
		return r;
	mcr_keyed_u64(stat, "pgsteal_direct", &direct);
	mcr_keyed_u64(stat, "pgsteal_proactive", &proactive);	/* counted apart since 6.16 */
	*ret = direct + proactive;
	return 0;
}

static int append(struct siblings *s, const struct sibling *child)
{
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 64;
		struct sibling *bigger = realloc(s->at, size * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		s->at = bigger;
		s->size = size;
	}
	s->at[s->n++] = *child;
	return 0;
}

/* Is its own limit so near that it might need to reclaim from itself while it is protected? */
static bool near_limit(int fd, uint64_t usage)
{
	static const char *const limits[] = { "memory.max", "memory.high" };
	uint64_t limit;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (mcr_read_u64_at(fd, limits[i], &limit) < 0 || limit == UINT64_MAX)
			continue;
		if (usage + LIMIT_ROOM_BYTES > limit || usage + limit / 4 > limit)
			return true;
	}
	return false;
}

/*
 * Any live cgroup in the subtree near its limit?  1, 0, or errno.  Owner groups do not count: no process lives there that could
 * be killed, and an administrator's limit on one would keep everybody's zombies in the slice.
 */
static int subtree_near_limit(int fd, const char *name)
{
	uint64_t usage;
	struct dirent *e;
	DIR *dir;
	int r = 0;

	if (mcr_owner_is(name) || mcr_read_u64_at(fd, "memory.current", &usage) < 0)
		return 0;	/* or dead, or without the memory controller */
	if (near_limit(fd, usage))
		return 1;
	dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(dir))) {
		auto_(closep) int child = -EBADF;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = child < 0 ? 0 : subtree_near_limit(child, e->d_name);
	}
	closedir(dir);
	return r;
}

/* Raises a knob to the value unless it is that high already. */
static int raise_knob(struct mcr_restore *journal, int fd, const char *knob, uint64_t bytes)
{
	char text[32];
	uint64_t now;
	int r = mcr_read_u64_at(fd, knob, &now);

	if (r < 0 || now >= bytes)
		return r;
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	return mcr_restore_add(journal, fd, knob, text);
}

static int protect(struct mcr_restore *journal, int fd)
{
	uint64_t usage;
	int r = mcr_read_u64_at(fd, "memory.current", &usage);

	if (r == 0)
		r = raise_knob(journal, fd, "memory.min", 2 * usage + PROTECT_MORE_BYTES);
	if (r == 0)
		r = raise_knob(journal, fd, "memory.low", 2 * usage + PROTECT_MORE_BYTES);
	return r;
}

/* Notes what the child has lost so far and what its protection is to become. */
static int add_sibling(struct siblings *s, struct mcr_restore *journal, int parent_fd, const char *name)
{
	auto_(closep) int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sibling child;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;	/* removed since we saw it */
	r = subtree_near_limit(fd, name);
	if (r != 0)
		return r < 0 ? r : -EAGAIN;
	r = mcr_cgroup_id(fd, &child.id);
	if (r == 0)
		r = read_stolen(fd, &child.stolen);
	if (r == 0)
		r = protect(journal, fd);
	if (r == -ENODEV || r == -ENOENT)
		return 0;	/* dead, or without the memory controller: nothing to shield */
	return r < 0 ? r : append(s, &child);
}

static int list_siblings(int ancestor_fd, struct siblings *s, struct mcr_restore *journal)
{
	DIR *dir = fdopendir(openat(ancestor_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	int r = 0;

	if (!dir)
		return -errno;
	mcr_cgroup_flush_stats(ancestor_fd);
	while (r == 0 && (e = readdir(dir)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			r = add_sibling(s, journal, ancestor_fd, e->d_name);
	closedir(dir);
	return r;
}

/* The ancestor itself: its limits, and that nobody lives in it directly, unprotected. */
static int check_ancestor(int fd)
{
	uint64_t usage;
	char procs[8];

	if (mcr_read_u64_at(fd, "memory.current", &usage) == 0 && near_limit(fd, usage))
		return -EAGAIN;
	return mcr_read_at(fd, "cgroup.procs", procs, sizeof(procs)) == 0 ? 0 : -EAGAIN;
}

static int read_dying(int fd, uint64_t *ret)
{
	char stat[1024];
	int r = mcr_read_at(fd, "cgroup.stat", stat, sizeof(stat));

	return r < 0 ? r : mcr_keyed_u64(stat, "nr_dying_descendants", ret);
}

static bool pressure_rises(const struct mcr_shield_opts *o)
{
	const struct mcr_pressure_limits limits = { o->pressure_max_centi, o->available_min_centi };
	struct mcr_pressure p;

	return mcr_pressure_read(o->proc_fd, &p) == 0 && mcr_pressure_exceeds(&p, &limits);
}

/* Writes until nothing unprotected is left, the dying are gone, or a bound is reached. */
static int reclaim_steps(int fd, const struct mcr_shield_opts *o, struct mcr_shield_result *res)
{
	uint64_t step = o->step_bytes ? o->step_bytes : STEP_BYTES_DEFAULT, todo = o->max_bytes;
	uint64_t end = mcr_now_ns() + SHIELD_MAX_NSEC;
	char text[32];
	int r;

	while (todo > 0 && !res->partial && mcr_now_ns() < end) {
		uint64_t bytes = todo < step ? todo : step;

		res->stopped = pressure_rises(o);
		if (res->stopped)
			return 0;
		snprintf(text, sizeof(text), "%" PRIu64, bytes);
		r = mcr_write_at(fd, "memory.reclaim", text);
		if (r < 0 && r != -EAGAIN)
			return r;
		res->partial = r == -EAGAIN;
		res->writes++;
		todo -= bytes;
		r = read_dying(fd, &res->dying_after);
		if (r < 0 || res->dying_after == 0)
			return r;
	}
	return 0;
}

static void count_losses(const struct mcr_hierarchy *h, const struct siblings *s, struct mcr_shield_result *res)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < s->n; i++) {
		auto_(closep) int fd = mcr_cgroup_open_id(h, s->at[i].id);
		uint64_t now, lost;

		if (fd < 0 || read_stolen(fd, &now) < 0 || now <= s->at[i].stolen)
			continue;
		lost = (now - s->at[i].stolen) * page;
		res->lost_bytes += lost;
		if (lost > res->worst_lost_bytes) {
			res->worst_lost_bytes = lost;
			res->worst_lost_id = s->at[i].id;
		}
	}
}

/* Lives in the decoy with pages that reclaim can take at once, until it is killed. */
static void be_decoy(int ready_fd, pid_t parent)
{
	size_t size = DECOY_PAGES * sysconf(_SC_PAGESIZE);
	char *p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);	/* it died before we could ask to die with it */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED) {
		memset(p, 1, size);
		madvise(p, size, MADV_FREE);	/* clean, anonymous, reclaimable without swap */
	}
	if (write(ready_fd, "", 1) == 1)
		pause();
	_exit(0);
}

/* As fork(), but the child begins in the cgroup, or has moved there before it returns. */
static pid_t fork_into(int cgroup_fd)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd };
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid >= 0 || errno != ENOSYS)
		return pid;
	/* Seccomp cannot look into clone3's arguments, so that a unit's RestrictNamespaces= refuses it altogether. */
	pid = fork();
	if (pid == 0 && mcr_write_at(cgroup_fd, "cgroup.procs", "0") < 0)
		_exit(1);
	return pid;
}

/* Starts a decoy below the ancestor. Its pid, or errno; *ret_fd is its cgroup. */
static pid_t start_decoy(int ancestor_fd, int *ret_fd)
{
	pid_t parent = getpid(), pid;
	int ready[2], fd;
	char byte;

	if (mkdirat(ancestor_fd, DECOY_NAME, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(ancestor_fd, DECOY_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pipe2(ready, O_CLOEXEC) < 0) {
		close(fd);
		return -EMFILE;
	}
	pid = fork_into(fd);
	if (pid == 0)
		be_decoy(ready[1], parent);
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) < 0)
		byte = 0;	/* reclaim will tell whether it was worth something */
	close(ready[0]);
	*ret_fd = fd;
	return pid < 0 ? -errno : pid;
}

static void end_decoy(int ancestor_fd, pid_t pid, int fd)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(fd);
	unlinkat(ancestor_fd, DECOY_NAME, AT_REMOVEDIR);
}

/*
 * Makes the kernel work out the protection of all children anew, after memory.min has its old value:
 * one page is reclaimed below the ancestor, and memory.low sees to it that the decoy gives it.
 */
static int refresh_protection(int ancestor_fd)
{
	int fd = -EBADF;
	pid_t pid = start_decoy(ancestor_fd, &fd);
	int r = mcr_write_at(ancestor_fd, "memory.reclaim", "4096");

	end_decoy(ancestor_fd, pid, fd);
	return r == -EAGAIN ? 0 : r;
}

/* The way back, also for a journal that was found: hard protection first, soft last. */
static int lower_shield(int ancestor_fd, struct mcr_restore *journal)
{
	int r = mcr_restore_undo_knob(journal, "memory.min"), undo;

	if (ancestor_fd >= 0)
		refresh_protection(ancestor_fd);
	undo = mcr_restore_undo(journal);
	return r < 0 ? r : undo;
}

int mcr_shield_recover(const struct mcr_hierarchy *h, int journal_dir_fd)
{
	auto_(mcr_restore_freep) struct mcr_restore *journal = NULL;
	auto_(closep) int fd = -EBADF;
	int r = mcr_restore_load(h, journal_dir_fd, MCR_SHIELD_JOURNAL, &journal);

	if (r <= 0)
		return r;
	fd = mcr_cgroup_open_id(h, mcr_restore_subject(journal));
	r = lower_shield(fd, journal);
	return r < 0 ? r : 1;
}

static int reclaim_shielded(int fd, const struct mcr_shield_opts *o, struct mcr_restore *journal,
			    struct mcr_shield_result *res)
{
	uint64_t before = 0, after = 0;
	int r, undo;

	mcr_read_u64_at(fd, "memory.current", &before);
	r = mcr_restore_apply(journal);
	if (r == 0)
		r = reclaim_steps(fd, o, res);
	mcr_read_u64_at(fd, "memory.current", &after);
	undo = mcr_restore_count(journal) ? lower_shield(fd, journal) : 0;
	res->freed_bytes = before > after ? before - after : 0;
	return r < 0 ? r : undo;
}

int mcr_shield_reclaim(const struct mcr_hierarchy *h, uint64_t ancestor_id, const struct mcr_shield_opts *opts,
		       struct mcr_shield_result *ret)
{
	auto_(mcr_restore_freep) struct mcr_restore *journal = NULL;
	auto_(closep) int fd = mcr_cgroup_open_id(h, ancestor_id);
	auto_(siblings_free) struct siblings s = { 0 };
	struct mcr_shield_result res = { 0 };
	int r;

	if (fd < 0)
		return fd;
	r = check_ancestor(fd);
	if (r == 0)
		r = read_dying(fd, &res.dying_before);
	res.dying_after = res.dying_before;
	if (r == 0)
		r = mcr_restore_new(h, opts->journal_dir_fd, MCR_SHIELD_JOURNAL, &journal);
	if (r < 0)
		return r;
	mcr_restore_set_subject(journal, ancestor_id);
	r = list_siblings(fd, &s, journal);
	if (r == 0)
		r = reclaim_shielded(fd, opts, journal, &res);
	res.shielded = s.n;
	mcr_cgroup_flush_stats(fd);
	count_losses(h, &s, &res);
	*ret = res;
	return r;
}

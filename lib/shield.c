/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shield.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "cgroup.h"
#include "fileio.h"
#include "hierarchy.h"
#include "pressure.h"
#include "restore.h"
#include "util.h"

#define STEP_BYTES_DEFAULT (32ULL << 20)
/* Room that must be left below the ancestor's own limit: what its children may charge meanwhile. */
#define LIMIT_ROOM_BYTES (64ULL << 20)

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

/* Notes what the child has lost so far and what its protection is to become. */
static int add_sibling(struct siblings *s, struct mcr_restore *journal, int parent_fd, const char *name)
{
	auto_(closep) int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sibling child;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;	/* removed since we saw it */
	r = mcr_cgroup_id(fd, &child.id);
	if (r == 0)
		r = read_stolen(fd, &child.stolen);
	if (r == 0)
		r = mcr_restore_add(journal, fd, "memory.min", "max");
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
	while (r == 0 && (e = readdir(dir)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			r = add_sibling(s, journal, ancestor_fd, e->d_name);
	closedir(dir);
	return r;
}

/* Everything below is protected for a while: is there room up to the ancestor's own limits? */
static int check_room(int ancestor_fd)
{
	uint64_t usage, limit;

	if (mcr_read_u64_at(ancestor_fd, "memory.current", &usage) < 0)
		return 0;	/* the root: no limit */
	if (mcr_read_u64_at(ancestor_fd, "memory.max", &limit) == 0 && limit - usage < LIMIT_ROOM_BYTES)
		return -EAGAIN;
	if (mcr_read_u64_at(ancestor_fd, "memory.high", &limit) == 0 &&
	    (limit < usage || limit - usage < LIMIT_ROOM_BYTES))
		return -EAGAIN;
	return 0;
}

static int read_dying(int fd, uint64_t *ret)
{
	char stat[1024];
	int r = mcr_read_at(fd, "cgroup.stat", stat, sizeof(stat));

	return r < 0 ? r : mcr_keyed_u64(stat, "nr_dying_descendants", ret);
}

static bool pressure_rises(const struct mcr_shield_opts *o)
{
	const struct mcr_pressure_limits limits = { o->pressure_max_centi, o->available_min_pct };
	struct mcr_pressure p;

	return mcr_pressure_read(o->proc_fd, &p) == 0 && mcr_pressure_exceeds(&p, &limits);
}

/* Writes until nothing unprotected is left, the dying are gone, or a bound is reached. */
static int reclaim_steps(int fd, const struct mcr_shield_opts *o, struct mcr_shield_result *res)
{
	uint64_t step = o->step_bytes ? o->step_bytes : STEP_BYTES_DEFAULT, todo = o->max_bytes;
	char text[32];
	int r;

	while (todo > 0 && !res->partial) {
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

static int reclaim_shielded(int fd, const struct mcr_shield_opts *o, struct mcr_restore *journal,
			    struct mcr_shield_result *res)
{
	uint64_t before = 0, after = 0;
	int r, undo;

	mcr_read_u64_at(fd, "memory.current", &before);
	r = mcr_restore_apply(journal);
	if (r == 0)
		r = reclaim_steps(fd, o, res);
	undo = mcr_restore_undo(journal);
	mcr_read_u64_at(fd, "memory.current", &after);
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
	r = check_room(fd);
	if (r == 0)
		r = read_dying(fd, &res.dying_before);
	res.dying_after = res.dying_before;
	if (r == 0)
		r = mcr_restore_new(h, opts->journal_dir_fd, MCR_SHIELD_JOURNAL, &journal);
	if (r == 0)
		r = list_siblings(fd, &s, journal);
	if (r == 0)
		r = reclaim_shielded(fd, opts, journal, &res);
	if (r < 0)
		return r;
	res.shielded = s.n;
	count_losses(h, &s, &res);
	*ret = res;
	return 0;
}

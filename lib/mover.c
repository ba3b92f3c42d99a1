/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of things, which must not be changed:
 *
 *	freeze, guard, look again	nobody but us can write to it now
 *	note attributes, reserve blocks
 *	save				from here on it can be put back
 *	punch, write back, compare
 *	done				from here on it must not be put back
 *	attributes as they were
 *	guard off, thaw
 */
#include "mover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "chunklog.h"
#include "fileio.h"
#include "freeze.h"
#include "guard.h"
#include "hugepage.h"
#include "holderwalk.h"
#include "tmpfs.h"
#include "util.h"
#include "worker.h"

#define LOOKS_MAX 8
#define REST_USEC 5000		/* before another try, longer each time */
#define OVER_MAX 64		/* parts of the smallest size, one after the other, that took too long */
#define ROOM_BYTES (512ULL << 10)	/* that must be left to the owner: the kernel charges ahead, 64 pages a CPU */
#define RESERVE_DISTANCE (1ULL << 30)
#define PFNS 1024
#define HELD_TURNS 4
#define PATIENCE_USEC MCR_USEC_PER_SEC	/* for a file system that is full */

struct mover {
	struct mcr_move *m;
	struct mcr_freeze *freeze;
	struct mcr_hugemap map;
	uint64_t chunk_bytes;
	uint64_t need;		/* the next part is of so much at least: a huge page */
	uint64_t begin;		/* of the pause */
	uint64_t held_usec;	/* until all was frozen and looked at, of this part */
	unsigned int over;
	struct mcr_chunk chunk;
	bool huge[MCR_CHUNKLOG_EXTENTS];
};

static uint64_t page_up(uint64_t bytes)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

/* ---- Nobody else may write ---- */

static int let_go(struct mover *v)
{
	int r = 0, thawed;

	if (v->m->res.strategy != MCR_REWRITE_FROZEN)
		return 0;
	r = mcr_guard_lower(&v->m->guard, v->m->object.fd);
	thawed = mcr_freeze_thaw(v->freeze);
	return thawed < 0 ? thawed : r;
}

/* Freezes, and looks whether all of the users were. As mcr_mover_look(). */
static int bring_to_rest(struct mover *v)
{
	struct mcr_move *m = v->m;
	int r = mcr_freeze_all(v->freeze, m->o->max_pause_usec);

	if (r < 0)
		return r;
	r = mcr_guard_raise(&m->guard, m->object.fd);
	return r < 0 ? r : mcr_mover_look(m, v->freeze);
}

/* How long they have waited by now, also where nothing came of it. */
static uint64_t note_pause(struct mover *v)
{
	uint64_t usec = (mcr_now_ns() - v->begin) / MCR_NSEC_PER_USEC;
	struct mcr_rewrite_result *res = &v->m->res;

	res->pause_usec += usec;
	res->chunks_over += usec > v->m->o->max_pause_usec;
	if (usec > res->longest_pause_usec)
		res->longest_pause_usec = usec;
	return usec;
}

/* v->begin is the moment from which on they wait. */
static int hold_frozen(struct mover *v)
{
	int r = 0;

	for (int i = 0; i < LOOKS_MAX; i++) {
		v->begin = mcr_now_ns();
		r = bring_to_rest(v);
		v->m->res.cgroups = mcr_freeze_count(v->freeze);
		if (r == 0)
			return 0;
		let_go(v);
		note_pause(v);
		if (r != 2 && r != 3 && r != -ETIMEDOUT)
			return r;
		v->m->res.retries++;
		if (r != 2)
			usleep(REST_USEC * (i + 1));
	}
	if (r == -ETIMEDOUT)
		return mcr_move_refuse(v->m, MCR_REFUSED_UNFREEZABLE, 0);
	return mcr_move_refuse(v->m, r == 2 ? MCR_REFUSED_NEW_USERS : MCR_REFUSED_KERNEL_HOLDS, 0);
}

/* The kernel shows by the lease that somebody waits for it. */
static int hold_lease(struct mover *v)
{
	struct stat st;

	if (fcntl(v->m->object.fd, F_GETLEASE) != F_WRLCK)
		return mcr_move_refuse(v->m, MCR_REFUSED_WANTED, 0);
	if (fstat(v->m->object.fd, &st) < 0)
		return -errno;
	return st.st_nlink ? 0 : mcr_move_refuse(v->m, MCR_REFUSED_CHANGED, 0);
}

static int hold(struct mover *v)
{
	return v->m->res.strategy == MCR_REWRITE_LEASE ? hold_lease(v) : hold_frozen(v);
}

/* ---- Which part ---- */

/* The next piece with data, of at most room bytes; a huge page whole. 1; 0: no more; -E2BIG: it does not fit. */
static int next_extent(struct mover *v, uint64_t from, uint64_t room, struct mcr_extent *ret, bool *ret_huge)
{
	off_t data = lseek(v->m->object.fd, from, SEEK_DATA), hole;
	uint64_t end, window;

	if (data < 0)
		return errno == ENXIO ? 0 : -errno;
	hole = lseek(v->m->object.fd, data, SEEK_HOLE);
	if (hole < 0)
		return errno == ENXIO ? 0 : -errno;
	end = page_up(hole);
	if (end > v->map.len)
		end = v->map.len;
	if ((uint64_t)data >= end)
		return 0;	/* it has grown, by somebody who pays for that */
	window = data - data % MCR_HUGE_BYTES;
	if (end > window + MCR_HUGE_BYTES)
		end = window + MCR_HUGE_BYTES;
	*ret_huge = mcr_hugemap_is_huge(&v->map, data);
	if (*ret_huge)
		data = window;
	if (!*ret_huge && end - data > room)
		end = data + room;
	if (end == (uint64_t)data || end - data > room)
		return -E2BIG;
	*ret = (struct mcr_extent){ data, end - data };
	return 1;
}

static void append(struct mover *v, const struct mcr_extent *e, bool huge)
{
	struct mcr_chunk *c = &v->chunk;
	struct mcr_extent *last = c->n_extents ? &c->extents[c->n_extents - 1] : NULL;

	if (last && !huge && !v->huge[c->n_extents - 1] && last->offset + last->len == e->offset) {
		last->len += e->len;
		return;
	}
	v->huge[c->n_extents] = huge;
	c->extents[c->n_extents++] = *e;
}

/* Fills the chunk from res.next on. 1; 0: nothing is left; -E2BIG: a huge page comes next and wants more room; or errno. */
static int choose(struct mover *v, uint64_t *ret_next)
{
	uint64_t next = v->m->res.next, want = v->chunk_bytes;
	struct mcr_extent e;
	bool huge = false;
	int r = 1;

	v->chunk = (struct mcr_chunk){ .dev = v->m->object.dev, .ino = v->m->object.ino };
	while (v->chunk.n_extents < MCR_CHUNKLOG_EXTENTS && want) {
		r = next_extent(v, next, want, &e, &huge);
		if (r <= 0)
			break;
		append(v, &e, huge);
		next = e.offset + e.len;
		want -= e.len < want ? e.len : want;
	}
	*ret_next = next;
	if (v->chunk.n_extents)
		return 1;
	return r;
}

/* ---- Moving it ---- */

static void punch(struct mover *v)
{
	struct stat st;
	uint64_t end = fstat(v->m->object.fd, &st) < 0 ? UINT64_MAX : page_up(st.st_size);

	for (uint32_t i = 0; i < v->chunk.n_extents; i++) {
		struct mcr_extent e = v->chunk.extents[i];

		if (v->huge[i])
			mcr_hugemap_want_huge(&v->map, e.offset);
		if (v->huge[i] && e.offset + e.len == end)	/* what it has beyond the end, or it would be cut into pieces */
			e.len = MCR_HUGE_BYTES;
		/* Where this fails the content is as it was, and writing it back changes nothing. */
		fallocate(v->m->object.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, e.offset, e.len);
	}
}

/* Everybody is held, and the content is saved. 0, 1 or errno; -ENOSPC: it is not where it belongs, and must not be let go. */
static int rewrite(struct mover *v)
{
	struct mcr_move *m = v->m;
	int r, same;

	punch(v);
	r = mcr_chunklog_settle(m->log, m->object.fd, v->map.at, PATIENCE_USEC);
	if (r < 0)
		return -ENOSPC;
	same = mcr_chunklog_compare(m->log, m->object.fd);
	mcr_chunklog_done(m->log);
	if (r == 1 || same == -ENODATA)
		return mcr_move_refuse(m, MCR_REFUSED_CHANGED, 0);
	m->res.disturbed += same < 0 || (v->freeze && !mcr_freeze_lasts(v->freeze));
	/* What is there now was written by somebody who is not held: it is newer, and stays. */
	return same < 0 ? mcr_move_refuse(m, MCR_REFUSED_PAGES_HELD, 0) : 0;
}

/*
 * How many pages of it the kernel holds references to.  What is saved was read through the map, so that all its pages
 * are there. 0 also where this kernel does not tell.
 */
static size_t held_in_extent(struct mover *v, const struct mcr_extent *e)
{
	static uint64_t pfns[PFNS];
	size_t held = 0;

	for (uint64_t at = 0; at < e->len && !held; at += PFNS * page_up(1)) {
		size_t n = mcr_hugemap_pfns(&v->map, e->offset + at, e->len - at, pfns, PFNS);

		if (mcr_holderwalk_pages(v->m->walk, pfns, n, &held) < 0)
			return 0;
	}
	return held;
}

/*
 * Does the kernel hold a page of the part, for a device or for I/O?  Each CPU has some pages in hand for a while: it is
 * asked to let go of them, and whoever does not is taken for that.
 */
static bool pages_held(struct mover *v)
{
	size_t held = 0;

	for (int turn = 0; v->m->walk && turn < HELD_TURNS; turn++) {
		held = 0;
		for (uint32_t i = 0; i < v->chunk.n_extents && !held; i++)
			held = v->huge[i] ? 0 : held_in_extent(v, &v->chunk.extents[i]);
		if (!held)
			break;
		mcr_drain_page_lists();
	}
	return held > 0;
}

/* Blocks of its file system that are ours to give back when others take those that are punched. 0, 1 or errno. */
static int reserve(struct mover *v)
{
	uint64_t least = v->need ? v->need : page_up(1);
	struct mcr_move *m = v->m;
	struct mcr_extent e;
	struct stat st;

	if (!mcr_tmpfs_has_mount(m->object.fd))	/* if the worst came, nobody could make it larger, and its users stayed frozen */
		return mcr_move_refuse(m, MCR_REFUSED_NO_SPACE, 0);
	if (fstat(m->object.fd, &st) < 0)	/* it may have grown while it was not held */
		return -errno;
	e.offset = (st.st_size + RESERVE_DISTANCE) / MCR_HUGE_BYTES * MCR_HUGE_BYTES;
	for (e.len = v->chunk_bytes; e.len >= least; e.len = e.len / 2 / page_up(1) * page_up(1)) {
		mcr_chunklog_set_reserve(m->log, &e);
		if (fallocate(m->object.fd, FALLOC_FL_KEEP_SIZE, e.offset, e.len) == 0) {
			v->chunk_bytes = e.len;
			return 0;
		}
		if (errno != ENOSPC && errno != ENOMEM)
			break;
	}
	return mcr_move_refuse(m, MCR_REFUSED_NO_SPACE, 0);
}

/* Chooses and moves a part. 0: moved; 2: nothing is left; 3: try again with v->need; 1: refused; or errno. */
static int move_chosen(struct mover *v)
{
	uint64_t next = 0;
	int r = choose(v, &next);

	if (r == -E2BIG && !v->need) {
		v->need = MCR_HUGE_BYTES;
		return 3;
	}
	if (r <= 0)
		return r < 0 ? r : 2;
	r = mcr_chunklog_save(v->m->log, &v->chunk, v->map.at);
	if (r == -EFAULT)
		return mcr_move_refuse(v->m, MCR_REFUSED_CHANGED, 0);
	if (r < 0)
		return r;
	if (pages_held(v)) {
		mcr_chunklog_done(v->m->log);
		return mcr_move_refuse(v->m, MCR_REFUSED_PAGES_HELD, 0);
	}
	if (v->freeze && !mcr_freeze_lasts(v->freeze)) {
		mcr_chunklog_done(v->m->log);
		return mcr_move_refuse(v->m, MCR_REFUSED_UNFREEZABLE, 0);	/* somebody thaws what we freeze */
	}
	r = rewrite(v);
	if (r == 0) {
		v->m->res.moved_bytes += mcr_chunk_bytes(&v->chunk);
		v->m->res.next = next;
		v->need = v->huge[v->chunk.n_extents - 1] ? MCR_HUGE_BYTES : 0;	/* others often follow */
	}
	return r;
}

/* The size whose pause would be three fifths of what is allowed; the time to freeze does not depend on it. */
static void adapt(struct mover *v, uint64_t usec)
{
	uint64_t goal = v->m->o->max_pause_usec * 3 / 5, bytes = mcr_chunk_bytes(&v->chunk);
	uint64_t moving = usec > v->held_usec ? usec - v->held_usec : 1, want;

	want = goal > v->held_usec ? bytes * (goal - v->held_usec) / (moving ? moving : 1) : 0;
	if (want > 2 * v->chunk_bytes)
		want = 2 * v->chunk_bytes;
	want = want / page_up(1) * page_up(1);
	if (want < v->m->o->chunk_min)
		want = v->m->o->chunk_min;
	if (want > v->m->o->chunk_max)
		want = v->m->o->chunk_max;
	v->over = usec > v->m->o->max_pause_usec && bytes <= v->m->o->chunk_min ? v->over + 1 : 0;
	v->chunk_bytes = want;
	v->m->res.chunk_bytes = want;
}

/* Where others take what is punched there is no going on: r becomes 1. */
static int tidy(struct mover *v, int r)
{
	uint64_t before = mcr_chunklog_fs_bytes(v->m->log), after;

	mcr_chunklog_tidy(v->m->log, v->m->object.fd);
	if (!before)
		return r;
	if (mcr_tmpfs_size(v->m->object.fd, &after) == 0 && after > before)
		v->m->res.fs_grown_bytes += after - before;
	return r == 0 ? mcr_move_refuse(v->m, MCR_REFUSED_NO_SPACE, 0) : r;
}

/* While everybody is held. As move_chosen(). */
static int move_held(struct mover *v)
{
	enum mcr_refusal sealed = mcr_shmobject_seals(v->m->object.fd);
	int r;

	/* Its users may have sealed it since; now they are held, and cannot. */
	if (sealed != MCR_REFUSED_NOT)
		return mcr_move_refuse(v->m, sealed, 0);
	r = mcr_chunklog_set_attributes(v->m->log, v->m->object.fd);
	if (r == 0 && v->m->object.limited)
		r = reserve(v);
	if (r == 0)
		r = move_chosen(v);
	return r == -ENOSPC ? r : tidy(v, r);
}

/* Users have waited for as long as this took, whatever came of it. */
static int move_part(struct mover *v)
{
	uint64_t usec;
	int r, gone;

	v->begin = mcr_now_ns();
	r = hold(v);
	if (r != 0)
		return r;
	v->held_usec = (mcr_now_ns() - v->begin) / MCR_NSEC_PER_USEC;
	r = move_held(v);
	if (r == -ENOSPC)
		return r;	/* whoever repairs lets them go */
	gone = let_go(v);
	usec = note_pause(v);
	if (v->held_usec > v->m->res.longest_freeze_usec)
		v->m->res.longest_freeze_usec = v->held_usec;
	if (r == 0) {
		v->m->res.chunks++;
		adapt(v, usec);
	}
	if (v->freeze)
		usleep(usec);	/* they run for as long as they waited, at least */
	return r < 0 || gone == 0 ? r : gone;
}

/* Is there room for it below the owner's limit, twice where there is a reserve? Makes the part smaller if that helps. */
static int find_headroom(struct mover *v)
{
	uint64_t room, times = v->m->object.limited ? 2 : 1;
	int r = mcr_headroom(v->m->o->owner_fd, &room);

	if (r < 0)
		return r == -ENODEV ? mcr_move_refuse(v->m, MCR_REFUSED_OWNER_GONE, 0) : r;
	room = room > ROOM_BYTES ? (room - ROOM_BYTES) / times : 0;
	if (v->chunk_bytes < v->need)
		v->chunk_bytes = v->need;
	if (room < v->chunk_bytes)
		v->chunk_bytes = room / page_up(1) * page_up(1);
	return v->chunk_bytes && v->chunk_bytes >= v->need ? 0 : mcr_move_refuse(v->m, MCR_REFUSED_OWNER_LIMIT, 0);
}

/* 0: go on; 2: all is moved; 1: refused; or errno. */
static int step(struct mover *v)
{
	int r = find_headroom(v);

	if (r == 0)
		r = move_part(v);
	if (r != 0)
		return r == 3 ? 0 : r;
	for (uint32_t i = 0; i < v->chunk.n_extents; i++)
		if (v->huge[i])
			mcr_hugemap_collapse(&v->map, v->chunk.extents[i].offset);
	return v->over >= OVER_MAX ? mcr_move_refuse(v->m, MCR_REFUSED_PAUSE, 0) : 0;
}

static int open_all(struct mover *v)
{
	struct mcr_move *m = v->m;
	int r = mcr_chunklog_lock(m->log, 0);

	if (r == 0 && m->res.strategy == MCR_REWRITE_FROZEN)
		r = mcr_freeze_new(m->o->h, m->log, m->own, m->owner, &v->freeze);
	if (r < 0)
		return r;
	v->chunk_bytes = m->o->chunk_min;
	/* Should the owner run out of memory after all, then it is us the kernel ends, and the journal has the rest. */
	mcr_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
	return mcr_hugemap_open(m->object.fd, page_up(m->object.size), &v->map);
}

int mcr_mover_run(void *move, int out_fd)
{
	struct mover v = { .m = move };
	int r = open_all(&v);

	while (r == 0) {
		r = step(&v);
		mcr_worker_report(out_fd, &v.m->res, sizeof(v.m->res));
	}
	if (r == -ENOSPC)
		_exit(1);	/* with everybody held */
	mcr_freeze_free(v.freeze);
	mcr_hugemap_close(&v.map);
	v.m->res.refusal = r < 0 ? MCR_REFUSED_NOT : v.m->res.refusal;
	mcr_worker_report(out_fd, &v.m->res, sizeof(v.m->res));
	return r < 0 ? r : 0;
}

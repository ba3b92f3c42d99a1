/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is decided and kept outside of the owner: the strategy, the lease, the guard, and putting things right when the
 * mover dies.
 */
#include "rewrite.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "chunklog.h"
#include "fileio.h"
#include "guard.h"
#include "hierarchy.h"
#include "holderwalk.h"
#include "mover.h"
#include "shmobject.h"
#include "util.h"
#include "worker.h"

#define MAX_PAUSE_USEC 50000
#define STALL_USEC (3 * MCR_USEC_PER_SEC)
#define STALL_PAUSES 16		/* besides: freezing is tried several times */
#define REPAIR_MSEC 15000		/* a mover that was killed may take seconds to let go of the journal */
#define CHUNK_MIN_BYTES (64ULL << 10)
#define LEASE_TRIES 5
#define LEASE_WAIT_USEC 2000

const char *mcr_rewrite_strategy_name(enum mcr_rewrite_strategy strategy)
{
	static const char *const names[] = { "none", "lease", "frozen", "swap", "swap-in", "kernel" };

	return (unsigned int)strategy < ARRAY_SIZE(names) ? names[strategy] : "unknown";
}

static int read_opts(const struct mcr_rewrite_opts *in, const struct mcr_chunklog *log, struct mcr_rewrite_opts *ret)
{
	size_t capacity = mcr_chunklog_capacity(log), page = sysconf(_SC_PAGESIZE);
	struct mcr_rewrite_opts o = { 0 };

	if (in->sz < sizeof(in->sz) || in->sz > sizeof(o))
		return -E2BIG;
	memcpy(&o, in, in->sz);
	o.sz = sizeof(o);
	if (!o.h || capacity < MCR_HUGE_BYTES)
		return -EINVAL;
	o.max_pause_usec = o.max_pause_usec ? o.max_pause_usec : MAX_PAUSE_USEC;
	o.stall_usec = o.stall_usec ? o.stall_usec : STALL_USEC + STALL_PAUSES * o.max_pause_usec;
	o.chunk_max = o.chunk_max && o.chunk_max < capacity ? o.chunk_max : capacity;
	o.chunk_min = o.chunk_min ? o.chunk_min : CHUNK_MIN_BYTES;
	o.chunk_min = (o.chunk_min < o.chunk_max ? o.chunk_min : o.chunk_max) / page * page;
	o.chunk_min = o.chunk_min ? o.chunk_min : page;
	o.from -= o.from % MCR_HUGE_BYTES;
	*ret = o;
	return 0;
}

/* Where the calling process is, below the root. */
static int read_own_path(char **ret)
{
	auto_(freep) char *text = NULL;
	int r = mcr_read_all_at(AT_FDCWD, "/proc/self/cgroup", &text);
	char *line = r < 0 ? NULL : strstr(text, "0::");

	if (!line)
		return r < 0 ? r : -ENODEV;
	line += strlen("0::");
	*ret = strndup(line, strcspn(line, "\n"));
	return *ret ? 0 : -ENOMEM;
}

static int count_data(struct mcr_move *m)
{
	off_t at = m->o->from, hole;

	for (;;) {
		at = lseek(m->object.fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(m->object.fd, at, SEEK_HOLE);
		if (hole < 0)
			return errno == ENXIO ? 0 : -errno;
		m->res.data_bytes += hole - at;
		at = hole;
	}
}

/* ---- The lease ---- */

/*
 * A write lease: granted when nobody else has it open or mapped.  Memfds and the like are not counted by the kernel, so
 * that there it proves nothing.
 */
static int take_lease(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return -errno;
	fcntl(fd, F_SETOWN, 0);		/* no signal when somebody comes: we ask */
	return 0;
}

static void drop_lease(int fd)
{
	fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* ---- The mover ---- */

static void drain(struct mcr_worker *w, struct mcr_rewrite_result *res, bool *news)
{
	struct mcr_rewrite_result r;

	while (read(w->fd, &r, sizeof(r)) == sizeof(r)) {
		*res = r;
		*news = true;
	}
}

/* Until it ends, or nothing is heard of it for too long. Its wait status, or 1 where it was killed. */
static int attend(struct mcr_worker *w, struct mcr_rewrite_result *res, uint64_t stall_usec)
{
	struct pollfd p = { .fd = w->pidfd, .events = POLLIN };
	uint64_t heard = mcr_now_ns();

	for (;;) {
		int ended = poll(&p, 1, 10);
		bool news = false;

		drain(w, res, &news);
		if (news)
			heard = mcr_now_ns();
		if (ended > 0 || mcr_now_ns() - heard > stall_usec * MCR_NSEC_PER_USEC)
			return mcr_worker_end(w);
	}
}

struct repair {
	const struct mcr_hierarchy *h;
	struct mcr_chunklog *log;
	int object_fd;
};

static int job_repair(void *arg, int out_fd)
{
	struct repair *r = arg;
	int result = mcr_chunklog_repair(r->log, r->h, r->object_fd);

	return mcr_worker_report(out_fd, &result, sizeof(result));
}

/* Who is started in it would not run. */
static bool is_frozen(int cgroup_fd)
{
	auto_(freep) char *text = NULL;
	uint64_t frozen;

	return mcr_read_all_at(cgroup_fd, "cgroup.events", &text) == 0 && mcr_keyed_u64(text, "frozen", &frozen) == 0 && frozen;
}

int mcr_rewrite_repair(const struct mcr_hierarchy *h, int owner_fd, struct mcr_chunklog *log, int object_fd)
{
	struct repair job = { h, log, object_fd };
	const int keep[] = { mcr_hierarchy_fd(h), mcr_chunklog_fd(log), object_fd };
	struct mcr_worker w = MCR_WORKER_INIT;
	struct pollfd p = { .events = POLLIN };
	int result, r = 0;

	if (!mcr_chunklog_dirty(log))
		return 0;
	if (owner_fd >= 0 && !is_frozen(owner_fd) && mcr_worker_start_in(&w, owner_fd, job_repair, &job, keep, ARRAY_SIZE(keep)) == 0) {
		p.fd = w.pidfd;
		poll(&p, 1, REPAIR_MSEC);
		r = read(w.fd, &result, sizeof(result)) == sizeof(result) && result >= 0;
		mcr_worker_end(&w);
	}
	if (r && !mcr_chunklog_dirty(log))
		return 1;
	return mcr_chunklog_repair(log, h, object_fd);
}

/* One run of a mover with the strategy that is set. 0, 1, -ECANCELED or -EUCLEAN. */
static int run_mover(struct mcr_move *m)
{
	int fds[10] = { mcr_hierarchy_fd(m->o->h), m->o->owner_fd, m->object.fd, m->guard.fd, mcr_chunklog_fd(m->log) };
	size_t n = 5 + (m->walk ? mcr_holderwalk_fds(m->walk, fds + 5, ARRAY_SIZE(fds) - 5) : 0);
	struct mcr_worker w = MCR_WORKER_INIT;
	int r, status;

	if (faccessat(m->o->owner_fd, "memory.current", F_OK, 0) < 0)
		return mcr_move_refuse(m, MCR_REFUSED_OWNER_GONE, 0);
	r = mcr_worker_start_in(&w, m->o->owner_fd, mcr_mover_run, m, fds, n);
	if (r == -ENODEV || r == -ENOENT || r == -EBUSY || r == -EOPNOTSUPP)
		return mcr_move_refuse(m, MCR_REFUSED_OWNER_GONE, 0);
	if (r < 0)
		return r;
	status = attend(&w, &m->res, m->o->stall_usec);
	if (mcr_chunklog_dirty(m->log)) {
		r = mcr_rewrite_repair(m->o->h, m->o->owner_fd, m->log, m->object.fd);
		if (r < 0)
			return -EUCLEAN;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return -ECANCELED;
	return m->res.refusal ? 1 : 0;
}

static int keep(const struct mcr_rewrite_opts *o, int fd, const char *name)
{
	return o->keep ? o->keep(fd, name, o->userdata) : 0;
}

static void drop(const struct mcr_rewrite_opts *o, const char *name)
{
	if (o->drop)
		o->drop(name, o->userdata);
}

static int run_leased(struct mcr_move *m)
{
	int r;

	m->res.strategy = MCR_REWRITE_LEASE;
	if (m->o->dry_run) {
		drop_lease(m->object.fd);
		return 0;
	}
	r = keep(m->o, m->object.fd, "object");
	if (r == 0)
		r = run_mover(m);
	if (r != -EUCLEAN) {
		drop_lease(m->object.fd);
		drop(m->o, "object");
	}
	return r;
}

static int run_guarded(struct mcr_move *m)
{
	int r = keep(m->o, m->object.fd, "object");

	if (r < 0)
		return r;
	r = keep(m->o, m->guard.fd, "guard");
	if (r == 0)
		r = run_mover(m);
	if (r == -EUCLEAN)
		return r;
	mcr_guard_lower(&m->guard, m->object.fd);
	drop(m->o, "guard");
	drop(m->o, "object");
	return r;
}

/* Somebody may be opening or closing it just now. As mcr_mover_look(). */
static int look_first(struct mcr_move *m)
{
	int r = mcr_mover_look(m, NULL);

	for (int i = 0; i < LEASE_TRIES && r == 3; i++) {
		usleep(LEASE_WAIT_USEC);
		r = mcr_mover_look(m, NULL);
	}
	return r;
}

static int run_frozen(struct mcr_move *m)
{
	int r = look_first(m);

	m->res.strategy = MCR_REWRITE_FROZEN;
	if (r < 0 || r == 1)
		return r;
	if (r == 3 || (!m->res.users && !m->object.internal))
		return mcr_move_refuse(m, MCR_REFUSED_KERNEL_HOLDS, 0);
	if (m->o->dry_run)
		return 0;
	m->guard.fd = mcr_guard_new();
	if (m->guard.fd < 0)
		return m->guard.fd;
	r = run_guarded(m);
	m->guard.fd = close_fd(m->guard.fd);
	return r;
}

/* By lease if that is granted; somebody may open or close it just now. */
static int run_any(struct mcr_move *m)
{
	int r = 1;

	for (int i = 0; i < LEASE_TRIES; i++) {
		m->res.refusal = MCR_REFUSED_NOT;
		if (!m->object.internal && take_lease(m->object.fd) == 0)
			r = run_leased(m);
		else
			r = run_frozen(m);
		if (r != 1 || (m->res.refusal != MCR_REFUSED_WANTED && m->res.refusal != MCR_REFUSED_KERNEL_HOLDS))
			break;
		usleep(LEASE_WAIT_USEC);
	}
	return r;
}

static int find_paths(struct mcr_move *m)
{
	int r = mcr_cgroup_path(m->o->h, m->o->owner_fd, &m->owner);

	if (r == -ENOENT)
		return mcr_move_refuse(m, MCR_REFUSED_OWNER_GONE, 0);
	if (r < 0)
		return r;
	if (!m->o->own_path)
		return read_own_path(&m->own);
	m->own = strdup(m->o->own_path);
	return m->own ? 0 : -ENOMEM;
}

int mcr_rewrite(const struct mcr_rewrite_opts *opts, struct mcr_chunklog *log, const struct mcr_shmobject *object,
		struct mcr_rewrite_result *ret)
{
	struct mcr_rewrite_opts o;
	struct mcr_move m = { .o = &o, .log = log, .object = *object, .guard = MCR_GUARD_INIT(-EBADF) };
	int r = read_opts(opts, log, &o);

	*ret = (struct mcr_rewrite_result){ 0 };
	if (r < 0)
		return r;
	if (mcr_chunklog_dirty(log))
		return -EUCLEAN;
	m.res.next = o.from;
	r = find_paths(&m);
	if (r == 0)
		r = count_data(&m);
	if (r == 0 && o.walk && mcr_holderwalk_aim(o.walk, object->fd) == 0)
		m.walk = o.walk;
	if (r == 0)
		r = run_any(&m);
	free(m.seen);
	free(m.own);
	free(m.owner);
	*ret = m.res;
	return r;
}

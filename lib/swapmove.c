/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swapmove.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "fileio.h"
#include "pins.h"
#include "pressure.h"
#include "reclaim.h"
#include "shmobject.h"
#include "util.h"
#include "worker.h"

#define RESERVE_PART 4			/* of all swap: what is borrowed here for a moment others may need for good */
#define OUT_STEP_BYTES (8ULL << 20)
#define OUT_MAX_USEC (20 * MCR_USEC_PER_SEC)
#define OUT_TURNS 6			/* without progress, and nothing is under way to the device any more */
#define OUT_REST_USEC 10000
#define IN_STEP_BYTES (256ULL << 10)
#define IN_ROOM_BYTES (1ULL << 20)	/* left to the owner: the kernel charges ahead, and reads neighbours */
#define STALL_NSEC (10 * MCR_NSEC_PER_SEC)
#define PRESSURE_MAX_CENTI 1000
#define AVAILABLE_MIN_CENTI 500

/* ---- Is it worth trying? ---- */

bool mcr_swap_helps(enum mcr_refusal refusal)
{
	switch (refusal) {
	case MCR_REFUSED_NOT:
	case MCR_REFUSED_NOT_SHMEM:
	case MCR_REFUSED_HUGETLB:
	case MCR_REFUSED_DAX:
	/* These pin the pages themselves, and reclaim leaves them alone. */
	case MCR_REFUSED_VFIO:
	case MCR_REFUSED_RDMA:
	case MCR_REFUSED_XDP:
	case MCR_REFUSED_DMA_BUF:
	case MCR_REFUSED_PAGES_HELD:
	/* The owner would have to pay here as well. */
	case MCR_REFUSED_OWNER_LIMIT:
	case MCR_REFUSED_OWNER_GONE:
		return false;
	default:
		return true;
	}
}

static void take_swap_limit(int fd, const char *knob, uint64_t usage, uint64_t *room)
{
	uint64_t limit;

	if (mcr_read_u64_at(fd, knob, &limit) < 0 || limit == UINT64_MAX)
		return;
	limit = limit > usage ? limit - usage : 0;
	if (limit < *room)
		*room = limit;
}

/* Of all of the machine. */
static int free_swap(uint64_t *ret)
{
	uint64_t total_kib, free_kib, reserve_kib;
	char text[8192];
	int r = mcr_read_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text));

	if (r < 0)
		return r;
	if (mcr_keyed_u64(text, "SwapTotal", &total_kib) < 0 || mcr_keyed_u64(text, "SwapFree", &free_kib) < 0)
		return -EINVAL;
	reserve_kib = total_kib / RESERVE_PART;
	*ret = free_kib > reserve_kib ? (free_kib - reserve_kib) * 1024 : 0;
	return 0;
}

int mcr_swap_room(int cgroup_fd, uint64_t *ret)
{
	auto_(closep) int fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t room, usage;
	int r = fd < 0 ? -errno : free_swap(&room);

	if (r < 0)
		return r;
	while ((r = mcr_read_u64_at(fd, "memory.swap.current", &usage)) == 0) {
		int up;

		take_swap_limit(fd, "memory.swap.max", usage, &room);
		take_swap_limit(fd, "memory.swap.high", usage, &room);
		up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		close(fd);
		fd = up;
	}
	if (r != -ENOENT)	/* the root cgroup has no such file */
		return r;
	*ret = room;
	return 0;
}

bool mcr_swap_is_quiet(uint64_t bytes)
{
	const struct mcr_pressure_limits limits = { PRESSURE_MAX_CENTI, AVAILABLE_MIN_CENTI };
	auto_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mcr_pressure p;

	if (proc_fd < 0 || mcr_pressure_read(proc_fd, &p) < 0)
		return false;
	p.available_bytes = p.available_bytes > bytes ? p.available_bytes - bytes : 0;
	return !mcr_pressure_exceeds(&p, &limits);
}

/* ---- Out ---- */

struct out {
	int fd;
	bool swappiness_key;
	uint64_t swap_before, left, under_way, end_ns;
	struct mcr_swap_out_result res;
};

/* What is left in memory of shared memory, with what the swap cache keeps. Page cache is a drain's. */
static int look(struct out *o)
{
	struct mcr_charge c;
	int r = mcr_cgroup_charge(o->fd, &c);

	if (r < 0)
		return r;
	o->left = o->res.left_bytes = c.shmem_bytes + c.swapcache_bytes;
	o->under_way = c.dirty_bytes;
	o->res.out_bytes = c.swap_bytes > o->swap_before ? c.swap_bytes - o->swap_before : 0;
	/* Of a process that lives elsewhere: it would go out at its cost, and the cgroup would stay all the same. */
	if (c.anon_bytes)
		o->res.refusal = MCR_REFUSED_PRIVATE;
	return 0;
}

static int push(struct out *o)
{
	uint64_t room, bytes = o->left < OUT_STEP_BYTES ? o->left : OUT_STEP_BYTES;
	char text[64];
	int r = mcr_swap_room(o->fd, &room);

	if (r < 0)
		return r;
	if (room < bytes) {
		o->res.refusal = MCR_REFUSED_NO_SWAP;
		return 0;
	}
	snprintf(text, sizeof(text), "%" PRIu64 "%s", bytes, o->swappiness_key ? " swappiness=200" : "");
	r = mcr_write_at(o->fd, "memory.reclaim", text);
	o->res.writes++;
	return r == -EAGAIN ? 0 : r;
}

/* 0: go on; 1: that is all; or errno. */
static int out_step(struct out *o, unsigned int *idle)
{
	uint64_t before = o->left;
	int r = mcr_cgroup_populated(o->fd);

	if (r != 0)
		return r > 0 ? -EBUSY : r;
	r = push(o);
	if (r == 0)
		r = look(o);
	if (r < 0)
		return r;
	/*
	 * A page that is being written out keeps its charge, and would come back with it: its cgroup must not go before.  The next
	 * reclaim lets go of it.
	 */
	*idle = o->left < before || o->under_way ? 0 : *idle + 1;
	if (o->left >= before)
		usleep(OUT_REST_USEC);
	return o->res.refusal || *idle >= OUT_TURNS || mcr_now_ns() > o->end_ns;
}

int mcr_swap_out(int cgroup_fd, uint64_t max_usec, struct mcr_swap_out_result *ret)
{
	uint64_t usec = max_usec ? max_usec : OUT_MAX_USEC;
	struct out o = { .fd = cgroup_fd, .end_ns = mcr_now_ns() + usec * MCR_NSEC_PER_USEC };
	unsigned int idle = 0;
	int r;

	*ret = o.res;
	r = mcr_read_u64_at(cgroup_fd, "memory.swap.current", &o.swap_before);
	if (r < 0)
		return r;
	o.swappiness_key = mcr_reclaim_has_swappiness(cgroup_fd) > 0;
	r = look(&o);
	while (r == 0 && o.left && !o.res.refusal)
		r = out_step(&o, &idle);
	*ret = o.res;
	return r < 0 ? r : 0;
}

/* ---- In ---- */

struct in {
	int owner_fd, object_fd;
	const struct mcr_range *ranges;
	size_t n;
	int cpu;
	struct mcr_swap_in_result res;
};

/*
 * Reading, not mapping: read() leaves a hole a hole, where a mapping would make a page of it.  The pages in between
 * that were in memory already are copied in vain.
 */
static int read_step(struct in *in, uint64_t offset, uint64_t len)
{
	static char buf[IN_STEP_BYTES];
	uint64_t room;
	ssize_t n;
	int r = mcr_headroom(in->owner_fd, &room);

	if (r < 0)
		return r;
	if (room < len + IN_ROOM_BYTES) {
		in->res.refusal = MCR_REFUSED_OWNER_LIMIT;
		return 1;
	}
	n = pread(in->object_fd, buf, len, offset);
	if (n < 0)
		return -errno;
	in->res.read_bytes += n;
	return 0;
}

static int read_range(struct in *in, const struct mcr_range *range, int out_fd)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < range->len; at += IN_STEP_BYTES) {
		uint64_t len = range->len - at < IN_STEP_BYTES ? range->len - at : IN_STEP_BYTES;

		r = read_step(in, range->offset + at, len);
		mcr_worker_report(out_fd, &in->res, sizeof(in->res));
	}
	return r;
}

/* What is freed from swap waits on the CPU that did it: all on one, so that only that one has to be emptied. */
static bool stay_on(int cpu)
{
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return false;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

static int job_read(void *arg, int out_fd)
{
	struct in *in = arg;
	int r = 0;

	/* Should the owner run out of memory after all, it is us the kernel ends. */
	mcr_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
	in->res.cpu = stay_on(in->cpu) ? in->cpu : sched_getcpu();
	stay_on(in->res.cpu);
	for (size_t i = 0; r == 0 && i < in->n; i++)
		r = read_range(in, &in->ranges[i], out_fd);
	mcr_worker_report(out_fd, &in->res, sizeof(in->res));
	return r < 0 ? r : 0;
}

static void take_news(struct mcr_worker *w, struct mcr_swap_in_result *res, uint64_t *heard_ns)
{
	struct mcr_swap_in_result news;

	while (read(w->fd, &news, sizeof(news)) == sizeof(news)) {
		*res = news;
		*heard_ns = mcr_now_ns();
	}
}

/* Until it ends, or nothing is heard of it for too long. Its wait status. */
static int attend(struct mcr_worker *w, struct mcr_swap_in_result *res)
{
	struct pollfd p = { .fd = w->pidfd, .events = POLLIN };
	uint64_t heard_ns = mcr_now_ns();

	for (;;) {
		int ended = poll(&p, 1, 10);

		take_news(w, res, &heard_ns);
		if (ended > 0 || mcr_now_ns() - heard_ns > STALL_NSEC)
			return mcr_worker_end(w);
	}
}

static uint64_t shmem_of(int cgroup_fd)
{
	struct mcr_charge c;

	return mcr_cgroup_charge(cgroup_fd, &c) < 0 ? 0 : c.shmem_bytes;
}

static int refuse(struct mcr_swap_in_result *res, enum mcr_refusal refusal)
{
	res->refusal = refusal;
	return 1;
}

int mcr_swap_in(int owner_fd, int object_fd, const struct mcr_range *ranges, size_t n, int cpu,
		struct mcr_swap_in_result *ret)
{
	struct in in = { owner_fd, object_fd, ranges, n, cpu, { .cpu = -1 } };
	const int keep[] = { owner_fd, object_fd };
	struct mcr_worker w = MCR_WORKER_INIT;
	uint64_t before, after;
	int r, status;

	*ret = in.res;
	if (faccessat(owner_fd, "memory.current", F_OK, 0) < 0)
		return refuse(ret, MCR_REFUSED_OWNER_GONE);
	before = shmem_of(owner_fd);
	r = mcr_worker_start_in(&w, owner_fd, job_read, &in, keep, ARRAY_SIZE(keep));
	if (r == -ENODEV || r == -ENOENT || r == -EBUSY || r == -EOPNOTSUPP)
		return refuse(ret, MCR_REFUSED_OWNER_GONE);
	if (r < 0)
		return r;
	status = attend(&w, ret);
	after = shmem_of(owner_fd);
	ret->moved_bytes = after > before ? after - before : 0;
	if (ret->moved_bytes > ret->read_bytes)
		ret->moved_bytes = ret->read_bytes;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return -ECANCELED;
	return ret->refusal ? 1 : 0;
}

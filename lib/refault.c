/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refault.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "cgroup.h"
#include "fileio.h"
#include "pressure.h"
#include "readback.h"
#include "shmobject.h"
#include "util.h"
#include "wanted.h"
#include "worker.h"

#define OPEN_USEC (5 * MCR_USEC_PER_SEC)
#define READ_USEC (30 * MCR_USEC_PER_SEC)
/* Beyond what is wanted: page tables, and what others charge to the owner meanwhile. */
#define ROOM_BYTES (4ULL << 20)

struct refault {
	const struct mcr_refault_opts *o;
	struct mcr_wanted *wanted;
	struct mcr_refault_result *res;
	struct mcr_readback_report *last;	/* of each file */
	struct mcr_worker worker;
	bool ready, done;
};

static int refuse(struct mcr_refault_result *res, enum mcr_refusal refusal)
{
	if (!res->refusal)
		res->refusal = refusal;
	return 1;
}

/* ---- Before ---- */

static enum mcr_refusal moment(const struct refault *f)
{
	const struct mcr_pressure_limits limits = { f->o->pressure_max_centi, f->o->available_min_centi };
	auto_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mcr_pressure p;
	uint64_t room;

	if (f->res->wanted_bytes > f->o->max_bytes)
		return MCR_REFUSED_TOO_LARGE;
	if (mcr_headroom(f->o->owner_fd, &room) < 0)
		return MCR_REFUSED_OWNER_GONE;
	if (room < f->res->wanted_bytes + ROOM_BYTES)
		return MCR_REFUSED_OWNER_LIMIT;
	if (mcr_pressure_read(proc_fd, &p) < 0 || mcr_pressure_exceeds(&p, &limits))
		return MCR_REFUSED_PRESSURE;
	return MCR_REFUSED_NOT;
}

static void count(struct refault *f)
{
	struct mcr_refault_result *res = f->res;

	res->wanted_bytes = res->refused_bytes = 0;
	res->files = res->files_refused = 0;
	for (size_t i = 0; i < f->wanted->n; i++) {
		const struct mcr_wanted_file *file = &f->wanted->files[i];

		*(file->refusal ? &res->refused_bytes : &res->wanted_bytes) += file->bytes;
		(*(file->refusal ? &res->files_refused : &res->files))++;
		if (file->refusal)
			refuse(res, file->refusal);
	}
}

static uint64_t owner_cache(const struct refault *f)
{
	struct mcr_charge c;

	return mcr_cgroup_charge(f->o->owner_fd, &c) == 0 ? c.file_bytes - c.shmem_bytes : 0;
}

/* ---- The reader ---- */

static void take(struct refault *f, const struct mcr_readback_report *rep)
{
	f->ready |= rep->kind == MCR_READBACK_READY;
	f->done |= rep->kind == MCR_READBACK_DONE;
	if (rep->kind != MCR_READBACK_FILE || rep->file >= f->wanted->n)
		return;
	f->last[rep->file] = *rep;
	f->wanted->files[rep->file].refusal = rep->refusal;
}

/* Takes reports until the flag is up. False: it died, or the time is over. */
static bool attend(struct refault *f, const bool *flag, uint64_t usec)
{
	uint64_t end = mcr_now_ns() + usec * MCR_NSEC_PER_USEC;
	struct pollfd p = { .fd = f->worker.fd, .events = POLLIN };
	struct mcr_readback_report rep;

	while (!*flag && mcr_now_ns() < end) {
		ssize_t n;

		poll(&p, 1, 20);
		while ((n = read(f->worker.fd, &rep, sizeof(rep))) == sizeof(rep))
			take(f, &rep);
		if (n == 0)
			break;
	}
	return *flag;
}

static int start_reader(struct refault *f, int *ret_go_fd)
{
	auto_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mcr_readback job = {
		.wanted = f->wanted, .owner_fd = f->o->owner_fd, .proc_fd = proc_fd,
		.pressure_max_centi = f->o->pressure_max_centi, .available_min_centi = f->o->available_min_centi,
	};
	int go[2], r;

	if (proc_fd < 0 || pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	job.go_fd = go[0];
	r = mcr_worker_start_in(&f->worker, f->o->owner_fd, mcr_readback_run, &job,
				(int[]){ go[0], job.owner_fd, proc_fd }, 3);
	close(go[0]);
	if (r < 0)
		close(go[1]);
	else
		*ret_go_fd = go[1];
	return r;
}

static void sum_up(struct refault *f)
{
	for (size_t i = 0; i < f->wanted->n; i++) {
		f->res->present_bytes += f->last[i].present_bytes;
		f->res->read_bytes += f->last[i].read_bytes;
		if (f->wanted->files[i].refusal)
			refuse(f->res, f->wanted->files[i].refusal);
	}
}

static int evict_and_read(struct refault *f, int go_fd)
{
	struct mcr_refault_result *res = f->res;
	uint64_t before = owner_cache(f), began = mcr_now_ns(), evicted, after;
	enum mcr_refusal refusal = f->o->evict(f->o->userdata);

	if (refusal)
		return refuse(res, refusal);
	evicted = mcr_now_ns();
	res->evicted = true;
	if (write(go_fd, "", 1) == 1)
		res->late = !attend(f, &f->done, f->o->max_usec ? f->o->max_usec : READ_USEC);
	res->evict_usec = (evicted - began) / MCR_NSEC_PER_USEC;
	res->read_usec = (mcr_now_ns() - evicted) / MCR_NSEC_PER_USEC;
	after = owner_cache(f);
	res->charged_bytes = after > before ? after - before : 0;
	sum_up(f);
	if (res->late)
		return refuse(res, MCR_REFUSED_UNREADABLE);
	return res->refusal ? 1 : 0;
}

static int run(struct refault *f)
{
	auto_(closep) int go_fd = -EBADF;
	int r = start_reader(f, &go_fd);

	if (r == -ENODEV || r == -ENOENT || r == -EBUSY || r == -EOPNOTSUPP)
		return refuse(f->res, MCR_REFUSED_OWNER_GONE);
	if (r < 0)
		return r;
	if (!attend(f, &f->ready, OPEN_USEC))
		r = refuse(f->res, MCR_REFUSED_UNREADABLE);
	count(f);
	if (r == 0)
		r = f->res->files ? evict_and_read(f, go_fd) : 1;
	mcr_worker_end(&f->worker);
	return r;
}

int mcr_refault(const struct mcr_refault_opts *opts, struct mcr_wanted *wanted, struct mcr_refault_result *ret)
{
	struct refault f = { .o = opts, .wanted = wanted, .res = ret, .worker = MCR_WORKER_INIT };
	enum mcr_refusal refusal;
	int r;

	*ret = (struct mcr_refault_result){ 0 };
	if (opts->sz != sizeof(*opts))
		return -E2BIG;
	count(&f);
	if (!ret->files)
		return ret->files_refused ? 1 : 0;
	refusal = moment(&f);
	if (refusal)
		ret->refusal = refusal;		/* of all, before what some files have against it */
	if (refusal || opts->dry_run)
		return ret->refusal ? 1 : 0;
	f.last = calloc(wanted->n, sizeof(*f.last));
	if (!f.last)
		return -ENOMEM;
	r = run(&f);
	free(f.last);
	return r;
}

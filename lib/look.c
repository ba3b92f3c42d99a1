/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who uses the object, and whether they may be, and are, frozen: by BPF where that is allowed, or else from /proc.
 */
#include "mover.h"

#include "cgroup.h"
#include "freeze.h"
#include "holders.h"
#include "holderwalk.h"
#include "util.h"

int mcr_move_refuse(struct mcr_move *m, enum mcr_refusal refusal, pid_t pid)
{
	m->res.refusal = refusal;
	m->res.refused_pid = pid;
	return 1;
}

/* 0, 1 when the cgroup must not be frozen, or 2 when it is not. */
static int look_at_cgroup(struct mcr_move *m, struct mcr_freeze *f, pid_t pid, const char *path)
{
	enum mcr_refusal refusal = f ? mcr_freeze_add(f, path) : mcr_freeze_allowed(path, m->own, m->owner);

	if (refusal)
		return mcr_move_refuse(m, refusal, pid);
	return mcr_cgroup_frozen(m->o->h, path) == 1 ? 0 : 2;
}

/* ---- By BPF ---- */

/* What it has open besides. Once for each: pages that the kernel holds are found when they are moved. */
static int look_closely(struct mcr_move *m, pid_t pid)
{
	enum mcr_refusal refusal;
	pid_t *bigger;

	for (size_t i = 0; i < m->n_seen; i++)
		if (m->seen[i] == pid)
			return 0;
	refusal = mcr_holder_refusal("/proc", pid);
	if (refusal)
		return mcr_move_refuse(m, refusal, pid);
	bigger = reallocarray(m->seen, m->n_seen + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	m->seen = bigger;
	m->seen[m->n_seen++] = pid;
	return 0;
}

static int look_at_reach(struct mcr_move *m, struct mcr_freeze *f, const struct mcr_reach *reach)
{
	auto_(freep) char *path = NULL;
	auto_(closep) int fd = -EBADF;
	int r = look_closely(m, reach->tgid);

	if (r != 0 || (f && mcr_freeze_has(f, reach->cgroup_id)))
		return r;
	fd = mcr_cgroup_open_id(m->o->h, reach->cgroup_id);
	if (fd == -ESTALE || fd == -ENOENT)
		return 2;	/* has moved, or ended: look again */
	if (fd < 0)
		return fd;
	r = mcr_cgroup_path(m->o->h, fd, &path);
	return r < 0 ? (r == -ENOENT ? 2 : r) : look_at_cgroup(m, f, reach->tgid, path);
}

static int look_by_walk(struct mcr_move *m, struct mcr_freeze *f)
{
	size_t waiting = m->guard.fd >= 0 ? mcr_guard_waiting(&m->guard) : 0, unseen, n;
	const struct mcr_reach *reach;
	int r = mcr_holderwalk_find(m->walk, &reach, &n, &unseen), worst = 0;

	if (r < 0)
		return r;
	m->res.users = n;
	for (size_t i = 0; i < n; i++) {
		r = look_at_reach(m, f, &reach[i]);
		if (r < 0 || r == 1)
			return r;
		worst = r > worst ? r : worst;
	}
	return unseen > waiting ? 3 : worst;	/* one who waits at the guard has it open already, but not in hand */
}

/* ---- From /proc ---- */

static int look_at_holder(struct mcr_move *m, struct mcr_freeze *f, const struct mcr_holder *h)
{
	enum mcr_refusal refusal;

	if (!h->cgroup)
		return 0;	/* has ended */
	refusal = mcr_holder_refusal("/proc", h->pid);
	return refusal ? mcr_move_refuse(m, refusal, h->pid) : look_at_cgroup(m, f, h->pid, h->cgroup);
}

static int look_in_proc(struct mcr_move *m, struct mcr_freeze *f)
{
	auto_(mcr_holders_freep) struct mcr_holders *holders = NULL;
	int r = mcr_holders_find("/proc", m->object.fd, &holders), worst = 0;

	if (r < 0)
		return r;
	m->res.users = holders->n;
	if (!holders->complete)
		return mcr_move_refuse(m, MCR_REFUSED_UNSEEN, 0);
	for (size_t i = 0; i < holders->n; i++) {
		r = look_at_holder(m, f, &holders->at[i]);
		if (r == 1)
			return 1;
		worst = r > worst ? r : worst;
	}
	return worst;
}

int mcr_mover_look(struct mcr_move *m, struct mcr_freeze *f)
{
	return m->walk ? look_by_walk(m, f) : look_in_proc(m, f);
}

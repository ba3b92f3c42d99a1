/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lib/rewrite.c does in the owner's cgroup, part by part. Not for others.
 */
#pragma once

#include "guard.h"
#include "rewrite.h"
#include "shmobject.h"

/* A huge page: moved whole, so that it stays one. */
#define MCR_HUGE_BYTES (2ULL << 20)

struct mcr_holderwalk;

struct mcr_move {
	const struct mcr_rewrite_opts *o;	/* with all defaults filled in */
	struct mcr_chunklog *log;
	struct mcr_shmobject object;
	char *own, *owner;			/* paths of cgroups */
	struct mcr_guard guard;			/* .fd < 0: none */
	struct mcr_holderwalk *walk;		/* NULL: BPF is refused, /proc has to do */
	pid_t *seen;				/* users that were looked at closely */
	size_t n_seen;
	struct mcr_rewrite_result res;		/* strategy and next are given */
};

/* Notes what stands against it; returns 1. */
int mcr_move_refuse(struct mcr_move *m, enum mcr_refusal refusal, pid_t pid);

/* A worker's job: reports m->res after each part, and at the end. */
int mcr_mover_run(void *move, int out_fd);

/*
 * Who uses the object, and may they all be frozen?  Adds their cgroups to f (NULL: only asks).
 * 0: yes, and they are at rest; 1: m->res.refusal says why not; 2: yes, but some are not at rest; 3: somebody has it that is
 * no process (who is just opening it, or the kernel); or errno.
 */
struct mcr_freeze;
int mcr_mover_look(struct mcr_move *m, struct mcr_freeze *f);

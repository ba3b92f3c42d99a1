/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of mcr-torture have in common: one page that all its processes share, and the cgroups they live in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TORTURE_PAGE	4096UL
#define TORTURE_DYING	64
#define TORTURE_KNOBS	"/sys/kernel/mm/memcg_recharge/"
#define TORTURE_COMMON_PAGES	256U
#define TORTURE_HUGE_DIR	"/run/torture-huge"	/* a tmpfs with huge=always, mounted by who runs it */

/*
 * top/{a,b} and top/deep/mid/c are lived in; top/p/q and top/small (which has a limit) are only moved to and from,
 * and so are those that have others below them.
 */
enum torture_cgroup { CG_A, CG_B, CG_C, CG_Q, CG_SMALL, CG_P, CG_MID, CG_DEEP, CG_TOP, NR_CGROUPS };
#define NR_LIVED_IN	(CG_C + 1)

enum torture_result { R_DONE, R_BUSY, R_LIMIT, R_GONE, R_INVALID, R_OFF, NR_RESULTS };

struct torture_shared {
	volatile int stop;		/* no further round; then stay as you are until killed */
	int quiet;			/* how many have stopped */
	int bad;			/* what was not as it must be, told on stderr */
	uint64_t rounds;
	uint64_t results[NR_RESULTS];
	uint64_t dying[TORTURE_DYING];	/* ids, of which some have gone */
};

struct torture {
	struct torture_shared *shared;
	int fd[NR_CGROUPS];
	uint64_t id[NR_CGROUPS];
	char *common;		/* memory that all share */
	int common_fd;
	bool recharging;	/* the kernel can do it */
	bool switching;
	uint64_t seed;
};

/* A number below n, any as likely as another; each process has a row of its own. */
void torture_seed(uint64_t seed);
unsigned int torture_rand(unsigned int n);

__attribute__((format(printf, 2, 3))) void torture_bad(struct torture *t, const char *format, ...);

/* Workers: each is the whole life of a process, until t->shared->stop. */
void torture_load(struct torture *t);
void torture_move(struct torture *t);
void torture_churn(struct torture *t);
void torture_reclaim(struct torture *t);
void torture_switch(struct torture *t);

/* Has this process join one of the cgroups that are lived in. */
void torture_join(const struct torture *t, enum torture_cgroup cgroup);

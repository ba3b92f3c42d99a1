/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "freeze.h"
#include "pins.h"
#include "reach.h"
#include "rewrite.h"
#include "users.h"
#include "util.h"

#define CGROUPS_MAX 64		/* told apart; more cannot be frozen at a time */

/* Systemd opens files there: see rechargerun.c. */
static bool is_managers(const struct mcr_pin *p)
{
	struct stat st;

	return p->kind == MCR_PIN_TMPFS && stat("/run", &st) == 0 && st.st_dev == p->dev;
}

static bool is_new(const char *const *seen, size_t n, const char *cgroup)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(seen[i], cgroup) == 0)
			return false;
	return true;
}

/* Who uses it, and whether one of them cannot be frozen. */
static void look_at_users(const struct mcr_users *u, size_t pin, const char *owner, struct mcr_fit *f)
{
	const char *seen[CGROUPS_MAX];

	for (size_t i = 0; u && i < u->n; i++) {
		const struct mcr_user *user = &u->users[i];

		if (user->pin != pin)
			continue;
		f->users++;
		if (!user->cgroup || f->cgroups == CGROUPS_MAX || !is_new(seen, f->cgroups, user->cgroup))
			continue;
		seen[f->cgroups++] = user->cgroup;
		if (f->refusal)
			continue;
		f->refusal = mcr_freeze_allowed(user->cgroup, "", owner ? owner : "");
		f->pid = f->refusal ? user->pid : 0;
	}
}

/* Is there a name to open it by: a path we can go, or a segment's number? */
static bool has_name(const struct mcr_pin *p)
{
	return p->path || p->kind == MCR_PIN_SYSV;
}

/* Only a file of a mounted tmpfs can be leased, and only while nobody has it. */
static const char *strategy_for(const struct mcr_pin *p, const struct mcr_fit *f)
{
	bool used = f->users || p->mapped_bytes;

	if (!used && !has_name(p))
		return NULL;
	return mcr_rewrite_strategy_name(!used && p->kind == MCR_PIN_TMPFS ? MCR_REWRITE_LEASE : MCR_REWRITE_FROZEN);
}

/* What is charged page by page and stays when it is reclaimed from. */
static bool is_the_kernels(const struct mcr_pin *p)
{
	switch (p->kind) {
	case MCR_PIN_TMPFS:
	case MCR_PIN_MEMFD:
	case MCR_PIN_SYSV:
	case MCR_PIN_SHARED_ANON:
	case MCR_PIN_KERNEL_SHMEM:
	case MCR_PIN_ANON:
	case MCR_PIN_KSM:
	case MCR_PIN_SWAP_CACHE:
	case MCR_PIN_SWAP:
		return true;
	case MCR_PIN_FILE:
		return p->locked;
	default:
		return false;
	}
}

static void count_users(const struct mcr_users *u, size_t pin, struct mcr_fit *f)
{
	look_at_users(u, pin, NULL, f);
	f->refusal = MCR_REFUSED_NOT;
	f->pid = 0;
}

bool mcr_fit_find(const struct mcr_pins *pins, const struct mcr_users *users, size_t i, const struct mcr_fit_opts *opts,
		  struct mcr_fit *ret)
{
	const struct mcr_pin *p = &pins->pins[i];
	struct mcr_fit f = { .complete = users && users->complete };

	if (opts && opts->kernel && is_the_kernels(p)) {
		count_users(users, i, &f);
		f.strategy = mcr_rewrite_strategy_name(MCR_REWRITE_KERNEL);
		*ret = f;
		return true;
	}
	if (!mcr_reach_is_shmem(p))
		return false;
	if (is_managers(p))
		f.refusal = MCR_REFUSED_MANAGERS;
	look_at_users(users, i, opts ? opts->owner : NULL, &f);
	f.strategy = f.refusal ? NULL : strategy_for(p, &f);
	*ret = f;
	return true;
}

/* Who was not seen may have it, and be the way to it. */
bool mcr_fit_is_open(const struct mcr_fit *f)
{
	return !f->refusal && (f->strategy || !f->complete);
}

static const char *by_lease(const struct mcr_fit *f)
{
	return f->complete ? "could be recharged: lease (nobody has it open)" :
	       "could be recharged: lease, if nobody has it open (not every process could be looked into)";
}

static const char *while_frozen(const struct mcr_fit *f, const struct mcr_fit_opts *opts)
{
	static char buf[256];
	const char *user = opts && opts->owner_user ? "; Owner=user: who maps it would be frozen and cannot pay, so that the slice's "
			   "owner does, unless it goes through swap" : "";

	if (!f->users)
		snprintf(buf, sizeof(buf), "could be recharged: frozen (%s)%s",
			 f->complete ? "nobody has it" : "its users could not be looked into", user);
	else
		snprintf(buf, sizeof(buf), "could be recharged: frozen (%u user%s in %u cgroup%s wait for moments%s)%s", f->users,
			 f->users == 1 ? "" : "s", f->cgroups, f->cgroups == 1 ? "" : "s",
			 f->complete ? "" : "; not every process could be looked into", user);
	return buf;
}

const char *mcr_fit_text(const struct mcr_fit *f, const struct mcr_fit_opts *opts)
{
	static char buf[256];

	if (f->refusal) {
		snprintf(buf, sizeof(buf), "cannot be recharged: %s (%s)", mcr_refusal_name(f->refusal),
			 mcr_refusal_sentence(f->refusal));
		return buf;
	}
	if (f->strategy && strcmp(f->strategy, mcr_rewrite_strategy_name(MCR_REWRITE_KERNEL)) == 0)
		return "could be recharged: by the kernel (nobody waits)";
	if (f->strategy)
		return strcmp(f->strategy, mcr_rewrite_strategy_name(MCR_REWRITE_LEASE)) == 0 ? by_lease(f) : while_frozen(f, opts);
	return f->complete ? "cannot be recharged: nobody has it, and it has no name that leads to it from here" :
	       "could be recharged if somebody has it who could not be looked into";
}

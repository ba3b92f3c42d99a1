/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reap.h"

#include <string.h>

#include "census.h"
#include "config.h"
#include "hierarchy.h"
#include "policy.h"
#include "pressure.h"
#include "sync.h"
#include "util.h"

#define TURN_USEC 100000

static int count_anchor(struct mcr_reap_anchor **anchors, size_t *n, const struct mcr_zombie *z,
			const struct mcr_policy *policy, bool named)
{
	struct mcr_reap_anchor *bigger;
	/* By count: what is known of its pages; nothing known is no bound. */
	uint64_t bytes = named ? mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE) :
			 z->usage_bytes ? z->usage_bytes : UINT64_MAX / 4;
	size_t number = named ? 1 : z->refs;

	for (size_t i = *n; i > 0; i--) {	/* the census goes subtree by subtree: mostly the last */
		if ((*anchors)[i - 1].id == z->anchor_id) {
			(*anchors)[i - 1].zombies += number;
			(*anchors)[i - 1].bytes += bytes;
			return 0;
		}
	}
	bigger = realloc(*anchors, (*n + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*anchors = bigger;
	bigger[(*n)++] = (struct mcr_reap_anchor){ .id = z->anchor_id, .path = z->anchor,
						      .zombies = number, .bytes = bytes, .policy = policy };
	return 0;
}

static bool may_reap(const struct mcr_policy *p)
{
	return p && p->shield && !p->dry_run;
}

bool mcr_reap_is_forbidden(const struct mcr_config *config, const char *anchor)
{
	const struct mcr_policy *p = mcr_policy_for(config, anchor, NULL);

	return p && !may_reap(p);
}

/*
 * Reclaim happens at the live ancestor: its policy must not be against it.  Without one of its own, it is the
 * slice of a policy with globs, or below it.
 */
const struct mcr_policy *mcr_reap_policy(const struct mcr_config *config, const struct mcr_zombie *z,
					 const struct mcr_policy *zombies)
{
	const struct mcr_policy *p = mcr_policy_for(config, z->anchor, NULL);
	const char *path = z->anchor + strspn(z->anchor, "/");

	for (char **s = zombies->slices; !p && s && *s; s++) {
		size_t len = strlen(*s);

		if (strncmp(path, *s, len) == 0 && (!path[len] || path[len] == '/'))
			p = zombies;
	}
	return may_reap(p) ? p : NULL;
}

int mcr_reap_plan(const struct mcr_census *census, const struct mcr_config *config, mcr_reap_chooser choose,
		  void *userdata, struct mcr_reap_anchor **ret)
{
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	size_t n = 0;

	for (size_t i = 0; i < census->n; i++) {
		const struct mcr_zombie *z = &census->zombies[i];

		const struct mcr_policy *p;

		if (!z->anchor_id)
			continue;
		p = choose ? choose(z, userdata) : mcr_policy_for(config, z->path, NULL);
		p = may_reap(p) ? mcr_reap_policy(config, z, p) : NULL;
		if (!p)
			continue;
		if (count_anchor(&anchors, &n, z, p, census->named) < 0)
			return -ENOMEM;
	}
	*ret = steal_ptr(anchors);
	return n;
}

const char *mcr_reap_refusal(const struct mcr_hierarchy *h, const struct mcr_config *config, int proc_fd)
{
	const struct mcr_pressure_limits limits = { config->pressure_max_centi, config->available_min_centi };
	struct mcr_pressure p;

	if (!mcr_hierarchy_recursive_protection(h))
		return "cgroup2 is not mounted with memory_recursiveprot";
	if (mcr_pressure_read(proc_fd, &p) < 0)
		return "memory pressure cannot be read";
	return mcr_pressure_exceeds(&p, &limits);
}

/* An error of more than one anchor: a protection that could not be put back, say. */
static bool fatal(int error)
{
	return error < 0 && error != -EAGAIN && error != -ESTALE && error != -ENODEV && error != -ENOENT;
}

/* The daemon and `memcg-reaper reap` take turns, a shield at a time: wait for ours, for a while. */
static int reclaim_in_turn(const struct mcr_reap_opts *o, uint64_t id, const struct mcr_shield_opts *s,
			   struct mcr_shield_result *ret)
{
	uint64_t patience = o->patience_usec ? o->patience_usec : MCR_REAP_PATIENCE_USEC;
	int r = mcr_shield_reclaim(o->h, id, s, ret);

	for (uint64_t waited = 0; r == -EBUSY && waited < patience; waited += TURN_USEC) {
		usleep(TURN_USEC);
		r = mcr_shield_reclaim(o->h, id, s, ret);
	}
	return r;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One write more than the zombies hold, for newcomers among the live are not protected; no more than both budgets. */
static uint64_t bound(const struct mcr_reap_opts *o, const struct mcr_reap_anchor *a, uint64_t todo)
{
	uint64_t want = a->bytes + a->policy->step_bytes;

	if (want < a->bytes)
		want = UINT64_MAX;
	if (o->policy_budgets)
		todo = min_u64(todo, o->policy_budgets[a->policy->index]);
	return min_u64(want, todo);
}

static void spend(const struct mcr_reap_opts *o, const struct mcr_reap_anchor *a, uint64_t bytes, uint64_t *todo)
{
	uint64_t *budget = o->policy_budgets ? &o->policy_budgets[a->policy->index] : NULL;

	*todo -= min_u64(*todo, bytes);
	if (budget)
		*budget -= min_u64(*budget, bytes);
}

/* One pass over the anchors that are not done; *todo is what may still be asked for. */
static int pass(const struct mcr_reap_opts *o, const struct mcr_reap_anchor *anchors, size_t n, bool *done,
		unsigned int number, uint64_t *todo,
		int (*report)(const struct mcr_reap_report *report, void *userdata), void *userdata)
{
	for (size_t i = 0; i < n && *todo > 0; i++) {
		struct mcr_reap_report rep = { .anchor_id = anchors[i].id, .pass = number,
					       .policy = anchors[i].policy->index };
		struct mcr_shield_opts s = o->shield;
		int r;

		s.step_bytes = anchors[i].policy->step_bytes;
		s.max_bytes = bound(o, &anchors[i], *todo);
		if (done[i] || s.max_bytes < s.step_bytes)
			continue;
		rep.error = reclaim_in_turn(o, anchors[i].id, &s, &rep.result);
		rep.asked_bytes = rep.result.writes * s.step_bytes;
		spend(o, &anchors[i], rep.asked_bytes, todo);
		done[i] = rep.error < 0 || rep.result.dying_after == 0;
		r = report(&rep, userdata);
		if (r < 0)
			return r;
		if (rep.result.stopped || fatal(rep.error))
			*todo = 0;
	}
	return 0;
}

int mcr_reap(const struct mcr_reap_opts *o, const struct mcr_reap_anchor *anchors, size_t n,
	     int (*report)(const struct mcr_reap_report *report, void *userdata), void *userdata)
{
	auto_(freep) bool *done = calloc(n + 1, sizeof(*done));
	uint64_t todo = o->shield.max_bytes;
	int r;

	if (!done)
		return -ENOMEM;
	r = pass(o, anchors, n, done, 1, &todo, report, userdata);
	if (r < 0 || !o->sync || todo == 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!done[i]) {
			mcr_sync_filesystems();
			mcr_release_writeback(o->h);
			return pass(o, anchors, n, done, 2, &todo, report, userdata);
		}
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refaultrun.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "census.h"
#include "cgroup.h"
#include "config.h"
#include "drain.h"
#include "hierarchy.h"
#include "json.h"
#include "pins.h"
#include "reap.h"
#include "rechargeask.h"
#include "rechargerun.h"
#include "refault.h"
#include "users.h"
#include "util.h"
#include "wanted.h"

/* Dead ones below the same ancestor. */
#define SUBJECTS_MAX 256
#define TOLD_MAX 16
/* Reclaim passes over what is mapped and was used of late, and takes it when it comes again. */
#define PASSES_MAX 3

struct subject {
	const struct mcr_recharge_opts *o;
	const struct mcr_recharge_request *q;
	bool dead;
	uint64_t ids[SUBJECTS_MAX];
	struct mcr_pins *pins[SUBJECTS_MAX];
	size_t n;
	uint64_t anchor_id, bytes;	/* of the dead */
	uint64_t shield_bytes;
	int error;			/* of the last pass */
	bool stopped, partial;
	uint64_t freed_bytes;
};

static void drop_pins(struct subject *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->pins[i] = mcr_pins_free(s->pins[i]);
}

static int walk(struct subject *s)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = NULL;
	int r = mcr_pins_walker_new(&w, NULL);

	if (r < 0)
		return r;
	drop_pins(s);
	return mcr_pins_walk_all(w, s->ids, s->n, s->pins);
}

/* ---- Whose page cache ---- */

static void add_dead(struct subject *s, const struct mcr_zombie *z)
{
	if (s->n < SUBJECTS_MAX)
		s->ids[s->n++] = z->id;
	s->bytes += mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE);
}

static int find_dead(struct subject *s)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	int r = mcr_census_walker_new(&w, NULL);

	if (r == 0)
		r = mcr_census_walk(w, &c);
	if (r < 0)
		return r;
	s->dead = true;
	for (size_t i = 0; i < c->n; i++)
		if (c->zombies[i].id == s->q->cgroup_id)
			s->anchor_id = c->zombies[i].anchor_id;
	for (size_t i = 0; s->anchor_id && i < c->n; i++)
		if (c->zombies[i].anchor_id == s->anchor_id)
			add_dead(s, &c->zombies[i]);
	return s->n ? 0 : -ESTALE;
}

/* 0, 1: it is in use, and stays as it is; or errno. */
static int find_subjects(struct subject *s)
{
	auto_(closep) int fd = mcr_cgroup_open_id(s->o->h, s->q->cgroup_id);

	/* It was asked for while held: bounds of a drain, not of a shield. The zombie will be asked for by itself. */
	if (fd < 0)
		return s->q->only_empty ? 1 : find_dead(s);
	if (mcr_cgroup_populated(fd) != 0)
		return 1;
	s->ids[s->n++] = s->q->cgroup_id;
	return 0;
}

static uint64_t file_bytes(const struct subject *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; s->pins[i] && k < s->pins[i]->n; k++)
			if (s->pins[i]->pins[k].kind == MCR_PIN_FILE)
				sum += s->pins[i]->pins[k].bytes;
	return sum;
}

/* ---- Evicting ---- */

static int on_drained(const struct mcr_drain_report *rep, void *userdata)
{
	struct subject *s = userdata;

	s->error = rep->error;
	s->freed_bytes += rep->freed_bytes;
	s->partial = rep->error == 0 && mcr_drain_worth_retry(&rep->left);
	return 0;
}

static int drain(struct subject *s)
{
	const struct mcr_drain_opts opts = { .h = s->o->h, .journal_dir_fd = s->o->journal_dir_fd };
	const struct mcr_drain_item item = {
		.id = s->ids[0], .step_bytes = s->q->step_bytes, .max_bytes = s->q->evict_max_bytes,
	};
	int r = mcr_drain_in_turn(&opts, &item, 1, on_drained, s);

	return r < 0 ? r : s->error;
}

static int on_reaped(const struct mcr_reap_report *rep, void *userdata)
{
	struct subject *s = userdata;

	s->error = rep->error;
	s->stopped = rep->result.stopped;
	s->freed_bytes += rep->result.freed_bytes;
	s->shield_bytes += rep->asked_bytes;
	s->partial = rep->error == 0 && rep->result.dying_after > 0;
	return 0;
}

static int reap(struct subject *s)
{
	const struct mcr_policy policy = { .step_bytes = s->q->step_bytes };
	const struct mcr_reap_anchor anchor = {
		.id = s->anchor_id, .zombies = s->n, .bytes = s->bytes, .policy = &policy,
	};
	uint64_t may = s->q->evict_max_bytes > s->shield_bytes ? s->q->evict_max_bytes - s->shield_bytes : 0;
	const struct mcr_reap_opts opts = {
		.h = s->o->h,
		.shield = {
			.max_bytes = may,
			.journal_dir_fd = s->o->journal_dir_fd, .proc_fd = s->o->proc_fd,
			.pressure_max_centi = s->q->pressure_max_centi,
			.available_min_centi = s->q->available_min_centi,
		},
	};
	int r = may < s->q->step_bytes ? -EDQUOT : mcr_reap(&opts, &anchor, 1, on_reaped, s);

	return r < 0 ? r : s->error;
}

static enum mcr_refusal why_not_evicted(const struct subject *s, int error)
{
	if (s->stopped)
		return MCR_REFUSED_PRESSURE;
	if (error == -EAGAIN)
		return MCR_REFUSED_NEAR_LIMIT;
	if (error == -EDQUOT)
		return MCR_REFUSED_TOO_LARGE;
	return error == -EBUSY && !s->dead ? MCR_REFUSED_IN_USE : MCR_REFUSED_NO_SHIELD;
}

static enum mcr_refusal evict(void *userdata)
{
	struct subject *s = userdata;
	uint64_t before;
	int r;

	if (s->dead && !mcr_hierarchy_recursive_protection(s->o->h))
		return MCR_REFUSED_NO_SHIELD;
	for (int pass = 0; pass < PASSES_MAX; pass++) {
		before = s->freed_bytes;
		r = s->dead ? reap(s) : drain(s);
		if (s->freed_bytes == before && pass == 0 && (r < 0 || s->stopped))
			return why_not_evicted(s, r);
		if (r < 0 || !s->partial || s->stopped || s->freed_bytes == before)
			break;
	}
	return MCR_REFUSED_NOT;
}

/* ---- What came of it ---- */

/* What of the wanted file is still charged where it was, and why. */
static uint64_t still_there(const struct subject *s, const struct mcr_wanted_file *f, enum mcr_refusal *why)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; s->pins[i] && k < s->pins[i]->n; k++) {
			const struct mcr_pin *p = &s->pins[i]->pins[k];
			uint64_t bytes = 0;

			if (p->kind != MCR_PIN_FILE || p->ino != f->ino || p->dev != f->dev)
				continue;
			for (size_t n = 0; n < f->n_ranges; n++)
				bytes += mcr_ranges_within(p->ranges, p->n_ranges, f->ranges[n].offset,
							   f->ranges[n].len);
			if (bytes)
				*why = p->dirty_bytes ? MCR_REFUSED_DIRTY :
				       p->locked ? MCR_REFUSED_LOCKED : MCR_REFUSED_BUSY;
			sum += bytes;
		}
	}
	return sum;
}

static uint64_t all_still_there(const struct subject *s, struct mcr_wanted *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->n; i++) {
		enum mcr_refusal why = MCR_REFUSED_NOT;

		sum += still_there(s, &w->files[i], &why);
		if (why && !w->files[i].refusal)
			w->files[i].refusal = why;
	}
	return sum;
}

static struct json_object *new_object(const char *kind, const char *name, uint64_t bytes, enum mcr_refusal refusal)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "kind", kind);
	add_str(o, "name", name);
	add_u64(o, "bytes", bytes);
	add_str(o, "refusal", refusal ? mcr_refusal_name(refusal) : NULL);
	add_str(o, "why_not", refusal ? mcr_refusal_sentence(refusal) : NULL);
	return o;
}

static void tell_refused(struct json_object *objects, const struct mcr_wanted *w)
{
	size_t told = 0;

	for (size_t i = 0; i < w->n && told < TOLD_MAX; i++) {
		const struct mcr_wanted_file *f = &w->files[i];
		struct json_object *o;

		if (!f->refusal)
			continue;
		told++;
		o = new_object("file", f->name, f->bytes, f->refusal);
		add_str(o, "strategy", MCR_REFAULT_STRATEGY);
		json_object_array_add(objects, o);
	}
}

static void tell_all(struct json_object *objects, const struct mcr_wanted *w, const struct mcr_refault_result *res,
		     uint64_t evicted, uint64_t kept, uint64_t moved)
{
	uint64_t faulted = res->present_bytes > kept ? res->present_bytes - kept : 0;
	struct json_object *o;
	char name[96];

	snprintf(name, sizeof(name), "of %zu file%s, wanted by %zu cgroup%s", w->n, w->n == 1 ? "" : "s", w->cgroups,
		 w->cgroups == 1 ? "" : "s");
	o = new_object("page cache", name, res->wanted_bytes, res->refusal);
	add_str(o, "strategy", MCR_REFAULT_STRATEGY);
	add_u64(o, "moved_bytes", moved);
	add_u64(o, "files", w->n);
	add_u64(o, "cgroups", w->cgroups);
	add_u64(o, "evicted_bytes", evicted);
	add_u64(o, "read_bytes", res->read_bytes);
	add_u64(o, "kept_bytes", kept);
	add_u64(o, "faulted_bytes", res->evicted ? faulted : 0);
	add_u64(o, "evict_usec", res->evict_usec);
	add_u64(o, "read_usec", res->read_usec);
	json_object_array_add(objects, o);
}

static int refault(struct subject *s, int owner_fd, struct mcr_wanted *w, struct json_object *objects,
		   struct mcr_refault_outcome *ret)
{
	const struct mcr_refault_opts opts = {
		.sz = sizeof(opts), .owner_fd = owner_fd, .max_bytes = s->q->evict_max_bytes,
		.pressure_max_centi = s->q->pressure_max_centi, .available_min_centi = s->q->available_min_centi,
		.dry_run = s->o->dry_run, .evict = evict, .userdata = s,
	};
	uint64_t before = file_bytes(s), after = before, kept = 0;
	struct mcr_refault_result res;
	int r = mcr_refault(&opts, w, &res);

	if (r < 0)
		return r;
	if (res.evicted) {
		r = walk(s);
		if (r < 0)
			return r;
		kept = all_still_there(s, w);
		after = file_bytes(s);
	}
	/* The owner's own file cache may grow by others as well: no more than was read. */
	ret->moved_bytes = res.charged_bytes < res.read_bytes ? res.charged_bytes : res.read_bytes;
	ret->left_bytes = res.refused_bytes;
	if (!s->o->dry_run && res.wanted_bytes > res.read_bytes)
		ret->left_bytes += res.wanted_bytes - res.read_bytes;
	ret->shield_bytes = s->shield_bytes;
	for (size_t i = 0; kept && !res.refusal && i < w->n; i++)
		res.refusal = w->files[i].refusal;
	ret->why_not = res.refusal ? mcr_refusal_sentence(res.refusal) : NULL;
	tell_all(objects, w, &res, before > after ? before - after : 0, kept, ret->moved_bytes);
	tell_refused(objects, w);
	return 0;
}

int mcr_refault_memcg(const struct mcr_recharge_opts *o, const struct mcr_recharge_request *q, int owner_fd,
		      struct json_object *objects, struct mcr_refault_outcome *ret)
{
	auto_(mcr_wanted_freep) struct mcr_wanted *w = NULL;
	struct subject *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	*ret = (struct mcr_refault_outcome){ 0 };
	if (r == 0 && q->evict_max_bytes) {
		s->o = o;
		s->q = q;
		r = find_subjects(s);
		if (r == 0)
			r = walk(s);
		if (r == 0)
			r = mcr_wanted_note("/proc", s->pins, s->n, &w);
		if (r == 0 && w->n)
			r = refault(s, owner_fd, w, objects, ret);
		drop_pins(s);
	}
	if (s)
		ret->shield_bytes = s->shield_bytes;
	free(s);
	return r == 1 ? 0 : r;
}

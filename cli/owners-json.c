/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper owners --json; the fields are in memcg-reaper(8). */
#include <json-c/json.h>
#include <string.h>

#include "cli.h"
#include "fileio.h"
#include "ledger.h"
#include "owners.h"
#include "pinjson.h"
#include "util.h"

static const char *const use_words[] = {
	[MCR_OBJECT_BORROWED] = "borrowed",
	[MCR_OBJECT_UNUSED] = "unused",
	[MCR_OBJECT_LOST] = "lost",
	[MCR_OBJECT_UNKNOWN] = "unknown",
	[MCR_OBJECT_NONE] = NULL,
};

/* As the wall clock says now; null of 0. */
void owners_add_time(const struct owners_view *v, struct json_object *o, const char *key, uint64_t usec)
{
	uint64_t real = mcr_realtime_ns() / MCR_NSEC_PER_USEC;

	if (usec && usec <= v->now_usec)
		add_u64(o, key, real - (v->now_usec - usec));
	else
		json_object_object_add(o, key, NULL);
}

struct json_object *owners_sampled_json(const struct owners_view *v, const struct mcr_sampled *s)
{
	struct json_object *o;

	if (!s)
		return NULL;
	o = json_object_new_object();
	owners_add_time(v, o, "first_usec", s->first_usec);
	owners_add_time(v, o, "last_usec", s->last_usec);
	add_u64(o, "samples", s->samples);
	add_u64(o, "bytes", s->bytes);
	add_u64(o, "peak_bytes", s->peak_bytes);
	add_u64(o, "average_bytes", mcr_sampled_average(s));
	return o;
}

static void add_sampled(const struct owners_view *v, struct json_object *o, const struct mcr_sampled *s)
{
	json_object_object_add(o, "sampled", owners_sampled_json(v, s));
}

static struct json_object *borrowers_json(const struct owners_view *v, const struct mcr_lent *past, size_t pin)
{
	const struct mcr_ledger *l = v->look->ledger;
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->n; i++) {
		const struct mcr_borrower *b = &l->borrowers[i];
		const struct mcr_loan *loan = past ? mcr_lent_find(past, b->cgroup) : NULL;
		struct json_object *one;

		if (b->pin != pin)
			continue;
		one = json_object_new_object();
		add_str(one, "cgroup", *b->cgroup ? b->cgroup : NULL);
		add_u64(one, "mapped_bytes", b->mapped_bytes);
		add_u64(one, "processes", b->processes);
		add_u64(one, "descriptors", b->fds);
		add_sampled(v, one, loan ? &loan->s : NULL);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *former_json(const struct owners_view *v, const struct mcr_lent *past, size_t pin)
{
	const struct mcr_ledger *l = v->look->ledger;
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; past && i < past->n; i++) {
		const struct mcr_loan *loan = &past->loans[i];
		struct json_object *one;
		bool still = false;

		for (size_t k = 0; k < l->n; k++)
			still |= l->borrowers[k].pin == pin && strcmp(l->borrowers[k].cgroup, loan->cgroup) == 0;
		if (still)
			continue;
		one = json_object_new_object();
		add_str(one, "cgroup", *loan->cgroup ? loan->cgroup : NULL);
		add_sampled(v, one, &loan->s);
		json_object_array_add(list, one);
	}
	return list;
}

static enum mcr_object_use add_object(const struct owners_view *v, const struct mcr_owner_seen *o, size_t i, struct json_object *to)
{
	size_t pin = o->first + i;
	enum mcr_object_use use = mcr_ledger_use(v->look->ledger, &v->look->all, v->look->users, pin);
	const struct mcr_lent *past = owners_past(v, o, &o->pins->pins[i]);

	json_object_object_del(to, "users");
	json_object_object_add(to, "borrowers", borrowers_json(v, past, pin));
	json_object_object_add(to, "former_borrowers", former_json(v, past, pin));
	add_str(to, "use", use_words[use]);
	owners_add_time(v, to, "unborrowed_since_usec", owners_unborrowed_usec(past, use));
	owners_add_time(v, to, "lost_since_usec", owners_lost_usec(past, use));
	add_sampled(v, to, past ? &past->s : NULL);
	return use;
}

static struct json_object *owner_json(const struct owners_view *v, const struct mcr_owner_seen *o)
{
	struct json_object *whole = mcr_pins_json(o->pins, NULL, o->path), *one = json_object_new_object();
	struct json_object *objects = json_object_get(get(whole, "pins"));
	uint64_t bytes[MCR_OBJECT_NONE + 1] = { 0 };

	add_u64(one, "id", o->id);
	add_str(one, "path", o->path);
	add_bool(one, "complete", o->pins->complete);
	add_u64(one, "current_bytes", o->current_bytes);
	add_u64(one, "swap_bytes", o->swap_bytes);
	json_object_object_add(one, "max_bytes", o->max_bytes == UINT64_MAX ? NULL : json_object_new_uint64(o->max_bytes));
	for (size_t i = 0; i < o->pins->n; i++)
		bytes[add_object(v, o, i, json_object_array_get_idx(objects, i))] += o->pins->pins[i].bytes;
	add_u64(one, "borrowed_bytes", bytes[MCR_OBJECT_BORROWED]);
	add_u64(one, "unused_bytes", bytes[MCR_OBJECT_UNUSED]);
	add_u64(one, "lost_bytes", bytes[MCR_OBJECT_LOST]);
	json_object_object_add(one, "objects", objects);
	json_object_put(whole);
	return one;
}

static struct json_object *ledger_json(const struct owners_view *v)
{
	struct json_object *o;

	if (!v->past)
		return NULL;
	o = json_object_new_object();
	add_sampled(v, o, &v->past->s);
	add_u64(o, "cost_usec", v->past->cost_usec);
	add_u64(o, "objects", v->past->n_lent);
	add_u64(o, "objects_beyond", v->past->beyond);
	return o;
}

struct json_object *owners_json(const struct owners_view *v)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < v->look->n; i++)
		json_object_array_add(list, owner_json(v, &v->look->owners[i]));
	json_object_object_add(o, "owners", list);
	json_object_object_add(o, "borrowers", owners_borrowers_json(v));
	json_object_object_add(o, "ledger", ledger_json(v));
	return o;
}

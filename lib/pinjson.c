/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinjson.h"

#include <json-c/json.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "advice.h"
#include "fit.h"
#include "json.h"
#include "pins.h"
#include "pintally.h"
#include "users.h"

static struct json_object *ranges_json(const struct mcr_pin *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->n_ranges; i++) {
		struct json_object *o = json_object_new_object();

		add_u64(o, "offset", p->ranges[i].offset);
		add_u64(o, "bytes", p->ranges[i].len);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_file(struct json_object *o, const struct mcr_pin *p)
{
	static const char *const views[] = {
		[MCR_VIEW_HERE] = "here", [MCR_VIEW_HIDDEN] = "hidden", [MCR_VIEW_ELSEWHERE] = "elsewhere",
	};
	bool known = p->stat_dev != 0;
	char dev[32];

	snprintf(dev, sizeof(dev), "%u:%u", major(known ? p->stat_dev : p->dev), minor(known ? p->stat_dev : p->dev));
	add_str(o, "device", dev);
	add_bool(o, "device_is_stat", known);
	add_u64(o, "inode", p->ino);
	add_u64(o, "links", p->nlink);
	add_u64(o, "size_bytes", p->size);
	add_str(o, "file_system", p->fstype);
	add_bool(o, "deleted", p->nlink == 0);
	add_bool(o, "name_cut", p->name_cut);
	add_str(o, "path", p->path);
	add_str(o, "view", views[p->view]);
	json_object_object_add(o, "ranges", ranges_json(p));
}

/* Zero says something too: the first CPU, a child that is alive, none of the processes. */
static bool has_count(enum mcr_pin_kind kind)
{
	return kind == MCR_PIN_SWAP || kind == MCR_PIN_STOCK || kind == MCR_PIN_PROCESS || kind == MCR_PIN_CHILD;
}

static struct json_object *pin_json(const struct mcr_pin *p)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "kind", mcr_pin_kind_name(p->kind));
	add_u64(o, "references", p->refs);
	add_u64(o, "bytes", p->bytes);
	add_u64(o, "dirty_bytes", p->dirty_bytes);
	add_u64(o, "mapped_bytes", p->mapped_bytes);
	add_u64(o, "swapped_bytes", p->swap_bytes);
	add_bool(o, "locked", p->locked);
	add_bool(o, "huge", p->large);
	add_str(o, "name", p->name);
	add_str(o, "device_name", *p->device ? p->device : NULL);
	if (p->ino)
		add_file(o, p);
	if (p->kind == MCR_PIN_SYSV) {
		add_u64(o, "shmid", p->shmid);
		add_u64(o, "key", p->key);
	}
	if (p->pid) {
		add_u64(o, "pid", p->pid);
		add_str(o, "comm", p->comm);
	}
	if (p->cgroup_id)
		add_u64(o, "cgroup_id", p->cgroup_id);
	if (has_count(p->kind))
		add_u64(o, "count", p->count);
	if (p->kind == MCR_PIN_SWAP) {
		add_u64(o, "in_files", p->in_files);
		add_u64(o, "freed", p->freed);
	}
	add_str(o, "advice", advice_text(p));
	return o;
}

/* What the pin's own kind advises, unless it is to be moved and cannot be. */
static void add_advice(struct json_object *pin, const struct mcr_pins *p, const struct mcr_users *u, size_t i,
		       const struct mcr_fit_opts *opts)
{
	struct json_object *o;
	struct mcr_fit f;
	bool fits = mcr_fit_find(p, u, i, opts, &f);

	if (fits)
		add_str(pin, "command", opts && mcr_fit_is_open(&f) ? advice_recharge(p->id) : NULL);
	else
		add_str(pin, "command", advice_command(&p->pins[i], p->id));
	if (!opts)
		return;
	if (!fits) {
		add_str(pin, "recharge", NULL);
		return;
	}
	o = json_object_new_object();
	add_str(o, "strategy", f.strategy);
	add_str(o, "refusal", f.refusal ? mcr_refusal_name(f.refusal) : NULL);
	if (f.pid)
		add_u64(o, "pid", f.pid);
	add_u64(o, "users", f.users);
	add_u64(o, "cgroups", f.cgroups);
	add_bool(o, "complete", f.complete);
	add_str(o, "text", mcr_fit_text(&f, opts));
	json_object_object_add(pin, "recharge", o);
}

static struct json_object *users_json(const struct mcr_users *u, size_t pin)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; u && i < u->n; i++) {
		struct json_object *o;

		if (u->users[i].pin != pin)
			continue;
		o = json_object_new_object();
		add_u64(o, "pid", u->users[i].pid);
		add_str(o, "comm", u->users[i].comm);
		add_str(o, "cgroup", u->users[i].cgroup);
		add_u64(o, "mapped_bytes", u->users[i].mapped_bytes);
		add_u64(o, "descriptors", u->users[i].fds);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *mcr_pins_json(const struct mcr_pins *p, const struct mcr_users *u, const char *path)
{
	return mcr_pins_json_fit(p, u, path, NULL);
}

struct json_object *mcr_pins_json_fit(const struct mcr_pins *p, const struct mcr_users *u, const char *path,
				      const struct mcr_fit_opts *fit)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	add_u64(o, "id", p->id);
	add_str(o, "path", path);
	add_bool(o, "dying", p->dying);
	add_bool(o, "complete", p->complete);
	add_bool(o, "scanned", p->scanned);
	add_u64(o, "references_held", p->refs_held);
	add_u64(o, "references_explained", p->refs_explained);
	for (size_t i = 0; i < p->n; i++) {
		struct json_object *pin = pin_json(&p->pins[i]);

		add_advice(pin, p, u, i, fit);
		json_object_object_add(pin, "users", users_json(u, i));
		json_object_array_add(list, pin);
	}
	json_object_object_add(o, "pins", list);
	add_bool(o, "users_complete", u && u->complete);
	return o;
}

struct json_object *mcr_pin_tally_json(const struct mcr_pin_tally *t)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < t->n; i++) {
		struct json_object *o = json_object_new_object();

		add_str(o, "kind", mcr_pin_kind_name(t->sums[i].kind));
		add_u64(o, "zombies", t->sums[i].zombies);
		add_u64(o, "bytes", t->sums[i].bytes);
		json_object_array_add(list, o);
	}
	return list;
}

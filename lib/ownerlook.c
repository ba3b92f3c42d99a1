/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ownerlook.h"

#include <string.h>

#include "cgroup.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "ledger.h"
#include "owner.h"
#include "users.h"
#include "util.h"

struct search {
	const struct mcr_hierarchy *h;
	struct mcr_owner_look *look;
};

static void owner_done(struct mcr_owner_seen *o)
{
	mcr_pins_free(o->pins);
	free(o->path);
}

struct mcr_owner_look *mcr_owner_look_free(struct mcr_owner_look *l)
{
	if (!l)
		return NULL;
	mcr_ledger_free(l->ledger);
	mcr_users_free(l->users);
	free(l->all.pins);
	for (size_t i = 0; i < l->n; i++)
		owner_done(&l->owners[i]);
	free(l->owners);
	free(l);
	return NULL;
}

/* One that went meanwhile is none; what else fails is told in the end. */
static void note_error(struct mcr_owner_look *look, int r)
{
	if (r < 0 && r != -ESTALE && r != -ENOENT && r != -ENODEV)
		look->error = r;
}

/* ---- Which there are ---- */

static int read_owner(const struct mcr_hierarchy *h, int fd, struct mcr_owner_seen *o)
{
	int r = mcr_cgroup_path(h, fd, &o->path);

	if (r == 0)
		r = mcr_cgroup_id(fd, &o->id);
	if (r == 0)
		r = mcr_read_u64_at(fd, "memory.current", &o->current_bytes);
	if (r < 0)
		return r;
	o->max_bytes = UINT64_MAX;
	mcr_read_u64_at(fd, "memory.max", &o->max_bytes);
	mcr_read_u64_at(fd, "memory.swap.current", &o->swap_bytes);	/* not there without swap */
	return 0;
}

static void add(struct search *s, int fd)
{
	struct mcr_owner_look *look = s->look;
	struct mcr_owner_seen o = { 0 };
	int r;

	if (look->n == MCR_OWNERS_MAX) {
		look->beyond++;
		return;
	}
	r = read_owner(s->h, fd, &o);
	if (r < 0) {
		note_error(look, r);
		owner_done(&o);
		return;
	}
	look->owners[look->n++] = o;
}

/* Owner groups are in slices only. */
static int visit(int fd, const char *name, void *userdata)
{
	const char *dot = strrchr(name, '.');

	if (mcr_owner_is(name))
		add(userdata, fd);
	else if (dot && strcmp(dot, ".slice") == 0)
		mcr_cgroup_children(fd, visit, userdata);
	return 0;
}

static bool is_known(const struct mcr_owner_look *look, const char *path)
{
	for (size_t i = 0; i < look->n; i++)
		if (strcmp(look->owners[i].path, path) == 0)
			return true;
	return false;
}

/* Those that a policy names by themselves. "slice" and "user" are no cgroups. */
static void add_named(struct search *s, const struct mcr_config *c)
{
	for (size_t i = 0; c && i < c->n_policies; i++) {
		const char *owner = c->policies[i]->owner;
		auto_(closep) int fd = -EBADF;

		if (!owner || !*owner || mcr_owner_is(owner) || is_known(s->look, owner))
			continue;
		fd = mcr_cgroup_open_path(s->h, owner);
		if (fd >= 0)
			add(s, fd);
	}
}

/* ---- What they have ---- */

/* Those that have gone by now are left out. */
static int walk_all(struct mcr_owner_look *look, struct mcr_pins_walker **walker, const char **ret_why)
{
	size_t n = 0;
	int r = *walker ? 0 : mcr_pins_walker_new(walker, ret_why);

	if (r < 0)
		return r;
	for (size_t i = 0; i < look->n; i++) {
		struct mcr_owner_seen *o = &look->owners[i];

		r = mcr_pins_walk(*walker, o->id, &o->pins);
		note_error(look, r);
		if (r < 0)
			owner_done(o);
		else
			look->owners[n++] = *o;
	}
	look->n = n;
	return 0;
}

static int join(struct mcr_owner_look *look)
{
	size_t n = 0;

	for (size_t i = 0; i < look->n; i++)
		n += look->owners[i].pins->n;
	look->all.pins = calloc(n + 1, sizeof(*look->all.pins));
	if (!look->all.pins)
		return -ENOMEM;
	for (size_t i = 0; i < look->n; i++) {
		struct mcr_owner_seen *o = &look->owners[i];

		o->first = look->all.n;
		if (o->pins->n)
			memcpy(look->all.pins + o->first, o->pins->pins, o->pins->n * sizeof(*look->all.pins));
		look->all.n += o->pins->n;
	}
	return 0;
}

int mcr_owner_look(const struct mcr_hierarchy *h, const struct mcr_config *config, struct mcr_pins_walker **walker,
		   struct mcr_owner_look **ret, const char **ret_why)
{
	auto_(mcr_owner_look_freep) struct mcr_owner_look *look = calloc(1, sizeof(*look));
	struct search s = { h, look };
	int r = 0;

	*ret_why = NULL;
	if (!look || !(look->owners = calloc(MCR_OWNERS_MAX, sizeof(*look->owners))))
		return -ENOMEM;
	mcr_cgroup_children(mcr_hierarchy_fd(h), visit, &s);
	add_named(&s, config);
	if (look->n)
		r = walk_all(look, walker, ret_why);
	if (r == 0)
		r = join(look);
	if (r == 0)
		r = mcr_users_find("/proc", &look->all, &look->users);
	if (r == 0)
		r = mcr_ledger_make(look->users, &look->ledger);
	if (r == 0)
		*ret = steal_ptr(look);
	return r;
}

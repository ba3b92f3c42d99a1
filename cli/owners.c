/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper owners: what the owner groups pay for, and which cgroups borrow how much of each object. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "cli.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "ledger.h"
#include "owner.h"
#include "pinjson.h"
#include "pins.h"
#include "pinword.h"
#include "users.h"
#include "util.h"

/* In text; JSON has all. */
#define BORROWERS_SHOWN 4
#define OBJECTS_SHOWN 20

struct owner {
	char *path;
	uint64_t id, current_bytes, swap_bytes, max_bytes;
	struct mcr_pins *pins;
	struct mcr_users *users;
	struct mcr_ledger *ledger;
};

struct owners {
	const struct mcr_hierarchy *h;
	struct mcr_pins_walker *walker;
	struct json_object *list;	/* NULL: text */
	unsigned int n;
	int error;
};

static const char *const use_words[] = {
	[MCR_OBJECT_BORROWED] = "borrowed",
	[MCR_OBJECT_UNUSED] = "unused",
	[MCR_OBJECT_LOST] = "lost",
	[MCR_OBJECT_UNKNOWN] = "unknown",
	[MCR_OBJECT_NONE] = NULL,
};

static const char *const use_texts[] = {
	[MCR_OBJECT_UNUSED] = "nobody has it now; it has a name by which somebody may come back",
	[MCR_OBJECT_LOST] = "nobody has it, and it has no name: nobody can reach it again",
	[MCR_OBJECT_UNKNOWN] = "nobody was seen, but not every process could be looked into",
	[MCR_OBJECT_NONE] = NULL,
};

/* ---- Text ---- */

static void print_borrowers(const struct owner *o, size_t pin, char rail)
{
	size_t n = 0;

	for (size_t i = 0; i < o->ledger->n; i++) {
		const struct mcr_borrower *b = &o->ledger->borrowers[i];

		if (b->pin != pin || n++ >= BORROWERS_SHOWN)
			continue;
		printf("  %c      borrowed by %s: ", rail, *b->cgroup ? printable(b->cgroup) : "a process that is gone");
		if (b->mapped_bytes)
			printf("maps %s, ", human_bytes(b->mapped_bytes));
		else
			printf("has it open, ");
		printf("%u process%s\n", b->processes, b->processes == 1 ? "" : "es");
	}
	if (n > BORROWERS_SHOWN)
		printf("  %c      and by %zu more\n", rail, n - BORROWERS_SHOWN);
}

static void print_object(const struct owner *o, size_t i, bool last)
{
	enum mcr_object_use use = mcr_ledger_use(o->ledger, o->pins, o->users, i);
	const struct mcr_pin *p = &o->pins->pins[i];
	char words[256], rail = last ? ' ' : '|';

	printf("  %s %7s  %s\n", last ? "\\-" : "|-", human_bytes(p->bytes),
	       printable(mcr_pin_words(p, words, sizeof(words))));
	print_borrowers(o, i, rail);
	if (use_texts[use])
		printf("  %c      %s\n", rail, use_texts[use]);
}

static void print_owner(const struct owner *o)
{
	size_t shown = o->pins->n < OBJECTS_SHOWN ? o->pins->n : OBJECTS_SHOWN;

	printf("%s: pays for %s", printable(o->path), human_bytes(o->current_bytes));
	if (o->swap_bytes)
		printf(" and %s in swap", human_bytes(o->swap_bytes));
	if (o->max_bytes != UINT64_MAX)
		printf(" of at most %s", human_bytes(o->max_bytes));
	printf(", %zu objects%s\n", o->pins->n, o->pins->complete ? "" : "; incomplete: it changed meanwhile");
	for (size_t i = 0; i < shown; i++)
		print_object(o, i, i + 1 == o->pins->n);
	if (o->pins->n > shown)
		printf("  \\- and %zu more, see --json\n", o->pins->n - shown);
}

/* ---- JSON ---- */

static struct json_object *borrowers_json(const struct owner *o, size_t pin)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < o->ledger->n; i++) {
		const struct mcr_borrower *b = &o->ledger->borrowers[i];
		struct json_object *one;

		if (b->pin != pin)
			continue;
		one = json_object_new_object();
		add_str(one, "cgroup", *b->cgroup ? b->cgroup : NULL);
		add_u64(one, "mapped_bytes", b->mapped_bytes);
		add_u64(one, "processes", b->processes);
		add_u64(one, "descriptors", b->fds);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *owner_json(const struct owner *o)
{
	struct json_object *whole = mcr_pins_json(o->pins, NULL, o->path), *one = json_object_new_object();
	struct json_object *objects = json_object_get(get(whole, "pins"));

	add_u64(one, "id", o->id);
	add_str(one, "path", o->path);
	add_bool(one, "complete", o->pins->complete);
	add_u64(one, "current_bytes", o->current_bytes);
	add_u64(one, "swap_bytes", o->swap_bytes);
	json_object_object_add(one, "max_bytes", o->max_bytes == UINT64_MAX ? NULL : json_object_new_uint64(o->max_bytes));
	for (size_t i = 0; i < o->pins->n; i++) {
		struct json_object *p = json_object_array_get_idx(objects, i);

		json_object_object_del(p, "users");
		json_object_object_add(p, "borrowers", borrowers_json(o, i));
		add_str(p, "use", use_words[mcr_ledger_use(o->ledger, o->pins, o->users, i)]);
	}
	json_object_object_add(one, "objects", objects);
	json_object_put(whole);
	return one;
}

/* ---- Finding them ---- */

static void owner_done(struct owner *o)
{
	mcr_ledger_free(o->ledger);
	mcr_users_free(o->users);
	mcr_pins_free(o->pins);
	free(o->path);
}

static int read_owner(const struct owners *all, int fd, struct owner *o)
{
	int r = mcr_cgroup_path(all->h, fd, &o->path);

	if (r == 0)
		r = mcr_cgroup_id(fd, &o->id);
	if (r == 0)
		r = mcr_read_u64_at(fd, "memory.current", &o->current_bytes);
	if (r < 0)
		return r;
	o->max_bytes = UINT64_MAX;
	mcr_read_u64_at(fd, "memory.max", &o->max_bytes);
	mcr_read_u64_at(fd, "memory.swap.current", &o->swap_bytes);	/* not there without swap */
	r = mcr_pins_walk(all->walker, o->id, &o->pins);
	if (r == 0)
		r = mcr_users_find("/proc", o->pins, &o->users);
	return r == 0 ? mcr_ledger_make(o->users, &o->ledger) : r;
}

static void show(struct owners *all, int fd)
{
	struct owner o = { 0 };
	int r = read_owner(all, fd, &o);

	if (r == 0) {
		all->n++;
		if (all->list)
			json_object_array_add(all->list, owner_json(&o));
		else
			print_owner(&o);
	} else if (r != -ESTALE && r != -ENOENT && r != -ENODEV) {	/* else it went meanwhile */
		all->error = r;
	}
	owner_done(&o);
}

/* Owner groups are in slices only. */
static int visit(int fd, const char *name, void *userdata)
{
	const char *dot = strrchr(name, '.');

	if (mcr_owner_is(name))
		show(userdata, fd);
	else if (dot && strcmp(dot, ".slice") == 0)
		mcr_cgroup_children(fd, visit, userdata);
	return 0;
}

/* Those that a policy names by themselves. */
static void show_named(struct owners *all)
{
	struct mcr_config *c = read_config();

	for (size_t i = 0; c && i < c->n_policies; i++) {
		const char *owner = c->policies[i]->owner;
		bool again = false;
		int fd;

		for (size_t k = 0; owner && k < i; k++)
			again |= c->policies[k]->owner && strcmp(c->policies[k]->owner, owner) == 0;
		if (!owner || !*owner || again || mcr_owner_is(owner))
			continue;
		fd = mcr_cgroup_open_path(all->h, owner);	/* "slice" and "user" are none */
		if (fd >= 0)
			show(all, fd);
		close_fd(fd);
	}
	mcr_config_unref(c);
}

static int finish(struct owners *all)
{
	if (all->error)
		fprintf(stderr, "memcg-reaper: not all could be looked at: %s\n", strerror(-all->error));
	if (all->list) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "owners", all->list);
		print_json(o);
	} else if (all->n == 0 && !all->error) {
		puts("no owner groups: nothing was recharged (Recharge= in reaper.conf)");
	}
	return all->error ? CLI_PARTIAL : CLI_OK;
}

int verb_owners(int argc, char **argv)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *walker = NULL;
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	struct owners all = { 0 };
	struct flags f = { 0 };
	const char *why = NULL;
	int code = CLI_OK, rest, r;

	if (!parse_flags(argc, argv, false, &f, &rest) || rest != argc || f.help) {
		fputs("usage: memcg-reaper owners [--json]\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	h = open_hierarchy(&code);
	if (!h)
		return code;
	r = mcr_pins_walker_new(&walker, &why);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot look at pages: %s%s%s\n", why ? why : "", why ? ": " : "", strerror(-r));
		return CLI_FAILED;
	}
	all.h = h;
	all.walker = walker;
	all.list = f.json ? json_object_new_array() : NULL;
	mcr_cgroup_children(mcr_hierarchy_fd(h), visit, &all);
	show_named(&all);
	return finish(&all);
}

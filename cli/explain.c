/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper explain: what holds each zombie, who uses it, and what would free it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "census.h"
#include "cgroup.h"
#include "cli.h"
#include "config.h"
#include "fileio.h"
#include "fit.h"
#include "hierarchy.h"
#include "kernelrecharge.h"
#include "owner.h"
#include "pinjson.h"
#include "pins.h"
#include "policy.h"
#include "unitname.h"
#include "users.h"
#include "util.h"

/* Ranges of a file shown in text; JSON has them all. */
#define RANGES_SHOWN 3
#define USERS_SHOWN 3

struct totals {
	uint64_t held, explained;
	unsigned int zombies, incomplete;
	struct mcr_config *config;	/* says who would pay; NULL without memory */
};

struct asked {
	bool all, live, json, help;
};

/* ---- Text ---- */

static void print_ranges(const struct mcr_pin *p)
{
	for (size_t i = 0; i < p->n_ranges && i < RANGES_SHOWN; i++)
		printf("%s%s+%s", i ? ", " : " at ", human_bytes(p->ranges[i].offset), human_bytes(p->ranges[i].len));
	if (p->n_ranges > RANGES_SHOWN)
		printf(" and %zu more", p->n_ranges - RANGES_SHOWN);
}

static void print_what(const struct mcr_pin *p)
{
	printf("%s", mcr_pin_kind_name(p->kind));
	if (p->name)
		printf(" %s%s", p->name_cut ? "..." : "", printable(p->name));
	if (p->kind == MCR_PIN_SYSV)
		printf(" shmid %d, key 0x%08" PRIx32, p->shmid, p->key);
	else if (p->kind == MCR_PIN_BLOCK_DEVICE || p->kind == MCR_PIN_METADATA || p->kind == MCR_PIN_WRITEBACK)
		printf(" of %s%s%s", *p->device ? p->device : "a device", *p->fstype ? ", " : "", p->fstype);
	else if (p->ino && *p->fstype)
		printf(" (%s on %s, inode %" PRIu64 "%s)", p->fstype, p->device, p->ino, p->nlink ? "" : ", deleted");
	if (p->path && p->name && strcmp(p->path, p->name) != 0)
		printf(", here %s", printable(p->path));
	else if (p->view == MCR_VIEW_HIDDEN)
		printf(", not to be seen from here");
	else if (p->view == MCR_VIEW_ELSEWHERE)
		printf(", in another mount namespace or mounted no more");
	if (p->pid)
		printf(" of %s[%d]", printable(p->comm), p->pid);
	if (p->kind == MCR_PIN_SWAP)
		printf(": %" PRIu64 " entries", p->count);
	if (p->in_files)
		printf(", %" PRIu64 " of files named here", p->in_files);
	if (p->freed)
		printf(", %" PRIu64 " free but not given back by a CPU", p->freed);
	if (p->swap_bytes)
		printf(", %s of it in swap", human_bytes(p->swap_bytes));
}

/* A line of its own for what could be moved. */
static void print_advice(const struct mcr_pins *all, const struct mcr_users *u, size_t i, const struct mcr_fit_opts *opts, char rail)
{
	const struct mcr_pin *p = &all->pins[i];
	const char *command = advice_command(p, all->id);
	struct mcr_fit f;

	if (!mcr_fit_find(all, u, i, opts, &f)) {
		printf("  %c    %s%s%s\n", rail, advice_text(p), command ? ": " : "", command ? command : "");
		return;
	}
	printf("  %c    %s\n  %c    %s", rail, advice_text(p), rail, mcr_fit_text(&f, opts));
	printf("%s%s\n", mcr_fit_is_open(&f) ? ": " : "", mcr_fit_is_open(&f) ? advice_recharge(all->id) : "");
}

static void print_pin(const struct mcr_pin *p, bool last)
{
	printf("  %s %7s %6" PRIu64 "  ", last ? "\\-" : "|-", human_bytes(p->bytes), p->refs);
	print_what(p);
	print_ranges(p);
	if (p->dirty_bytes)
		printf(", %s dirty", human_bytes(p->dirty_bytes));
	if (p->mapped_bytes)
		printf(", %s mapped", human_bytes(p->mapped_bytes));
	if (p->locked)
		printf(", locked");
	putchar('\n');
}

/* The first few, by their unit: the rest is in JSON. */
static void print_users(const struct mcr_users *u, size_t pin, char rail)
{
	char unit[256];
	size_t n = 0;

	for (size_t i = 0; u && i < u->n; i++) {
		const struct mcr_user *user = &u->users[i];

		if (user->pin != pin || n++ >= USERS_SHOWN)
			continue;
		mcr_unit_of(user->cgroup ? user->cgroup : "", unit, sizeof(unit));
		printf("  %c    used by %s[%d]%s%s", rail, printable(user->comm), user->pid, *unit ? " of " : "",
		       printable(unit));
		if (user->mapped_bytes)
			printf(", maps %s", human_bytes(user->mapped_bytes));
		if (user->fds)
			printf(", has it open");
		putchar('\n');
	}
	if (n > USERS_SHOWN)
		printf("  %c    and by %zu more\n", rail, n - USERS_SHOWN);
}

static void print_pins(const struct mcr_pins *p, const struct mcr_users *u, const char *path, const struct mcr_fit_opts *opts)
{
	uint64_t rest = p->refs_held > p->refs_explained ? p->refs_held - p->refs_explained : 0;

	printf("%s (id %" PRIu64 "): ", printable(path), p->id);
	if (p->dying)
		printf("%" PRIu64 " references%s\n", p->refs_held, p->complete ? "" : "; incomplete: it changed meanwhile");
	else
		printf("in use; if it were removed now%s, these would keep it:\n", p->complete ? "" : " (incomplete)");
	for (size_t i = 0; i < p->n; i++) {
		bool last = i + 1 == p->n && rest == 0;

		print_pin(&p->pins[i], last);
		print_advice(p, u, i, opts, last ? ' ' : '|');
		print_users(u, i, last ? ' ' : '|');
	}
	if (rest)
		printf("  \\- unexplained: %" PRIu64 "\n", rest);
}

/* ---- Walking ---- */

/* By policy, as `memcg-reaper recharge` would; allocated, or NULL. */
static char *owner_of(const struct mcr_config *config, const char *path, bool *ret_user)
{
	auto_(freep) char *top = NULL;
	const struct mcr_policy *p;
	const char *slice = NULL;
	char *owner = NULL;

	if (!config)
		return NULL;
	p = mcr_policy_for(config, path, &slice);
	if (!p)
		p = mcr_policy_named(config, "default");
	if (!slice)
		slice = top = mcr_owner_top_slice(path);
	if (slice && mcr_owner_by_policy(p, slice, &owner) < 0)
		owner = NULL;
	*ret_user = mcr_owner_is_user(p);
	return owner;
}

static void tell(const struct mcr_pins *p, const char *path, struct totals *t, struct json_object *list)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;
	/* Of what is in use it moves shared memory alone, and that is rewritten. */
	struct mcr_fit_opts opts = { .kernel = p->dying && mcr_kernelrecharge_is_on(NULL) };
	auto_(freep) char *owner = owner_of(t->config, path, &opts.owner_user);

	opts.owner = owner;
	mcr_users_find("/proc", p, &u);	/* without it the rest is as true */
	if (p->dying) {
		t->zombies++;
		t->held += p->refs_held;
		t->explained += p->refs_explained < p->refs_held ? p->refs_explained : p->refs_held;
	}
	t->incomplete += !p->complete;
	if (list)
		json_object_array_add(list, mcr_pins_json_fit(p, u, path, &opts));
	else
		print_pins(p, u, path, &opts);
}

static int explain(struct mcr_pins_walker *w, uint64_t id, const char *path, struct totals *t, struct json_object *list)
{
	auto_(mcr_pins_freep) struct mcr_pins *p = NULL;
	int r = mcr_pins_walk(w, id, &p);

	if (r == 0)
		tell(p, path, t, list);
	return r;
}

/* Gone since the census: no failure. */
static int explain_all(struct mcr_pins_walker *w, const struct mcr_census *c, struct totals *t, struct json_object *list)
{
	struct mcr_pins **pins = calloc(c->n + 1, sizeof(struct mcr_pins *));
	auto_(freep) uint64_t *ids = calloc(c->n + 1, sizeof(*ids));
	int r = pins && ids ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < c->n; i++)
		ids[i] = c->zombies[i].id;
	if (r == 0)
		r = mcr_pins_walk_all(w, ids, c->n, pins);
	for (size_t i = 0; pins && i < c->n; i++) {
		if (r == 0 && pins[i])
			tell(pins[i], c->zombies[i].path, t, list);
		mcr_pins_free(pins[i]);
	}
	free(pins);
	return r;
}

static bool is_meant(const struct mcr_zombie *z, const char *what)
{
	uint64_t id;

	if (mcr_parse_u64(what, &id) == 0)
		return z->id == id;
	return strcmp(z->name, what) == 0 || strcmp(z->path, what) == 0 ||
	       (z->path[0] == '/' && strcmp(z->path + 1, what) == 0);
}

/* Zombies with this id, name or path: several may have had it. -ENOENT: none. */
static int explain_named(struct mcr_pins_walker *w, const struct mcr_census *c, const char *what, struct totals *t,
			 struct json_object *list)
{
	int r = -ENOENT;

	for (size_t i = 0; i < c->n; i++) {
		int e;

		if (!is_meant(&c->zombies[i], what))
			continue;
		e = explain(w, c->zombies[i].id, c->zombies[i].path, t, list);
		if (e < 0 && e != -ESTALE)
			return e;
		r = e == 0 ? 0 : r;
	}
	return r;
}

static int explain_live(struct mcr_pins_walker *w, const struct mcr_hierarchy *h, const char *what, struct totals *t,
			struct json_object *list)
{
	auto_(closep) int fd = mcr_cgroup_open_path(h, what);
	auto_(freep) char *path = NULL;
	uint64_t id;
	int r = fd < 0 ? fd : mcr_cgroup_id(fd, &id);

	if (r == 0)
		r = mcr_cgroup_path(h, fd, &path);
	return r < 0 ? r : explain(w, id, path, t, list);
}

static int walk(const struct asked *a, const struct mcr_hierarchy *h, const char *what, struct totals *t,
		struct json_object *list, const char **ret_why)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = NULL;
	auto_(mcr_census_walker_freep) struct mcr_census_walker *cw = NULL;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	int r = mcr_pins_walker_new(&w, ret_why);

	if (r < 0 || a->live)
		return r < 0 ? r : explain_live(w, h, what, t, list);
	r = mcr_census_walker_new(&cw, ret_why);
	if (r == 0)
		r = mcr_census_walk(cw, &c);
	if (r < 0)
		return r;
	return a->all ? explain_all(w, c, t, list) : explain_named(w, c, what, t, list);
}

/* ---- The verb ---- */

static int usage(bool help)
{
	fputs("usage: memcg-reaper explain [--json] ID|NAME|PATH\n"
	      "       memcg-reaper explain [--json] --all\n"
	      "       memcg-reaper explain [--json] --live CGROUP\n"
	      "  --all   every zombie there is\n"
	      "  --live  what would keep a cgroup that is in use, if it were removed now\n", help ? stdout : stderr);
	return help ? CLI_OK : CLI_USAGE;
}

static bool parse_args(int argc, char **argv, struct asked *ret)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
		{ "all", no_argument, NULL, 'a' },  { "live", no_argument, NULL, 'l' },
		{ 0 },
	};
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == '?') {
			ret->help = false;
			return false;
		}
		ret->json |= c == 'j';
		ret->help |= c == 'h';
		ret->all |= c == 'a';
		ret->live |= c == 'l';
	}
	return !(ret->all && ret->live);
}

static int complain(int r, const struct asked *a, const char *what, const char *why)
{
	if ((r == -ENOENT || r == -EINVAL) && a->live)
		fprintf(stderr, "memcg-reaper: there is no cgroup '%s'\n", printable(what));
	else if (r == -ESRCH)
		fputs("memcg-reaper: memcg-reaperd is not running; only root can look without it\n", stderr);
	else if (r == -ENOENT)
		fprintf(stderr, "memcg-reaper: no zombie has the id, name or path '%s' (memcg-reaper list)\n", printable(what));
	else if (r == -ESTALE)
		fprintf(stderr, "memcg-reaper: '%s' has no memory cgroup\n", printable(what));
	else
		fprintf(stderr, "memcg-reaper: cannot explain: %s%s%s\n", why ? why : "", why ? ": " : "", strerror(-r));
	return CLI_FAILED;
}

static void print_totals(const struct totals *t, struct json_object *o)
{
	if (o) {
		add_u64(o, "references_held", t->held);
		add_u64(o, "references_explained", t->explained);
		add_u64(o, "incomplete", t->incomplete);
		print_json(o);
	} else if (t->zombies > 1) {
		printf("%u zombies, %" PRIu64 " of %" PRIu64 " references explained%s\n", t->zombies, t->explained, t->held,
		       t->incomplete ? "; some changed meanwhile" : "");
	}
}

int verb_explain(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	struct json_object *o = NULL, *list = NULL;
	struct asked a = { 0 };
	struct totals t = { 0 };
	const char *why = NULL, *what;
	int code = CLI_OK, r;

	if (!parse_args(argc, argv, &a) || a.help || argc - optind != !a.all)
		return usage(a.help);
	what = a.all ? "" : argv[optind];
	h = open_hierarchy(&code);
	if (!h)
		return code;
	if (geteuid() != 0 && !a.live) {
		r = explain_asked(what, a.all, a.json);
		return r < 0 ? complain(r, &a, what, NULL) : CLI_OK;
	}
	if (a.json) {
		o = json_object_new_object();
		list = json_object_new_array();
		json_object_object_add(o, "memcgs", list);
	}
	t.config = read_config();
	r = walk(&a, h, what, &t, list, &why);
	mcr_config_unref(t.config);
	if (r < 0) {
		json_object_put(o);
		return complain(r, &a, what, why);
	}
	print_totals(&t, o);
	return t.incomplete ? CLI_PARTIAL : CLI_OK;
}

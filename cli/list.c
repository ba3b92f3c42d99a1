/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper list: our own census where we may, the daemon's latest otherwise. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "census.h"
#include "cli.h"
#include "fileio.h"
#include "hierarchy.h"
#include "memcost.h"
#include "pinjson.h"
#include "pins.h"
#include "pintally.h"
#include "pinword.h"
#include "util.h"

#define EXPLAINED_MAX 500

static const char *const lru_names[MCR_LRUS] = {
	"inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable",
};

/* What the daemon knows of this zombie: its entry in the status, or NULL. */
static struct json_object *known_to_daemon(struct json_object *status, uint64_t id)
{
	struct json_object *list = status ? get(get(status, "zombies"), "list") : NULL;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *z = json_object_array_get_idx(list, i);

		if (get_u64(z, "id") == id)
			return z;
	}
	return NULL;
}

/*
 * The pin that holds most references, in a few words in a static buffer; "" when it cannot be told. Not beyond
 * EXPLAINED_MAX: who has more zombies than that does not read them one by one.
 */
static const char *main_pin(struct mcr_pins_walker *w, const struct mcr_zombie *z, size_t i, struct mcr_pin_tally *t)
{
	static char buf[512];
	auto_(mcr_pins_freep) struct mcr_pins *p = NULL;

	if (!w || i >= EXPLAINED_MAX || mcr_pins_walk(w, z->id, &p) < 0 || p->n == 0)
		return "";
	mcr_pin_tally_add(t, p->pins[0].kind, p->pins[0].bytes);
	return mcr_pin_words(&p->pins[0], buf, sizeof(buf));
}

static struct json_object *zombie_json(const struct mcr_zombie *z, struct json_object *known, uint64_t cost,
				       const char *pin)
{
	struct json_object *o = json_object_new_object(), *lru = json_object_new_object();

	add_u64(o, "id", z->id);
	add_str(o, "name", z->name);
	add_str(o, "path", z->path);
	add_str(o, "anchor", z->anchor);
	add_u64(o, "level", z->level);
	if (known && get(known, "age_seconds"))
		add_u64(o, "age_seconds", get_u64(known, "age_seconds"));
	else
		add_str(o, "age_seconds", NULL);
	add_u64(o, "refs", z->refs);
	add_u64(o, "usage_bytes", z->usage_bytes);
	add_u64(o, "swap_bytes", z->swap_bytes);
	for (size_t i = 0; i < MCR_LRUS; i++)
		add_u64(lru, lru_names[i], z->lru_pages[i]);
	json_object_object_add(o, "lru_pages", lru);
	add_u64(o, "kernel_bytes", cost);
	add_bool(o, "pinned", known && get_bool(known, "pinned"));
	add_str(o, "reason", known ? get_str(known, "reason") : NULL);
	add_str(o, "main_pin", *pin ? pin : NULL);
	return o;
}

static void print_list_json(const struct mcr_census *c, struct json_object *status, uint64_t cost,
			    struct mcr_pins_walker *w)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct mcr_pin_tally t = { 0 };

	add_bool(o, "complete", c->complete);
	add_u64(o, "visited", c->visited);
	for (size_t i = 0; i < c->n; i++)
		json_object_array_add(list, zombie_json(&c->zombies[i], known_to_daemon(status, c->zombies[i].id),
							cost, main_pin(w, &c->zombies[i], i, &t)));
	json_object_object_add(o, "zombies", list);
	json_object_object_add(o, "main_pins", mcr_pin_tally_json(&t));
	print_json(o);
}

static void print_zombie(const struct mcr_zombie *z, struct json_object *known, const char *pin)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	bool pinned = known && get_bool(known, "pinned");

	printf("%9" PRIu64 " %7s %6" PRIu64 " %7s %7s %7s  %s%s%s%s\n", z->id,
	       known && get(known, "age_seconds") ? human_seconds(get_u64(known, "age_seconds")) : "-", z->refs,
	       human_bytes((z->lru_pages[MCR_LRU_INACTIVE_FILE] + z->lru_pages[MCR_LRU_ACTIVE_FILE]) * page),
	       human_bytes((z->lru_pages[MCR_LRU_INACTIVE_ANON] + z->lru_pages[MCR_LRU_ACTIVE_ANON] +
			    z->lru_pages[MCR_LRU_UNEVICTABLE]) * page),
	       human_bytes(z->swap_bytes), printable(z->path), pinned ? "  pinned" : "", *pin ? pinned ? ": " : "  " : "",
	       printable(pin));
}

static void print_list(const struct mcr_census *c, struct json_object *status, uint64_t cost, struct mcr_pins_walker *w)
{
	struct mcr_pin_tally t = { 0 };
	uint64_t pages = 0;

	if (c->n)
		printf("%9s %7s %6s %7s %7s %7s  %s\n", "ID", "AGE", "REFS", "CACHE", "SHMEM", "SWAP", "CGROUP");
	for (size_t i = 0; i < c->n; i++) {
		print_zombie(&c->zombies[i], known_to_daemon(status, c->zombies[i].id), main_pin(w, &c->zombies[i], i, &t));
		pages += mcr_zombie_pages(&c->zombies[i]);
	}
	printf("%zu dying memcgs of %" PRIu64 " hold %s", c->n, c->visited, human_bytes(pages * sysconf(_SC_PAGESIZE)));
	if (cost)
		printf(" and cost the kernel at least %s", human_bytes(c->n * cost));
	printf("%s\n", c->complete ? "" : "; the walk was cut short, there are more");
	for (size_t i = 0; i < t.n; i++)
		printf("%s%s: %" PRIu64 ", %s%s", i ? "; " : "mainly ", mcr_pin_kind_name(t.sums[i].kind), t.sums[i].zombies,
		       human_bytes(t.sums[i].bytes), i + 1 == t.n ? "\n" : "");
}

static int list_by_count(const struct mcr_hierarchy *h, bool json, const char *why)
{
	auto_(mcr_count_freep) struct mcr_count *c = NULL;
	struct json_object *o, *list;
	int r = mcr_census_count(h, &c);

	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot count: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	fprintf(stderr, "memcg-reaper: only counts, no names: %s\n", why);
	o = json_object_new_object();
	list = json_object_new_array();
	add_u64(o, "dying", c->dying);
	for (size_t i = 0; i < c->n; i++) {
		struct json_object *at = json_object_new_object();

		add_str(at, "path", c->at[i].path);
		add_u64(at, "dying", c->at[i].dying);
		if (c->at[i].held_pages != UINT64_MAX)
			add_u64(at, "held_bytes", c->at[i].held_pages * sysconf(_SC_PAGESIZE));
		json_object_array_add(list, at);
		if (!json)
			printf("%6" PRIu64 " %7s  %s\n", c->at[i].dying,
			       c->at[i].held_pages == UINT64_MAX ? "?" :
			       human_bytes(c->at[i].held_pages * sysconf(_SC_PAGESIZE)), printable(c->at[i].path));
	}
	json_object_object_add(o, "below", list);
	if (json)
		print_json(o);
	else
		printf("%" PRIu64 " dying cgroups\n", c->dying), json_object_put(o);
	return CLI_OK;
}

int verb_list(int argc, char **argv)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *pins = NULL;
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	struct json_object *status;
	const char *why = "";
	uint64_t cost = 0;
	struct flags f = { 0 };
	int rest, code = CLI_OK, r;

	if (!parse_flags(argc, argv, false, &f, &rest) || rest != argc || f.help) {
		fputs("usage: memcg-reaper list [--json]\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	h = open_hierarchy(&code);
	if (!h)
		return code;
	r = mcr_census_walker_new(&w, &why);
	if (r < 0)
		return list_by_count(h, f.json, why);
	r = mcr_census_walk(w, &c);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: the census failed: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	mcr_memcost_estimate(&cost);
	status = daemon_status();
	if (mcr_pins_walker_new(&pins, NULL) == 0)
		mcr_pins_walker_scan(pins, false);
	if (f.json)
		print_list_json(c, status, cost, pins);
	else
		print_list(c, status, cost, pins);
	json_object_put(status);
	return CLI_OK;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper status: one screen, from the daemon's status file; what can be said without it otherwise. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "census.h"
#include "cli.h"
#include "hierarchy.h"
#include "util.h"

/* On one screen; JSON has more. */
#define MAKERS_SHOWN 3

static void print_trend(struct json_object *trend)
{
	size_t n = trend ? json_object_array_length(trend) : 0;

	printf("      Trend:");
	for (size_t i = 0; i < n; i++)
		printf(" %" PRIu64, json_object_get_uint64(json_object_array_get_idx(trend, i)));
	printf("%s\n", n > 1 ? " (oldest first, one per cycle)" : "");
}

static void print_pinned(struct json_object *zombies)
{
	struct json_object *list = get(zombies, "list");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *z = json_object_array_get_idx(list, i);

		if (get_bool(z, "pinned"))
			printf("     Pinned: %s: %s\n", printable(get_str(z, "path")), get_str(z, "reason"));
	}
}

static void print_main_pins(struct json_object *pins)
{
	size_t n = pins ? json_object_array_length(pins) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *p = json_object_array_get_idx(pins, i);

		printf("%s%s: %" PRIu64 " zombies, %s%s", i ? ", " : "    Held by: ", get_str(p, "kind"), get_u64(p, "zombies"),
		       human_bytes(get_u64(p, "bytes")), i + 1 == n ? "\n" : "");
	}
}

static void print_zombies(struct json_object *z)
{
	uint64_t now = get_u64(z, "now"), each = get_u64(z, "kernel_bytes_each");

	printf("    Zombies: %" PRIu64 " now, %" PRIu64 " of them pinned", now, get_u64(z, "pinned"));
	if (each)
		printf("; each costs the kernel at least %s", human_bytes(each));
	putchar('\n');
	print_main_pins(get(z, "main_pins"));
	print_trend(get(z, "trend"));
	print_pinned(z);
}

/* Somebody has to do something about these. */
static void print_not_put_right(struct json_object *list)
{
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		printf("  NOT RIGHT: %s of %s could not be put back: %s; kept in %s\n", human_bytes(get_u64(o, "bytes")),
		       get_str(o, "path") ? printable(get_str(o, "path")) : "?", get_str(o, "reason"), get_str(o, "file"));
	}
}

/* One line, and nothing where nothing was ever asked for: strategies and refusals one by one are in JSON. */
static void print_recharges(struct json_object *r)
{
	uint64_t moved = get_u64(r, "moved_bytes"), refused = get_u64(r, "refused_objects"), none = get_u64(r, "unanswered");

	if (!moved && !refused && !none && !get_u64(r, "not_served"))
		return;
	printf("  Recharged: %s to owners; who uses it waited for at most %" PRIu64 " ms at a time", human_bytes(moved),
	       (get_u64(r, "longest_pause_usec") + 999) / 1000);
	if (refused)
		printf("; %" PRIu64 " objects refused, %s most", refused, get_str(r, "main_refusal"));
	if (none)
		printf("; %" PRIu64 " requests without an answer", none);
	putchar('\n');
}

/* Since boot, whoever asked for it; nothing where the kernel has no such thing. */
static void print_kernel(struct json_object *k)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t by_modes = get_u64(k, "moved_mapped") + get_u64(k, "moved_on_access");
	uint64_t failed = get_u64(k, "failed_busy") + get_u64(k, "failed_limit") + get_u64(k, "failed_pinned");

	if (!get_bool(k, "present"))
		return;
	printf("     Kernel: recharge %s; %s moved, %s of swap", get_bool(k, "enabled") ? "on" : "off",
	       human_bytes(get_u64(k, "moved") * page), human_bytes(get_u64(k, "moved_swap") * page));
	if (by_modes)
		printf(", %s by itself", human_bytes(by_modes * page));
	if (get_u64(k, "evicted"))
		printf(", %s evicted", human_bytes(get_u64(k, "evicted") * page));
	if (failed)
		printf("; in vain, counted each time: %s busy, %s at a limit, %s pinned", human_bytes(get_u64(k, "failed_busy") * page),
		       human_bytes(get_u64(k, "failed_limit") * page), human_bytes(get_u64(k, "failed_pinned") * page));
	putchar('\n');
}

static void print_actions(struct json_object *o)
{
	struct json_object *t = get(o, "since_start"), *gate = get(o, "gate");

	printf("       Held: %" PRIu64 " now, %" PRIu64 " since start: %" PRIu64 " removed clean, %" PRIu64
	       " with a rest, %" PRIu64 " reused\n", get_u64(get(o, "held"), "now"), get_u64(gate, "held_total"),
	       get_u64(t, "settled"), get_u64(t, "settled_with_rest"), get_u64(t, "reused"));
	printf("     Reaped: %" PRIu64 " zombies in %" PRIu64 " rounds, %s freed; %s taken from live ones\n",
	       get_u64(t, "reaped"), get_u64(t, "rounds"), human_bytes(get_u64(t, "reaped_bytes")),
	       human_bytes(get_u64(t, "lost_by_live_bytes")));
	printf("    Drained: %s before removal\n", human_bytes(get_u64(t, "drained_bytes")));
	print_recharges(get(o, "recharges"));
	print_kernel(get(o, "kernel_recharge"));
	print_not_put_right(get(get(o, "recharges"), "not_put_right"));
}

static void print_dry_runs(struct json_object *policies)
{
	for (size_t i = 0; policies && i < json_object_array_length(policies); i++) {
		struct json_object *p = json_object_array_get_idx(policies, i);

		if (get_bool(p, "dry_run"))
			printf("    Dry run: policy %s: nothing is changed, see the journal for what would be\n",
			       get_str(p, "name"));
	}
}

static void print_impossible(struct json_object *o)
{
	struct json_object *gate = get(o, "gate"), *census = get(o, "census");

	if (!get_bool(gate, "active"))
		printf("    No gate: %s\n", get_str(gate, "why_not"));
	if (!get_bool(census, "named"))
		printf("   No names: %s\n", get_str(census, "why_not"));
	if (get_str(o, "last_round_refused"))
		printf("    Waiting: %s\n", get_str(o, "last_round_refused"));
	print_dry_runs(get(o, "policies"));
}

/* In the last hour, held or not. */
static void print_makers(struct json_object *makers)
{
	for (size_t i = 0; makers && i < json_object_array_length(makers) && i < MAKERS_SHOWN; i++) {
		struct json_object *m = json_object_array_get_idx(makers, i);
		uint64_t zombies = get_u64(m, "zombies_per_hour");

		printf("%s %s (%s): %" PRIu64 " an hour held", i ? "            " : "     Makers:", printable(get_str(m, "pattern")),
		       get_str(m, "kind"), get_u64(m, "held_per_hour"));
		if (zombies)
			printf(", %" PRIu64 " zombies", zombies);
		printf("; %s\n", get_str(m, "advice"));
	}
}

static void print_status(struct json_object *o)
{
	struct json_object *gate = get(o, "gate");

	printf("memcg-reaperd %s, running for %s, pid %" PRIu64 "%s%s\n", get_str(o, "version"),
	       human_seconds(get_u64(o, "uptime_seconds")), get_u64(o, "pid"),
	       get_bool(gate, "active") ? ", gate by " : "", get_bool(gate, "active") ? get_str(gate, "how") : "");
	print_zombies(get(o, "zombies"));
	print_actions(o);
	print_makers(get(o, "makers"));
	print_impossible(o);
}

static int status_without_daemon(bool json)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	uint64_t dying;
	int code, r;

	h = open_hierarchy(&code);
	if (!h)
		return code;
	r = mcr_count_total(h, &dying);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot count dying cgroups: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	if (json) {
		struct json_object *o = json_object_new_object();

		add_bool(o, "running", false);
		add_u64(o, "dying", dying);
		print_json(o);
	} else {
		printf("memcg-reaperd is not running\n    Dying cgroups: %" PRIu64
		       " (see `memcg-reaper list`; start it with `systemctl enable --now memcg-reaperd`)\n", dying);
	}
	return CLI_OK;
}

int verb_status(int argc, char **argv)
{
	struct json_object *o;
	struct flags f = { 0 };
	int rest;

	if (!parse_flags(argc, argv, false, &f, &rest) || rest != argc || f.help) {
		fputs("usage: memcg-reaper status [--json]\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	o = daemon_status();
	if (!o)
		return status_without_daemon(f.json);
	if (f.json) {
		add_bool(o, "running", true);
		print_json(o);
	} else {
		print_status(o);
		json_object_put(o);
	}
	return CLI_OK;
}

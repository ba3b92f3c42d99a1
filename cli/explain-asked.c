/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper explain for users: the daemon looks, and answers for zombies of their own. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "fileio.h"
#include "util.h"

static bool is_meant(struct json_object *z, const char *what, bool all)
{
	const char *path = get_str(z, "path");
	const char *name = path ? strrchr(path, '/') : NULL;
	uint64_t id;

	if (all)
		return true;
	if (mcr_parse_u64(what, &id) == 0)
		return get_u64(z, "id") == id;
	return path && (strcmp(path, what) == 0 || strcmp(path + (*path == '/'), what) == 0 ||
			(name && strcmp(name + 1, what) == 0));
}

static void print_pin(struct json_object *pin)
{
	struct json_object *users = get(pin, "users");
	const char *name = get_str(pin, "name"), *command = get_str(pin, "command");

	printf("  - %7s %6" PRIu64 "  %s%s%s\n", human_bytes(get_u64(pin, "bytes")), get_u64(pin, "references"),
	       get_str(pin, "kind"), name ? " " : "", name ? printable(name) : "");
	printf("      %s", get_str(pin, "advice"));
	if (get(pin, "recharge"))
		printf("\n      %s", get_str(get(pin, "recharge"), "text"));
	printf("%s%s\n", command ? ": " : "", command ? command : "");
	for (size_t i = 0; users && i < json_object_array_length(users); i++) {
		struct json_object *u = json_object_array_get_idx(users, i);

		printf("      used by %s[%" PRIu64 "]\n", printable(get_str(u, "comm")), get_u64(u, "pid"));
	}
}

static void print_one(struct json_object *o)
{
	struct json_object *pins = get(o, "pins");
	uint64_t held = get_u64(o, "references_held"), explained = get_u64(o, "references_explained");

	printf("%s (id %" PRIu64 "): %" PRIu64 " references\n", printable(get_str(o, "path")), get_u64(o, "id"), held);
	for (size_t i = 0; pins && i < json_object_array_length(pins); i++)
		print_pin(json_object_array_get_idx(pins, i));
	if (held > explained)
		printf("  - unexplained: %" PRIu64 "\n", held - explained);
}

/* Appends or prints the daemon's answer about one. 0 or errno as ask_explain(). */
static int explain_id(uint64_t id, struct json_object *list)
{
	auto_(freep) char *text = NULL;
	struct json_object *o;
	int r = ask_explain(id, &text);

	if (r < 0)
		return r;
	o = json_tokener_parse(text);
	if (!o)
		return -EBADMSG;
	if (list) {
		json_object_array_add(list, o);
		return 0;
	}
	print_one(o);
	json_object_put(o);
	return 0;
}

int explain_asked(const char *what, bool all, bool json)
{
	struct json_object *status = daemon_status(), *zombies = status ? get(get(status, "zombies"), "list") : NULL;
	struct json_object *o = json ? json_object_new_object() : NULL, *list = json ? json_object_new_array() : NULL;
	int r = status ? -ENOENT : -ESRCH, e;

	for (size_t i = 0; zombies && i < json_object_array_length(zombies); i++) {
		struct json_object *z = json_object_array_get_idx(zombies, i);

		if (!is_meant(z, what, all))
			continue;
		e = explain_id(get_u64(z, "id"), list);
		if (e == 0)
			r = 0;
		else if (e != -ENOENT)
			r = e;
	}
	json_object_put(status);
	if (json) {
		json_object_object_add(o, "memcgs", list);
		if (r == 0)
			print_json(o);
		else
			json_object_put(o);
	}
	return r;
}

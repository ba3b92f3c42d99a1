/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper doctor: each kernel feature, by trying it. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "support.h"
#include "hierarchy.h"
#include "util.h"

static const char *const answers[] = { [MCR_NO] = "no", [MCR_YES] = "yes", [MCR_UNKNOWN] = "unknown" };

static void print_text(const struct mcr_feature *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("%-32s %-8s %s\n", f[i].what, answers[f[i].answer], f[i].why);
		if (f[i].answer != MCR_YES)
			printf("%-41s without it: %s\n", "", f[i].cost);
	}
}

static void print_features_json(const struct mcr_feature *f, size_t n)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_new_object();

		add_str(one, "name", f[i].name);
		add_str(one, "what", f[i].what);
		add_str(one, "answer", answers[f[i].answer]);
		add_str(one, "why", f[i].why);
		add_str(one, "without_it", f[i].cost);
		json_object_array_add(list, one);
	}
	json_object_object_add(o, "features", list);
	print_json(o);
}

int verb_doctor(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	struct mcr_feature features[MCR_FEATURES_MAX];
	const char *why = NULL;
	struct flags f = { 0 };
	size_t n;
	int rest;

	if (!parse_flags(argc, argv, false, &f, &rest) || rest != argc || f.help) {
		fputs("usage: memcg-reaper doctor [--json]\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	if (mcr_hierarchy_find(&h, &why) < 0)
		fprintf(stderr, "memcg-reaper: cannot work here: %s\n", why);
	n = mcr_features(h, true, features, ARRAY_SIZE(features));
	if (f.json)
		print_features_json(features, n);
	else
		print_text(features, n);
	return h ? CLI_OK : CLI_UNSUPPORTED;
}

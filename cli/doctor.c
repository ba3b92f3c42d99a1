/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper doctor: each kernel feature, by trying it. */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "census.h"
#include "cli.h"
#include "fileio.h"
#include "hierarchy.h"
#include "memcost.h"
#include "support.h"
#include "util.h"
#include "verdict.h"

static const char *const answers[] = { [MCR_NO] = "no", [MCR_YES] = "yes", [MCR_UNKNOWN] = "unknown" };

static void print_text(const struct mcr_feature *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("%-32s %-8s %s\n", f[i].what, answers[f[i].answer], f[i].why);
		if (f[i].answer != MCR_YES)
			printf("%-41s without it: %s\n", "", f[i].cost);
	}
}

/* What zombies hold and cost here, and what else the kernel uses. */
static struct mcr_verdict_facts gather(const struct mcr_hierarchy *h)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	struct mcr_verdict_facts f = { 0 };
	char meminfo[8192];

	if (mcr_read_at(AT_FDCWD, "/proc/meminfo", meminfo, sizeof(meminfo)) >= 0)
		mcr_verdict_meminfo(meminfo, &f);
	mcr_memcost_estimate(&f.bytes_each);
	mcr_count_total(h, &f.dying);
	if (mcr_census_walker_new(&w, NULL) < 0 || mcr_census_walk(w, &c) < 0)
		return f;
	f.dying = c->n;
	for (size_t i = 0; i < c->n; i++)
		f.held_bytes += mcr_zombie_pages(&c->zombies[i]) * sysconf(_SC_PAGESIZE);
	return f;
}

static void add_verdict(struct json_object *o, const struct mcr_verdict_facts *f)
{
	struct json_object *v = json_object_new_object();
	char text[512];

	add_str(v, "name", mcr_verdict_name(mcr_verdict(f)));
	add_str(v, "text", mcr_verdict_text(f, text, sizeof(text)));
	add_u64(v, "zombies", f->dying);
	add_u64(v, "zombie_kernel_bytes", f->dying * f->bytes_each);
	add_u64(v, "zombie_held_bytes", f->held_bytes);
	add_u64(v, "unreclaimable_slab_bytes", f->slab_bytes);
	add_u64(v, "percpu_bytes", f->percpu_bytes);
	json_object_object_add(o, "verdict", v);
}

static void print_features_json(const struct mcr_feature *f, size_t n, const struct mcr_verdict_facts *facts)
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
	if (facts)
		add_verdict(o, facts);
	print_json(o);
}

int verb_doctor(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	struct mcr_feature features[MCR_FEATURES_MAX];
	struct mcr_verdict_facts facts;
	const char *why = NULL;
	struct flags f = { 0 };
	char text[512];
	size_t n;
	int rest;

	if (!parse_flags(argc, argv, false, &f, &rest) || rest != argc || f.help) {
		fputs("usage: memcg-reaper doctor [--json]\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	if (mcr_hierarchy_find(&h, &why) < 0)
		fprintf(stderr, "memcg-reaper: cannot work here: %s\n", why);
	n = mcr_features(h, true, features, ARRAY_SIZE(features));
	if (h)
		facts = gather(h);
	if (f.json)
		print_features_json(features, n, h ? &facts : NULL);
	else
		print_text(features, n);
	if (h && !f.json)
		printf("\nVerdict: %s\n", mcr_verdict_text(&facts, text, sizeof(text)));
	return h ? CLI_OK : CLI_UNSUPPORTED;
}

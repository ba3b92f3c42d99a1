/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper owners --by-borrower: what each cgroup has of what owners pay for, now and in the samples that were taken. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "owners.h"

/* Both are by cgroup. A cgroup of either, or of both; NULL of the one it is not in. False: beyond the last. */
struct pair {
	const struct mcr_borrower_sum *now, *past;
};

static bool next_pair(const struct owners_view *v, size_t *i, size_t *k, struct pair *ret)
{
	size_t n = v->now->n_borrowers, m = v->past ? v->past->n_borrowers : 0;
	int order;

	if (*i == n && *k == m)
		return false;
	order = *i == n ? 1 : *k == m ? -1 : strcmp(v->now->borrowers[*i].cgroup, v->past->borrowers[*k].cgroup);
	ret->now = order <= 0 ? &v->now->borrowers[(*i)++] : NULL;
	ret->past = order >= 0 ? &v->past->borrowers[(*k)++] : NULL;
	return true;
}

static void print_pair(const struct owners_view *v, const struct pair *p)
{
	const char *cgroup = p->now ? p->now->cgroup : p->past->cgroup;

	printf("%s: ", *cgroup ? printable(cgroup) : "processes that were gone");
	if (p->now)
		printf("borrows %s of %zu object%s", human_bytes(p->now->s.bytes), p->now->objects, p->now->objects == 1 ? "" : "s");
	else
		printf("borrowed until %s", owners_ago(v, p->past->s.last_usec));
	printf("%s\n", owners_sampled_text(v, p->past ? &p->past->s : NULL, v->past ? v->past->s.samples : 0));
}

void owners_print_borrowers(const struct owners_view *v)
{
	size_t i = 0, k = 0;
	struct pair p;

	while (next_pair(v, &i, &k, &p))
		print_pair(v, &p);
	if (i == 0 && k == 0)
		puts("nobody borrows from an owner group");
	owners_print_past(v);
}

struct json_object *owners_borrowers_json(const struct owners_view *v)
{
	struct json_object *list = json_object_new_array();
	size_t i = 0, k = 0;
	struct pair p;

	while (next_pair(v, &i, &k, &p)) {
		struct json_object *o = json_object_new_object();
		const char *cgroup = p.now ? p.now->cgroup : p.past->cgroup;

		add_str(o, "cgroup", *cgroup ? cgroup : NULL);
		add_u64(o, "bytes", p.now ? p.now->s.bytes : 0);
		add_u64(o, "objects", p.now ? p.now->objects : 0);
		json_object_object_add(o, "sampled", owners_sampled_json(v, p.past ? &p.past->s : NULL));
		json_object_array_add(list, o);
	}
	return list;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <string.h>

#include "bpf/glob.h"
#include "util.h"

bool mcr_glob_matches(const char *glob, const char *text)
{
	struct glob_match m = { 0 };
	enum glob_result r;

	if (strnlen(glob, GLOB_MAX) == GLOB_MAX || strnlen(text, GLOB_TEXT_MAX) == GLOB_TEXT_MAX)
		return false;
	do
		r = glob_step(glob, text, &m);
	while (r == GLOB_GOES_ON);
	return r == GLOB_MATCHES;
}

bool mcr_policy_holds(const struct mcr_policy *p)
{
	return p->gate && p->drain && !p->dry_run;
}

/* Of the key 0 is "what it is charged". */
uint64_t mcr_policy_drain_max(const struct mcr_policy *p)
{
	if (!p->drain)
		return 0;
	return p->drain_max_bytes ? p->drain_max_bytes : INT64_MAX;
}

const struct mcr_policy *mcr_policy_named(const struct mcr_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_policies; i++)
		if (strcmp(c->policies[i]->name, name) == 0)
			return c->policies[i];
	return NULL;
}

static bool bad_component(const char *name, size_t len)
{
	return len == 0 || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

static int check_path(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (bad_component(path, len))
			return -EINVAL;
		if (!path[len])
			return 0;
		path += len + 1;
	}
}

/* a-b-c.slice: a.slice/a-b.slice/a-b-c.slice, as systemd.slice(5) has it. */
static int expand_slice(const char *name, size_t len, char **ret)
{
	char *path, *end;

	if (name[0] == '-' || strstr(name, "--") || name[len - strlen(".slice") - 1] == '-')
		return -EINVAL;
	path = end = malloc((len + strlen(".slice/")) * (len + 1));
	if (!path)
		return -ENOMEM;
	for (size_t i = 1; i < len; i++) {
		if (name[i] != '-')
			continue;
		memcpy(end, name, i);
		end = stpcpy(end + i, ".slice/");
	}
	memcpy(end, name, len);
	end[len] = '\0';
	*ret = path;
	return 0;
}

int mcr_slice_path(const char *name, char **ret)
{
	size_t len, suffix = strlen(".slice");
	auto_(freep) char *path = NULL;

	name += strspn(name, "/");
	len = strlen(name);
	while (len && name[len - 1] == '/')
		len--;
	path = strndup(name, len);
	if (!path)
		return -ENOMEM;
	if (check_path(path) < 0)
		return -EINVAL;
	if (len > suffix && strcmp(path + len - suffix, ".slice") == 0 && !strchr(path, '/'))
		return expand_slice(path, len, ret);
	*ret = steal_ptr(path);
	return 0;
}

/* Same order as strcmp(), for a path that is cut at len. */
static int compare_cut(const char *path, size_t len, const char *slice)
{
	int d = strncmp(path, slice, len);

	return d ? d : slice[len] ? -1 : 0;
}

static int by_slice(const void *a, const void *b)
{
	const struct mcr_slot *x = a, *y = b;
	int d = strcmp(x->slice, y->slice);

	if (d)
		return d;
	return x->policy->order > y->policy->order ? -1 : x->policy->order < y->policy->order;
}

int mcr_policy_index(struct mcr_config *c)
{
	struct mcr_slot *slots;
	size_t n = 0;

	for (size_t i = 0; i < c->n_policies; i++)
		for (char **s = c->policies[i]->slices; s && *s; s++)
			n++;
	slots = calloc(n + 1, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(c->slots);
	c->slots = slots;
	c->n_slots = n;
	for (size_t i = 0; i < c->n_policies; i++)
		for (char **s = c->policies[i]->slices; s && *s; s++)
			*slots++ = (struct mcr_slot){ .slice = *s, .policy = c->policies[i] };
	qsort(c->slots, n, sizeof(*c->slots), by_slice);
	return 0;
}

/* The first slot of the slice that is path up to len; n_slots: there is none. */
static size_t find_slice(const struct mcr_config *c, const char *path, size_t len)
{
	size_t low = 0, high = c->n_slots;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_cut(path, len, c->slots[mid].slice) > 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->n_slots && compare_cut(path, len, c->slots[low].slice) == 0 ? low : c->n_slots;
}

/* Does any component of the path match one of the globs? */
static bool matches(const struct mcr_policy *p, const char *below)
{
	char name[GLOB_TEXT_MAX];

	if (!p->match || !*p->match)
		return true;
	for (below += strspn(below, "/"); *below; below += strspn(below, "/")) {
		size_t len = strcspn(below, "/");

		if (len < sizeof(name)) {
			memcpy(name, below, len);
			name[len] = '\0';
			for (char **g = p->match; *g; g++)
				if (mcr_glob_matches(*g, name))
					return true;
		}
		below += len;
	}
	return false;
}

bool mcr_policy_excepted(const struct mcr_config *c, const char *below)
{
	for (below += strspn(below, "/"); *below; below += strspn(below, "/")) {
		for (char **e = c->except; e && *e; e++)
			if (**e && strncmp(below, *e, strlen(*e)) == 0)
				return true;
		below += strcspn(below, "/");
	}
	return false;
}

const struct mcr_policy *mcr_policy_for(const struct mcr_config *c, const char *path, const char **ret_slice)
{
	size_t len;

	path += strspn(path, "/");
	for (len = strlen(path); len > 0;) {
		size_t i = find_slice(c, path, len);

		for (size_t first = i; i < c->n_slots && strcmp(c->slots[i].slice, c->slots[first].slice) == 0; i++) {
			if (!matches(c->slots[i].policy, path + len))
				continue;
			if (mcr_policy_excepted(c, path + len))
				return NULL;
			if (ret_slice)
				*ret_slice = c->slots[i].slice;
			return c->slots[i].policy;
		}
		while (len > 0 && path[len - 1] != '/')
			len--;
		while (len > 0 && path[len - 1] == '/')
			len--;
	}
	return NULL;
}

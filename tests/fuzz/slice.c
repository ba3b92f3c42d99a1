/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each line of the input is a slice of a policy of its own, or with "m" or "e" in front the Match= or Except= of what
 * follows; the last is a cgroup.  Its policy must be the one that a search through all policies gives.
 */
#include "config.h"
#include "fuzz.h"
#include "policy.h"
#include "util.h"

#define POLICIES 24

static struct mcr_config *make_config(char *text)
{
	struct mcr_config *c = NULL;
	char *save, *line, *conf = NULL;
	unsigned int n = 0;
	size_t size;
	FILE *f = open_memstream(&conf, &size);

	MUST(f != NULL);
	for (line = strtok_r(text, "\n", &save); line && n < POLICIES; line = strtok_r(NULL, "\n", &save)) {
		if (*line == 'e')
			fprintf(f, "[Reaper]\nExcept=%s\n", line + 1);
		else if (*line == 'm')
			fprintf(f, "[Policy p%u]\nMatch=%s\n", n, line + 1);
		else
			fprintf(f, "[Policy p%u]\nSlice=%s\n", n++, line);
	}
	MUST(fclose(f) == 0);
	put_input(conf, size);
	free(conf);
	MUST(mcr_config_new(&c) == 0);
	mcr_config_read(c, input_path(), NULL, NULL);
	MUST(mcr_config_finish(c, NULL, NULL) >= 0);
	return c;
}

/* The part of the path below the slice, or NULL. */
static const char *below(const char *path, const char *slice)
{
	size_t len = strlen(slice);

	path += strspn(path, "/");
	return strncmp(path, slice, len) == 0 && (!path[len] || path[len] == '/') ? path + len : NULL;
}

static bool any_name(const char *rest, char **list, bool (*fits)(const char *word, const char *name))
{
	char copy[8192], *save, *name;

	snprintf(copy, sizeof(copy), "%s", rest);
	for (name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save))
		for (char **word = list; word && *word; word++)
			if (fits(*word, name))
				return true;
	return false;
}

static bool begins(const char *word, const char *name)
{
	return strncmp(name, word, strlen(word)) == 0;
}

/* The longest slice; of several the policy with the highest order. */
static const struct mcr_policy *reference(const struct mcr_config *c, const char *path)
{
	const struct mcr_policy *best = NULL;
	const char *best_slice = NULL;

	for (size_t i = 0; i < c->n_policies; i++) {
		const struct mcr_policy *p = c->policies[i];

		for (char **s = p->slices; s && *s; s++) {
			const char *rest = below(path, *s);

			if (!rest || (p->match && *p->match && !any_name(rest, p->match, mcr_glob_matches)))
				continue;
			if (best && strlen(*s) < strlen(best_slice))
				continue;
			if (best && strlen(*s) == strlen(best_slice) && p->order < best->order)
				continue;
			best = p;
			best_slice = *s;
		}
	}
	return best && !any_name(below(path, best_slice), c->except, begins) ? best : NULL;
}

/* A path stays what it is; and it is one below the root. */
static void check_slice(const char *name)
{
	auto_(freep) char *path = NULL, *again = NULL;

	if (mcr_slice_path(name, &path) < 0)
		return;
	MUST(*path && *path != '/' && path[strlen(path) - 1] != '/');
	MUST(!strstr(path, "//") && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && !strstr(path, "/../"));
	if (strchr(path, '/')) {
		MUST(mcr_slice_path(path, &again) == 0);
		MUST(strcmp(path, again) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL;
	auto_(freep) char *text = text_of(data, size);
	const struct mcr_policy *p;
	const char *slice = NULL;
	char *path = strrchr(text, '\n');

	if (!path)
		return 0;
	*path++ = '\0';
	check_slice(path);
	c = make_config(text);
	p = mcr_policy_for(c, path, &slice);
	MUST(p == reference(c, path));
	MUST(!p || below(path, slice));
	return 0;
}

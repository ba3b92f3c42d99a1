/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper policy: is the configuration understood, and what does it say for a cgroup? */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "conffiles.h"
#include "config.h"
#include "hierarchy.h"
#include "policy.h"
#include "util.h"

#define USUAL_MOUNT "/sys/fs/cgroup"

static int usage(bool help)
{
	fputs("usage: memcg-reaper policy check [FILE...]\n"
	      "       memcg-reaper policy show [--json] [CGROUP]\n"
	      "       memcg-reaper policy cat\n", help ? stdout : stderr);
	return help ? CLI_OK : CLI_USAGE;
}

/* ---- check ---- */

static void complain(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	(void)userdata;
	printf("%s:%u: %s%s%s\n", printable(file), line, printable(key), *key ? ": " : "", what);
}

static int check_files(struct mcr_config *c, char **files)
{
	int complaints = 0;

	for (; *files; files++) {
		int r = mcr_config_read(c, *files, complain, NULL);

		if (r < 0)
			fprintf(stderr, "memcg-reaper: cannot read %s: %s\n", printable(*files),
				r == -EBADMSG ? "it is no configuration file" : strerror(-r));
		complaints += r < 0 ? 1 : r;
	}
	return complaints;
}

static int check(int argc, char **argv)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL;
	auto_(strv_freep) char **found = NULL;
	int n, r;

	if (argc > 1 && argv[1][0] == '-')
		return usage(strcmp(argv[1], "--help") == 0);
	r = mcr_config_new(&c);
	if (r == 0 && argc == 1)
		r = mcr_conf_files(NULL, &found);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot find the configuration: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	n = check_files(c, found ? found : argv + 1);
	r = mcr_config_finish(c, complain, NULL);
	return n > 0 || r != 0 ? CLI_FAILED : CLI_OK;
}

/* ---- cat ---- */

static int cat_one(const char *path)
{
	char buf[4096];
	auto_(fclosep) FILE *f = fopen(path, "re");
	size_t n;

	if (!f) {
		fprintf(stderr, "memcg-reaper: cannot read %s: %m\n", printable(path));
		return CLI_FAILED;
	}
	printf("# %s\n", printable(path));
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, stdout);
	return CLI_OK;
}

static int cat(int argc, char **argv)
{
	auto_(strv_freep) char **files = NULL;
	int code = CLI_OK, r;

	if (argc > 1)
		return usage(strcmp(argv[1], "--help") == 0);
	r = mcr_conf_files(NULL, &files);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot find the configuration: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	for (size_t i = 0; files[i]; i++) {
		if (i > 0)
			putchar('\n');
		code |= cat_one(files[i]);
	}
	return code;
}

/* ---- show ---- */

static void show_setting(const char *key, const char *value, const char *origin, void *userdata)
{
	struct json_object *o = userdata, *one;

	if (!o) {
		value = printable(value);
		printf("  %s=%s%*s  # %s\n", key, value, (int)(30 - strlen(key) - strlen(value)) > 0 ?
		       (int)(30 - strlen(key) - strlen(value)) : 0, "", printable(origin));
		return;
	}
	one = json_object_new_object();
	add_str(one, "value", value);
	add_str(one, "origin", origin);
	json_object_object_add(o, key, one);
}

static const char *origin_of(const struct mcr_said *said)
{
	static char buf[4096];

	if (!said->file)
		return "built in";
	snprintf(buf, sizeof(buf), "%s:%u%s", said->file, said->line, said->inherited ? ", of policy default" : "");
	return buf;
}

static void show_policy(const struct mcr_policy *p, struct json_object *all)
{
	struct json_object *o = all ? json_object_new_object() : NULL;
	struct mcr_setting s;

	if (!all)
		printf("\n[Policy %s]\n", p->name);
	for (size_t i = 0; mcr_policy_setting(p, i, &s); i++)
		show_setting(s.key, s.said->text, origin_of(s.said), o);
	if (all)
		json_object_object_add(all, p->name, o);
}

static int show_all(bool json)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = read_config();
	struct json_object *o = json ? json_object_new_object() : NULL, *policies = json ? json_object_new_object() : NULL,
			   *reaper = json ? json_object_new_object() : NULL;
	struct mcr_setting s;

	if (!c)
		return CLI_FAILED;
	if (!json)
		puts("[Reaper]");
	for (size_t i = 0; mcr_config_setting(c, i, &s); i++)
		show_setting(s.key, s.said->text, origin_of(s.said), reaper);
	for (size_t i = 0; i < c->n_policies; i++)
		show_policy(c->policies[i], policies);
	if (json) {
		json_object_object_add(o, "Reaper", reaper);
		json_object_object_add(o, "policies", policies);
		print_json(o);
	}
	return CLI_OK;
}

static void tell_uncovered(const char *cgroup, bool json)
{
	if (json)
		print_json(json_object_new_object());
	else
		printf("no policy covers %s\n", printable(cgroup));
}

/* The heading, or the object that the settings go to. */
static struct json_object *begin_one(const char *cgroup, const char *name, const char *slice, struct json_object *o)
{
	struct json_object *settings = NULL;

	if (o) {
		add_str(o, "policy", name);
		add_str(o, "by", slice);
		settings = json_object_new_object();
		json_object_object_add(o, "settings", settings);
	} else {
		printf("# %s: policy %s, by %s%s\n\n[Policy %s]\n", printable(cgroup), name,
		       strcmp(slice, "attribute") == 0 ? "" : "slice ", slice, name);
	}
	return settings;
}

/* What the files say, when there is no daemon to say what it follows; also of a cgroup that is not there yet. */
static int show_from_files(const char *cgroup, bool json)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	auto_(mcr_config_unrefp) struct mcr_config *c = read_config();
	struct json_object *o = NULL, *settings;
	const struct mcr_policy *p;
	const char *slice = NULL;
	struct mcr_setting s;

	if (!c)
		return CLI_FAILED;
	if (mcr_hierarchy_find(&h, NULL) == 0)
		cgroup = mcr_hierarchy_below(h, cgroup);
	else if (strncmp(cgroup, USUAL_MOUNT "/", strlen(USUAL_MOUNT "/")) == 0)
		cgroup += strlen(USUAL_MOUNT);
	p = mcr_policy_for(c, cgroup, &slice);
	fputs("memcg-reaper: memcg-reaperd is not running: this is what the files say\n", stderr);
	if (!p) {
		tell_uncovered(cgroup, json);
		return CLI_OK;
	}
	o = json ? json_object_new_object() : NULL;
	settings = begin_one(cgroup, p->name, slice, o);
	for (size_t i = 0; mcr_policy_setting(p, i, &s); i++)
		show_setting(s.key, s.said->text, origin_of(s.said), settings);
	if (o)
		print_json(o);
	return CLI_OK;
}

struct shown {
	char *keys[MCR_POLICY_KEYS][3];
	size_t n;
};

static void keep_setting(const char *key, const char *value, const char *origin, void *userdata)
{
	struct shown *s = userdata;

	if (s->n == ARRAY_SIZE(s->keys))
		return;
	s->keys[s->n][0] = strdup(key);
	s->keys[s->n][1] = strdup(value);
	s->keys[s->n++][2] = strdup(origin);
}

static void print_shown(const char *cgroup, const char *name, const char *slice, const struct shown *s, bool json)
{
	struct json_object *o = json ? json_object_new_object() : NULL;
	struct json_object *settings = begin_one(cgroup, name, slice, o);

	for (size_t i = 0; i < s->n; i++)
		if (s->keys[i][0] && s->keys[i][1] && s->keys[i][2])
			show_setting(s->keys[i][0], s->keys[i][1], s->keys[i][2], settings);
	if (o)
		print_json(o);
}

static int show_one(const char *cgroup, bool json)
{
	auto_(freep) char *name = NULL, *slice = NULL;
	struct shown shown = { 0 };
	int r = ask_policy(cgroup, &name, &slice, keep_setting, &shown), code = CLI_OK;

	if (r == -ESRCH) {
		code = show_from_files(cgroup, json);
	} else if (r == -ENODATA) {
		tell_uncovered(cgroup, json);
	} else if (r < 0) {
		fprintf(stderr, "memcg-reaper: no policy for '%s': %s\n", printable(cgroup),
			r == -ENOENT ? "there is no such cgroup" :
			r == -ETIMEDOUT ? "memcg-reaperd does not answer in time" : strerror(-r));
		code = CLI_FAILED;
	} else {
		print_shown(cgroup, name, slice, &shown, json);
	}
	while (shown.n-- > 0)
		for (size_t i = 0; i < ARRAY_SIZE(shown.keys[0]); i++)
			free(shown.keys[shown.n][i]);
	return code;
}

/* With single slashes, as the kernel has it. */
static const char *squeeze(char *path)
{
	char *end = path;

	for (const char *p = path; *p; p++)
		if (p[0] != '/' || p[1] != '/')
			*end++ = *p;
	*end = '\0';
	return path;
}

static int show(int argc, char **argv)
{
	struct flags f = { 0 };
	int rest;

	if (!parse_flags(argc, argv, false, &f, &rest) || f.help || argc - rest > 1)
		return usage(f.help);
	return rest < argc ? show_one(squeeze(argv[rest]), f.json) : show_all(f.json);
}

int verb_policy(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "check") == 0)
		return check(argc - 1, argv + 1);
	if (strcmp(what, "show") == 0)
		return show(argc - 1, argv + 1);
	if (strcmp(what, "cat") == 0)
		return cat(argc - 1, argv + 1);
	return usage(strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is a configuration file: it is read, finished, and asked for policies. */
#include "config.h"

#include <errno.h>

#include "bpf/glob.h"
#include "fuzz.h"
#include "inifile.h"
#include "policy.h"
#include "util.h"

static const char *const paths[] = {
	"/", "", "/system.slice", "/system.slice/a.service", "/user.slice/user-0.slice/docker-1/x", "/a.slice/a-b.slice/x",
	"//a//b//", "/a/b/c/d/e/f/g/h", "/machine.slice/x",
};

static void count(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	MUST(file && key && what && *what);
	MUST(line > 0);
	++*(int *)userdata;
}

static void check_policy(const struct mcr_config *c, const struct mcr_policy *p)
{
	struct mcr_setting s;
	size_t n = 0;

	MUST(c->policies[p->index] == p && mcr_policy_named(c, p->name) == p);
	MUST(strlen(p->name) <= MCR_POLICY_NAME_MAX);
	for (; mcr_policy_setting(p, n, &s); n++)
		MUST(s.key && s.said->text && (!s.said->file || s.said->line > 0));
	MUST(n == MCR_POLICY_KEYS);
	MUST(p->owner && p->step_bytes >= 4096 && p->hold_max_usec >= 100000 && p->hold_max_usec < UINT64_MAX / 1000);
	for (char **m = p->match; m && *m; m++)
		MUST(strlen(*m) < GLOB_MAX && !strpbrk(*m, "/["));
}

static void check_config(const struct mcr_config *c)
{
	struct mcr_setting s;
	size_t n = 0;

	MUST(c->n_policies >= 1 && c->n_policies <= MCR_POLICIES_MAX);
	MUST(c->interval_usec >= 1000000 && c->pressure_max_centi <= 10000);
	for (; mcr_config_setting(c, n, &s); n++)
		MUST(s.key && s.said->text);
	MUST(n == MCR_GLOBAL_KEYS);
	for (size_t i = 0; i < c->n_policies; i++)
		check_policy(c, c->policies[i]);
	for (size_t i = 0; i < c->n_slots; i++)
		MUST(*c->slots[i].slice && c->slots[i].slice[0] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL;
	int complaints = 0, r, before;

	put_input(data, size);
	MUST(mcr_config_new(&c) == 0);
	r = mcr_config_read(c, input_path(), count, &complaints);
	MUST(r == complaints || (r == -EBADMSG && complaints > MCR_INI_NONSENSE_MAX));
	before = complaints;
	r = mcr_config_finish(c, count, &complaints);
	MUST(r == complaints - before);
	check_config(c);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const char *slice = NULL;

		MUST(!mcr_policy_for(c, paths[i], &slice) == !slice);
	}
	return 0;
}

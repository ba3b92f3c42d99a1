/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "util.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args, *what;
};

static const struct verb verbs[] = {
	{ "status", verb_status, "", "zombies now, what was done, what is not possible here" },
	{ "list", verb_list, "", "every zombie and what it holds" },
	{ "explain", verb_explain, "ZOMBIE|--all", "what holds a zombie, reference by reference, and what would free it" },
	{ "reap", verb_reap, "[--dry-run]", "reap what policy allows, once, now" },
	{ "drain", verb_drain, "CGROUP", "reclaim a cgroup's page cache before it is removed; with --unit=UNIT, for ExecStopPost=" },
	{ "policy", verb_policy, "check|show|cat", "check the configuration; which policy a cgroup has, and why" },
	{ "recharge", verb_recharge, "[--to=OWNER] WHAT", "move shared memory to an owner that lives on" },
	{ "owners", verb_owners, "", "who pays for recharged memory, and who borrows it" },
	{ "doctor", verb_doctor, "", "what this kernel can do, and what it costs to lack it" },
};

static void usage(FILE *to)
{
	fputs("usage: memcg-reaper VERB [--json] ...\n", to);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %-8s %-18s %s\n", verbs[i].name, verbs[i].args, verbs[i].what);
	fputs("See memcg-reaper(8).\n", to);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout);
		return CLI_OK;
	}
	if (strcmp(name, "--version") == 0) {
		puts("memcg-reaper " MCR_VERSION);
		return CLI_OK;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (*name)
		fprintf(stderr, "memcg-reaper: no verb '%s'\n", name);
	usage(stderr);
	return CLI_USAGE;
}

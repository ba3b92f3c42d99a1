/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcg-reaper drain: what the daemon does to a held cgroup, to a live one; by hand, or by asking the daemon (ask.c).
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "cli.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "parse.h"
#include "policy.h"
#include "reclaim.h"
#include "util.h"
#include "worker.h"

struct drain_arg {
	int fd;
	struct mcr_reclaim_opts opts;
};

struct answer {
	int error;
	struct mcr_reclaim_result result;
	struct mcr_charge left;
};

static int drain_in_worker(void *userdata, int out_fd)
{
	const struct drain_arg *arg = userdata;
	struct answer a = { 0 };

	a.error = mcr_reclaim(arg->fd, &arg->opts, &a.result);
	if (a.error == 0)
		a.error = mcr_cgroup_charge(arg->fd, &a.left);
	return mcr_worker_report(out_fd, &a, sizeof(a));
}

static int drain(int fd, const struct mcr_config *config, const struct mcr_policy *policy, struct answer *ret)
{
	struct drain_arg arg = {
		.fd = fd,
		.opts = {
			.step_bytes = policy->step_bytes, .max_bytes = policy->drain_max_bytes,
			.swappiness_key = mcr_reclaim_has_swappiness(fd) > 0,
		},
	};
	struct mcr_worker w = MCR_WORKER_INIT;
	struct pollfd pfd = { .events = POLLIN };
	int r = mcr_worker_start(&w, drain_in_worker, &arg, &fd, 1);

	if (r < 0)
		return r;
	pfd.fd = w.fd;
	if (poll(&pfd, 1, config->worker_max_usec / 1000) <= 0)
		r = -ETIMEDOUT;
	else if (read(w.fd, ret, sizeof(*ret)) != sizeof(*ret))
		r = -EIO;
	mcr_worker_end(&w);
	return r < 0 ? r : ret->error;
}

static void tell(const char *cgroup, const struct answer *a, bool json)
{
	uint64_t rest = a->left.file_bytes + a->left.anon_bytes;

	if (json) {
		struct json_object *o = json_object_new_object();

		add_str(o, "cgroup", cgroup);
		add_u64(o, "freed_bytes", a->result.freed_bytes);
		add_u64(o, "left_file_bytes", a->left.file_bytes);
		add_u64(o, "left_shmem_bytes", a->left.shmem_bytes);
		add_u64(o, "left_anon_bytes", a->left.anon_bytes);
		add_u64(o, "left_dirty_bytes", a->left.dirty_bytes);
		add_u64(o, "swap_bytes", a->left.swap_bytes);
		print_json(o);
		return;
	}
	printf("%s: %s freed, %s left", printable(cgroup), human_bytes(a->result.freed_bytes), human_bytes(rest));
	if (rest)
		printf(" (%s tmpfs or shared, %s anonymous, %s dirty)", human_bytes(a->left.shmem_bytes),
		       human_bytes(a->left.anon_bytes), human_bytes(a->left.dirty_bytes));
	if (a->left.swap_bytes)
		printf(", %s in swap", human_bytes(a->left.swap_bytes));
	putchar('\n');
}

/* The bounds of its policy, or of the default one. */
static const struct mcr_policy *policy_of(const struct mcr_hierarchy *h, const struct mcr_config *config, int fd)
{
	auto_(freep) char *path = NULL;
	const struct mcr_policy *p = NULL;

	if (mcr_cgroup_path(h, fd, &path) == 0)
		p = mcr_policy_for(config, path, NULL);
	return p ? p : config->policies[0];
}

static int drain_here(const char *cgroup, bool json)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	auto_(mcr_config_unrefp) struct mcr_config *config = NULL;
	auto_(closep) int fd = -EBADF;
	struct answer a = { 0 };
	int code = CLI_OK, r;

	h = open_hierarchy(&code);
	if (!h)
		return code;
	config = read_config();
	fd = config ? mcr_cgroup_open_path(h, cgroup) : -ENOMEM;
	r = fd < 0 ? fd : drain(fd, config, policy_of(h, config, fd), &a);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot drain '%s': %s\n", printable(cgroup), strerror(-r));
		return CLI_FAILED;
	}
	tell(cgroup, &a, json);
	return a.left.file_bytes + a.left.anon_bytes + a.left.swap_bytes ? CLI_PARTIAL : CLI_OK;
}

static int usage(bool help)
{
	fputs("usage: memcg-reaper drain [--json] CGROUP\n"
	      "       memcg-reaper drain [--json] --unit=UNIT [--wait=TIME] [--strict]\n"
	      "  --unit=UNIT  ask the daemon to drain a unit's cgroup: ExecStopPost=-memcg-reaper drain --unit=%n\n"
	      "  --wait=TIME  wait until it is drained, this long at most (default: 0, when the unit has stopped)\n"
	      "  --strict     end with a failure when nothing came of it\n", help ? stdout : stderr);
	return help ? CLI_OK : CLI_USAGE;
}

/* False after a message on stderr. */
static bool parse_args(int argc, char **argv, struct ask_drain *ret, bool *ret_help, bool *ret_ask)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },	  { "help", no_argument, NULL, 'h' },
		{ "unit", required_argument, NULL, 'u' }, { "wait", required_argument, NULL, 'w' },
		{ "strict", no_argument, NULL, 's' },	  { 0 },
	};
	int c;

	*ret_ask = geteuid() != 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == 'j') {
			ret->json = true;
		} else if (c == 'h') {
			*ret_help = true;
		} else if (c == 'u') {
			ret->unit = optarg;
			*ret_ask = true;
		} else if (c == 's') {
			ret->strict = *ret_ask = true;
		} else if (c == 'w' && mcr_parse_usec(optarg, &ret->wait_usec) == 0) {
			*ret_ask = true;
		} else {
			if (c == 'w')
				fprintf(stderr, "memcg-reaper drain: --wait=%s is no time\n", optarg);
			return false;
		}
	}
	return true;
}

int verb_drain(int argc, char **argv)
{
	struct ask_drain ask = { 0 };
	bool help = false, by_asking;

	if (!parse_args(argc, argv, &ask, &help, &by_asking))
		return usage(false);
	if (help || argc - optind != (ask.unit ? 0 : 1) || (ask.unit && !*ask.unit))
		return usage(help);
	if (!ask.unit)
		ask.cgroup = argv[optind];
	return by_asking ? ask_drain(&ask) : drain_here(ask.cgroup, ask.json);
}

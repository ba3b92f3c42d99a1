/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper drain CGROUP: what the daemon does to a held cgroup, to a live one, by hand. */
#include <errno.h>
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

static int drain(int fd, const struct mcr_config *config, struct answer *ret)
{
	struct drain_arg arg = {
		.fd = fd,
		.opts = {
			.step_bytes = config->step_bytes, .max_bytes = config->drain_max_bytes,
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

/* Accepts a path below the root, with or without the mount point in front. */
static int open_cgroup(const struct mcr_hierarchy *h, const char *name)
{
	const char *root = mcr_hierarchy_path(h);
	size_t len = strlen(root);

	if (strncmp(name, root, len) == 0 && (name[len] == '/' || !name[len]))
		name += len;
	return mcr_cgroup_open_path(h, name);
}

int verb_drain(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	auto_(mcr_config_freep) struct mcr_config *config = NULL;
	auto_(closep) int fd = -EBADF;
	struct answer a = { 0 };
	struct flags f = { 0 };
	int rest, code = CLI_OK, r;

	if (!parse_flags(argc, argv, false, &f, &rest) || f.help || rest != argc - 1) {
		fputs("usage: memcg-reaper drain [--json] CGROUP\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	h = open_hierarchy(&code);
	if (!h)
		return code;
	config = read_config();
	fd = config ? open_cgroup(h, argv[rest]) : -ENOMEM;
	r = fd < 0 ? fd : drain(fd, config, &a);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot drain '%s': %s\n", printable(argv[rest]), strerror(-r));
		return CLI_FAILED;
	}
	tell(argv[rest], &a, f.json);
	return a.left.file_bytes + a.left.anon_bytes + a.left.swap_bytes ? CLI_PARTIAL : CLI_OK;
}

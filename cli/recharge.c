/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper recharge: moves shared memory of a zombie, a cgroup, or one file to an owner; --dry-run says what it would do. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "census.h"
#include "cgroup.h"
#include "chunklog.h"
#include "cli.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "owner.h"
#include "policy.h"
#include "reap.h"
#include "rechargeask.h"
#include "rechargerun.h"
#include "util.h"

#define JOURNAL_BYTES (4ULL << 20)
#define POLL_USEC 50000
/* Then the unit has given up long before, or cannot be started over and over. */
#define ANSWER_MAX_SEC 600
/* Zombies that had the same name. */
#define TARGETS_MAX 64

struct asked {
	const char *what, *to;
	bool dry_run, json, help;
};

struct targets {
	struct mcr_recharge_request at[TARGETS_MAX];
	char *anchor[TARGETS_MAX];	/* of a zombie; NULL: it lives, or is a file */
	size_t n;
};

/* ---- What is meant ---- */

static int add_target(struct targets *t, uint64_t id, const char *path, const char *anchor)
{
	struct mcr_recharge_request *q = &t->at[t->n];

	if (t->n == TARGETS_MAX)
		return 0;
	*q = (struct mcr_recharge_request){ .cgroup_id = id, .path = strdup(path) };
	t->anchor[t->n] = anchor ? strdup(anchor) : NULL;
	t->n++;		/* what it owns is freed with the rest, also if it is not whole */
	if (!q->path || (anchor && !t->anchor[t->n - 1]))
		return -ENOMEM;
	return 0;
}

static int add_live(struct targets *t, const struct mcr_hierarchy *h, int fd)
{
	auto_(freep) char *path = NULL;
	uint64_t id;
	int r = mcr_cgroup_id(fd, &id);

	if (r == 0)
		r = mcr_cgroup_path(h, fd, &path);
	return r == 0 ? add_target(t, id, path, NULL) : r;
}

static bool is_meant(const struct mcr_zombie *z, const char *what, uint64_t id)
{
	return id ? z->id == id : strcmp(z->name, what) == 0 || strcmp(z->path, what) == 0;
}

static int add_zombies(struct targets *t, const char *what, uint64_t id)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	int r = mcr_census_walker_new(&w, NULL);

	if (r == 0)
		r = mcr_census_walk(w, &c);
	for (size_t i = 0; r == 0 && i < c->n; i++)
		if (is_meant(&c->zombies[i], what, id))
			r = add_target(t, c->zombies[i].id, c->zombies[i].path, c->zombies[i].anchor);
	return r == 0 && t->n == 0 ? -ENOENT : r;
}

static int find_targets(struct targets *t, const struct mcr_hierarchy *h, const char *what)
{
	auto_(closep) int fd = -EBADF;
	uint64_t id = 0;
	struct stat st;

	if (*what == '/' && stat(what, &st) == 0 && !S_ISDIR(st.st_mode))
		return add_target(t, 0, what, NULL);
	fd = mcr_parse_u64(what, &id) == 0 ? mcr_cgroup_open_id(h, id) : mcr_cgroup_open_path(h, what);
	return fd >= 0 ? add_live(t, h, fd) : add_zombies(t, what, id);
}

/* ---- To whom ---- */

/* What page cache may be evicted, and when. */
static void set_bounds(const struct mcr_config *config, struct mcr_recharge_request *q, const char *anchor)
{
	const struct mcr_policy *own = mcr_policy_for(config, q->path, NULL);
	const struct mcr_policy *p = own ? own : mcr_policy_named(config, "default");

	if (!anchor)
		q->evict_max_bytes = mcr_policy_drain_max(p);
	else if (p->shield && !mcr_reap_is_forbidden(config, anchor))
		q->evict_max_bytes = p->budget_bytes;
	q->dry_run = own && own->dry_run;
	q->step_bytes = p->step_bytes;
	q->pressure_max_centi = config->pressure_max_centi;
	q->available_min_centi = config->available_min_centi;
}

static int owner_by_policy(const struct mcr_hierarchy *h, const struct mcr_config *config, struct mcr_recharge_request *q)
{
	auto_(freep) char *top = NULL;
	const struct mcr_policy *p;
	const char *slice = NULL;
	int r;

	p = mcr_policy_for(config, q->path, &slice);
	if (!p)
		p = mcr_policy_named(config, "default");
	if (!slice)
		slice = top = mcr_owner_top_slice(q->path);
	q->owner_user = mcr_owner_is_user(p);
	q->pause_max_usec = p->pause_max_usec;
	if (!slice)
		return -EDESTADDRREQ;
	r = mcr_owner_by_policy(p, slice, &q->owner);
	return r < 0 ? r : mcr_owner_within_limits(h, q->owner, q->path);
}

static int find_owners(struct targets *t, const struct mcr_hierarchy *h, const char *to)
{
	struct mcr_config *config = read_config();
	int r = config ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		struct mcr_recharge_request *q = &t->at[i];

		q->pause_max_usec = mcr_policy_named(config, "default")->pause_max_usec;
		set_bounds(config, q, t->anchor[i]);
		r = to ? mcr_slice_path(to, &q->owner) : q->cgroup_id ? owner_by_policy(h, config, q) : -EDESTADDRREQ;
	}
	mcr_config_unref(config);
	return r;
}

/* ---- Doing it ---- */

static int start_unit(const char *name)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	char unit[128];
	int r = sd_bus_open_system(&bus);

	snprintf(unit, sizeof(unit), MCR_RECHARGE_UNIT, name);
	if (r >= 0)
		r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
				       "org.freedesktop.systemd1.Manager", "StartUnit", &error, NULL, "ss", unit, "replace");
	if (r < 0)
		fprintf(stderr, "memcg-reaper: systemd does not start %s: %s\n", unit,
			error.message ? error.message : strerror(-r));
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return r < 0 ? r : 0;
}

static int open_requests(void)
{
	int fd;

	if ((mkdir(CLI_RUN_DIR, 0755) < 0 && errno != EEXIST) || (mkdir(MCR_RECHARGE_DIR, 0700) < 0 && errno != EEXIST))
		return -errno;
	fd = open(MCR_RECHARGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int wait_for_answer(int dir_fd, const char *name, struct json_object **ret)
{
	uint64_t end = mcr_now_ns() + ANSWER_MAX_SEC * MCR_NSEC_PER_SEC;
	int r;

	while ((r = mcr_recharge_answered(dir_fd, name, ret)) == -ENOENT && mcr_now_ns() < end)
		usleep(POLL_USEC);
	return r == -ENOENT ? -ETIMEDOUT : r;
}

/* Without the daemon, which does the same, and counts what comes of it. */
static int recharge_alone(const struct mcr_recharge_request *q, size_t i, struct json_object **ret)
{
	auto_(closep) int dir_fd = open_requests();
	char name[64];
	int r;

	if (dir_fd < 0)
		return dir_fd;
	/* Not what somebody left who had the same pid. */
	snprintf(name, sizeof(name), "cli-%d-%zu-%" PRIx64, (int)getpid(), i, mcr_realtime_ns());
	r = mcr_recharge_ask(dir_fd, name, q);
	if (r == 0)
		r = start_unit(name);
	return r == 0 ? wait_for_answer(dir_fd, name, ret) : r;
}

/* The first of what an answer tells of. */
static int first_answer(const char *text, struct json_object **ret)
{
	struct json_object *whole = json_tokener_parse(text), *list = whole ? get(whole, "recharges") : NULL;
	struct json_object *o = list ? json_object_array_get_idx(list, 0) : NULL;

	*ret = json_object_get(o);
	json_object_put(whole);
	return o ? 0 : -EBADMSG;
}

/* By whom it was named: its policy is the daemon's to know, where nobody else was named. */
static int recharge_by_daemon(const struct mcr_recharge_request *q, const char *to, struct json_object **ret)
{
	auto_(freep) char *text = NULL, *why = NULL, *source = NULL;
	int r;

	if (q->cgroup_id)
		r = asprintf(&source, "%" PRIu64, q->cgroup_id);
	else
		r = asprintf(&source, "file:%s", q->path);
	if (r < 0)
		return -ENOMEM;
	r = ask_recharge(source, to ? q->owner : NULL, false, &text, &why);
	if (r == -EREMOTEIO)
		fprintf(stderr, "memcg-reaper: cannot recharge: %s\n", why ? why : "refused");
	return r == 0 ? first_answer(text, ret) : r;
}

/* What it cannot be told, has not seen yet, or has no room for can be done without it. */
static int recharge(const struct mcr_recharge_request *q, size_t i, const char *to, struct json_object **ret)
{
	int r = recharge_by_daemon(q, to, ret);

	return r == -ESRCH || r == -ENOENT || r == -EBUSY || r == -EILSEQ ? recharge_alone(q, i, ret) : r;
}

static int try(const struct mcr_hierarchy *h, const struct mcr_recharge_request *q, struct json_object **ret)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	int r = mcr_chunklog_new(JOURNAL_BYTES, &log);
	const struct mcr_recharge_opts opts = { .h = h, .log = log, .dry_run = true };

	return r == 0 ? mcr_recharge_run(&opts, q, ret) : r;
}

/* ---- Telling ---- */

/* "lease", "frozen" stand behind a number of bytes as they are. */
static const char *by(const char *strategy)
{
	return !strategy ? "" : strcmp(strategy, "kernel") == 0 ? "by the kernel" : strategy;
}

static void print_object(struct json_object *o, bool dry_run)
{
	const char *why = get_str(o, "why_not"), *strategy = by(get_str(o, "strategy"));
	uint64_t moved = get_u64(o, "moved_bytes");

	printf("  %s %s: ", get_str(o, "kind"), get_str(o, "name") ? printable(get_str(o, "name")) : "without a name");
	if (dry_run && !why)
		printf("%s would be moved %s\n", human_bytes(get_u64(o, "bytes")), strategy);
	else if (moved)
		printf("%s moved %s%s%s\n", human_bytes(moved), strategy, why ? "; the rest not: " : "", why ? why : "");
	else
		printf("%s, not moved: %s\n", human_bytes(get_u64(o, "bytes")), why ? why : "nothing is in memory");
}

/* Where the kernel has it at all. */
static void print_kernel(struct json_object *o)
{
	const char *word = get_str(o, "kernel"), *why = get_str(o, "kernel_why_not");

	if (why && word && strcmp(word, "absent") != 0)
		printf("  not by the kernel: %s\n", why);
	if (get_u64(o, "drained_bytes"))
		printf("  page cache that nobody maps: %s dropped\n", human_bytes(get_u64(o, "drained_bytes")));
}

static void print_answer(struct json_object *o)
{
	struct json_object *objects = get(o, "objects");
	bool dry_run = get_bool(o, "dry_run");
	size_t n = objects ? json_object_array_length(objects) : 0;

	if (get_str(o, "path"))
		printf("%s -> %s: ", printable(get_str(o, "path")), printable(get_str(o, "owner")));
	if (n == 0)
		printf("%s\n", get_str(o, "why_not") ? get_str(o, "why_not") : "no shared memory and no page cache in use to be moved");
	else if (dry_run)
		puts("nothing is changed:");
	else
		printf("%s moved, longest pause of its users %.1f ms\n", human_bytes(get_u64(o, "moved_bytes")),
		       get_u64(o, "longest_pause_usec") / 1000.0);
	for (size_t i = 0; i < n; i++)
		print_object(json_object_array_get_idx(objects, i), dry_run);
	print_kernel(o);
}

static int complain(int r, const struct asked *a)
{
	if (r == -ENOENT)
		fprintf(stderr, "memcg-reaper: '%s' is no file, no cgroup and no zombie\n", printable(a->what));
	else if (r == -EDESTADDRREQ)
		fputs("memcg-reaper: to whom? No policy says so for this one: give --to=OWNER\n", stderr);
	else if (r == -EXDEV)
		fputs("memcg-reaper: it was in a cgroup with a limit, which the owner by policy is not in: --to=OWNER moves it all the same\n",
		      stderr);
	else if (r == -EREMOTEIO)
		;	/* said already, in the daemon's words */
	else if (r == -EINVAL && a->to)
		fprintf(stderr, "memcg-reaper: '%s' cannot be an owner\n", printable(a->to));
	else
		fprintf(stderr, "memcg-reaper: cannot recharge: %s\n", strerror(-r));
	return CLI_FAILED;
}

static int run_all(const struct mcr_hierarchy *h, const struct asked *a, const struct targets *t)
{
	struct json_object *whole = json_object_new_object(), *list = json_object_new_array();
	int code = CLI_OK, r = 0;

	json_object_object_add(whole, "recharges", list);
	for (size_t i = 0; r == 0 && i < t->n; i++) {
		struct json_object *o = NULL;

		r = a->dry_run ? try(h, &t->at[i], &o) : recharge(&t->at[i], i, a->to, &o);
		if (r < 0)
			break;
		if (get_str(o, "why_not"))
			code = CLI_PARTIAL;
		if (!a->json)
			print_answer(o);
		json_object_array_add(list, o);
	}
	if (a->json && r == 0)
		print_json(json_object_get(whole));
	json_object_put(whole);
	return r < 0 ? complain(r, a) : code;
}

/* Who is not root asks, and tells what is answered. */
static int recharge_asked(const struct asked *a)
{
	auto_(freep) char *text = NULL, *why = NULL;
	int r = ask_recharge(a->what, a->to, a->dry_run, &text, &why), code = CLI_OK;
	struct json_object *whole = r == 0 ? json_tokener_parse(text) : NULL, *list = whole ? get(whole, "recharges") : NULL;

	if (r < 0 || !list) {
		fprintf(stderr, "memcg-reaper: cannot recharge: %s\n", r == 0 ? "the answer makes no sense" : why ? why :
			r == -ESRCH ? "memcg-reaperd cannot be reached; only root can do without" : strerror(-r));
		json_object_put(whole);
		return CLI_FAILED;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (get_str(o, "why_not"))
			code = CLI_PARTIAL;
		if (!a->json)
			print_answer(o);
	}
	if (a->json)
		print_json(whole);
	else
		json_object_put(whole);
	return code;
}

static bool parse_args(int argc, char **argv, struct asked *ret)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
		{ "dry-run", no_argument, NULL, 'n' }, { "to", required_argument, NULL, 't' },
		{ 0 },
	};
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "hn", options, NULL)) >= 0) {
		if (c == '?')
			return false;
		ret->json |= c == 'j';
		ret->help |= c == 'h';
		ret->dry_run |= c == 'n';
		if (c == 't')
			ret->to = optarg;
	}
	ret->what = argv[optind];
	return ret->help || argc - optind == 1;
}

int verb_recharge(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	struct targets t = { .n = 0 };
	struct asked a = { 0 };
	int code = CLI_OK, r;

	if (!parse_args(argc, argv, &a) || a.help) {
		fputs("usage: memcg-reaper recharge [--json] [--dry-run] [--to=OWNER] ID|FILE|CGROUP|ZOMBIE\n"
		      "  --to=OWNER     who is to pay: a slice, or a cgroup without others in it\n"
		      "  -n, --dry-run  only say what would be done, and what stands against it\n", a.help ? stdout : stderr);
		return a.help ? CLI_OK : CLI_USAGE;
	}
	if (geteuid() != 0)
		return recharge_asked(&a);
	h = open_hierarchy(&code);
	if (!h)
		return code;
	r = find_targets(&t, h, a.what);
	if (r == 0)
		r = find_owners(&t, h, a.to);
	code = r < 0 ? complain(r, &a) : run_all(h, &a, &t);
	for (size_t i = 0; i < t.n; i++) {
		free(t.anchor[i]);
		mcr_recharge_request_done(&t.at[i]);
	}
	return code;
}

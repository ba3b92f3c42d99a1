/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper reap: one pass of what the daemon does each cycle, with or without it. */
#include "reap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "census.h"
#include "cli.h"
#include "config.h"
#include "hierarchy.h"
#include "policy.h"
#include "sync.h"
#include "util.h"
#include "worker.h"

#define TURN_USEC 100000

struct pass {
	struct mcr_reap_opts opts;
	const struct mcr_reap_anchor *anchors;
	int n, out_fd;
	int failed;		/* the first error of an anchor */
};

static int take_census(const struct mcr_hierarchy *h, struct mcr_census **ret)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	auto_(mcr_count_freep) struct mcr_count *count = NULL;
	int r = mcr_census_walker_new(&w, NULL);

	if (r == 0)
		return mcr_census_walk(w, ret);
	r = mcr_census_count(h, &count);
	return r < 0 ? r : mcr_census_from_count(count, ret);
}

static int send_report(const struct mcr_reap_report *rep, void *userdata)
{
	const struct pass *p = userdata;

	return mcr_worker_report(p->out_fd, rep, sizeof(*rep));
}

static int reap_in_worker(void *userdata, int out_fd)
{
	struct pass *p = userdata;

	p->out_fd = out_fd;
	return mcr_reap(&p->opts, p->anchors, p->n, send_report, p);
}

static const char *anchor_path(const struct pass *p, uint64_t id)
{
	for (int i = 0; i < p->n; i++)
		if (p->anchors[i].id == id)
			return p->anchors[i].path;
	return "?";
}

static void tell(const struct pass *p, const struct mcr_reap_report *rep, bool json, struct json_object *list)
{
	const struct mcr_shield_result *res = &rep->result;
	const char *path = anchor_path(p, rep->anchor_id);

	if (json) {
		struct json_object *o = json_object_new_object();

		add_str(o, "below", path);
		add_str(o, "error", rep->error ? strerror(-rep->error) : NULL);
		add_u64(o, "pass", rep->pass);
		add_u64(o, "dying_before", res->dying_before);
		add_u64(o, "dying_after", res->dying_after);
		add_u64(o, "freed_bytes", res->freed_bytes);
		add_u64(o, "lost_by_live_bytes", res->lost_bytes);
		add_u64(o, "shielded", res->shielded);
		json_object_array_add(list, o);
	} else if (rep->error == -EAGAIN) {
		fprintf(stderr, "%s: not touched, it or a cgroup below it is near its memory limit\n", printable(path));
	} else if (rep->error) {
		fprintf(stderr, "%s: %s\n", printable(path), strerror(-rep->error));
	} else {
		printf("%s: dying %" PRIu64 " -> %" PRIu64 ", %s freed, %s taken from %u live ones%s\n",
		       printable(path), res->dying_before, res->dying_after, human_bytes(res->freed_bytes),
		       human_bytes(res->lost_bytes), res->shielded,
		       res->stopped ? ", stopped: memory pressure" : "");
	}
}

/* Reads reports until the worker ends, says nothing for too long (-ETIMEDOUT) or a signal comes (-EINTR). */
static int follow(struct pass *p, struct mcr_worker *w, int signal_fd, uint64_t silence_usec, bool json,
		  struct json_object *list)
{
	struct pollfd fds[] = { { .fd = w->fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
	struct mcr_reap_report rep;
	ssize_t n;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), silence_usec / 1000) == 0)
			return -ETIMEDOUT;
		if (fds[1].revents)
			return -EINTR;
		n = read(w->fd, &rep, sizeof(rep));	/* whole: below PIPE_BUF */
		if (n == 0)
			return 0;
		if (n == sizeof(rep)) {
			p->failed = p->failed ? p->failed : rep.error;
			tell(p, &rep, json, list);
		} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
			return -EIO;
		}
	}
}

/* Ctrl-C and the like wait until everything is put back; a closed pipe is no reason to die at all. */
static int block_signals(sigset_t *ret_old)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, ret_old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct pass *p, const struct mcr_config *config, bool json, struct json_object *list)
{
	const int keep[] = { mcr_hierarchy_fd(p->opts.h), p->opts.shield.journal_dir_fd, p->opts.shield.proc_fd };
	struct mcr_worker w = MCR_WORKER_INIT;
	auto_(closep) int signal_fd = -EBADF;
	sigset_t old;
	int r, undo;

	signal_fd = block_signals(&old);
	r = mcr_worker_start(&w, reap_in_worker, p, keep, ARRAY_SIZE(keep));
	if (r == 0)
		r = follow(p, &w, signal_fd, p->opts.patience_usec + config->worker_max_usec, json, list);
	mcr_worker_end(&w);
	undo = mcr_shield_recover(p->opts.h, p->opts.shield.journal_dir_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);	/* a signal that waited acts now */
	return r < 0 ? r : undo < 0 ? undo : 0;
}

/* Where the journal goes; whose turn it is, the journal's own lock says. */
static int open_run_dir(int *ret_fd)
{
	int fd;

	if (mkdir(CLI_RUN_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(CLI_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Puts back what a killed one left; waits while the daemon, say, is at it. 0, -EBUSY after a while, or errno. */
static int wait_for_turn(const struct mcr_hierarchy *h, int run_fd, uint64_t patience_usec)
{
	int r;

	for (uint64_t waited = 0; (r = mcr_shield_recover(h, run_fd)) == -EBUSY; waited += TURN_USEC) {
		if (waited >= patience_usec)
			break;
		usleep(TURN_USEC);
	}
	return r < 0 ? r : 0;
}

static void print_plan(const struct mcr_reap_anchor *anchors, int n, bool json)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (int i = 0; i < n; i++) {
		struct json_object *a = json_object_new_object();

		add_str(a, "below", anchors[i].path);
		add_u64(a, "zombies", anchors[i].zombies);
		json_object_array_add(list, a);
		if (!json)
			printf("would reap %zu below %s\n", anchors[i].zombies, printable(anchors[i].path));
	}
	json_object_object_add(o, "plan", list);
	if (json)
		print_json(o);
	else
		json_object_put(o);
}

static int reap(struct pass *p, const struct mcr_config *config, const struct mcr_census *before, bool json)
{
	auto_(mcr_census_freep) struct mcr_census *after = NULL;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	int r = p->n ? run(p, config, json, list) : 0;

	if (r == 0)
		r = take_census(p->opts.h, &after);
	json_object_object_add(o, "actions", list);
	if (r == 0) {
		add_u64(o, "dying_before", before->dying);
		add_u64(o, "dying_after", after->dying);
	}
	if (json)
		print_json(o);
	else
		json_object_put(o);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: reap failed: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	if (!json)
		printf("%" PRIu64 " dying memcgs before, %" PRIu64 " after\n", before->dying, after->dying);
	if (p->failed && p->failed != -EAGAIN && p->failed != -ENODEV && p->failed != -ESTALE)
		return CLI_FAILED;
	return after->dying ? CLI_PARTIAL : CLI_OK;
}

/* Policies that only want to see what would be done are kept to here as well. */
static void tell_dry_runs(const struct mcr_census *census, const struct mcr_config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < census->n; i++) {
		const struct mcr_policy *p = mcr_policy_for(config, census->zombies[i].path, NULL);

		n += p && p->dry_run;
	}
	if (n > 0)
		fprintf(stderr, "memcg-reaper: %zu zombies are left alone: their policy says DryRun=yes\n", n);
}

int verb_reap(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	auto_(mcr_config_unrefp) struct mcr_config *config = NULL;
	auto_(mcr_census_freep) struct mcr_census *census = NULL;
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	auto_(closep) int run_fd = -EBADF, proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pass p = { 0 };
	const char *why;
	uint64_t dirty;
	struct flags f = { 0 };
	int rest, code = CLI_OK, r;

	if (!parse_flags(argc, argv, true, &f, &rest) || rest != argc || f.help) {
		fputs("usage: memcg-reaper reap [--dry-run] [--json]\n", f.help ? stdout : stderr);
		return f.help ? CLI_OK : CLI_USAGE;
	}
	h = open_hierarchy(&code);
	if (!h)
		return code;
	config = read_config();
	r = config ? take_census(h, &census) : -ENOMEM;
	if (r == 0)
		r = p.n = mcr_reap_plan(census, config, NULL, NULL, &anchors);
	if (r >= 0)
		tell_dry_runs(census, config);
	if (r >= 0 && f.dry_run) {
		print_plan(anchors, p.n, f.json);
		return CLI_OK;
	}
	if (r >= 0)
		r = open_run_dir(&run_fd);
	if (r >= 0)
		r = wait_for_turn(h, run_fd, config->worker_max_usec);
	if (r == -EBUSY) {
		fputs("memcg-reaper: not reaping: another reap is at work\n", stderr);
		return CLI_FAILED;
	}
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot reap: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	why = mcr_reap_refusal(h, config, proc_fd);
	if (why) {
		fprintf(stderr, "memcg-reaper: not reaping: %s\n", why);
		return CLI_FAILED;
	}
	p.anchors = anchors;
	p.opts = (struct mcr_reap_opts){
		.h = h,
		.patience_usec = config->worker_max_usec,	/* whoever has a shield for longer is killed */
		.sync = config->sync && mcr_dirty_bytes(proc_fd, &dirty) == 0 && dirty <= config->sync_max_bytes,
		.shield = {
			.max_bytes = config->budget_bytes,
			.journal_dir_fd = run_fd, .proc_fd = proc_fd,
			.pressure_max_centi = config->pressure_max_centi,
			.available_min_centi = config->available_min_centi,
		},
	};
	return reap(&p, config, census, f.json);
}

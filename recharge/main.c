/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcg-recharge: serves one request to move memory to its owner, as memcg-reaper-recharge@NAME.service.
 *
 *	memcg-recharge NAME	puts right what a killed predecessor had in hand, then serves NAME
 *	memcg-recharge --repair NAME	only the first; from ExecStopPost=, which gets no descriptors
 *
 * One at a time on a machine: a lock in the directory of requests.  Exit status: 0 answered; 1 it failed for good; 2 the request
 * makes no sense; 3 something could not be put right yet: systemd starts it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunklog.h"
#include "hierarchy.h"
#include "keep.h"
#include "owner.h"
#include "rechargeask.h"
#include "rechargerun.h"
#include "rewrite.h"
#include "util.h"

/* One part of an object at a time; large enough for a huge page and some. */
#define JOURNAL_BYTES (4ULL << 20)
#define REPAIRS_MAX 50
#define REPAIR_PAUSE_USEC 100000

enum { EXIT_OK, EXIT_FAILED, EXIT_SENSELESS, EXIT_AGAIN };

struct context {
	struct mcr_hierarchy *h;
	const char *name;
	int dir_fd;
};

/* stderr is the journal's. */
#define complain(...) fprintf(stderr, __VA_ARGS__)

/* ---- Putting right ---- */

static int find_object(const struct kept *k)
{
	struct stat st;
	uint64_t ino;
	dev_t dev;

	if (!kept_object(k, &dev, &ino))
		return -EBADF;
	for (unsigned int i = 0; i < k->n; i++)
		if (fstat(k->others[i], &st) == 0 && st.st_dev == dev && st.st_ino == ino)
			return k->others[i];
	return -EBADF;
}

/* What is put back is charged to the owner too, if he is still there; of what others left, to ours, who lives on as well. */
static int open_owner(const struct context *c)
{
	struct mcr_recharge_request q;
	int fd;

	if (mcr_recharge_asked(c->dir_fd, c->name, &q) < 0)
		return -EBADF;
	fd = mcr_owner_open_running(c->h, q.owner);
	mcr_recharge_request_done(&q);
	return fd < 0 ? -EBADF : fd;
}

/* 0: nothing is left to be put right, or errno. */
static int repair(const struct kept *k, void *userdata)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	const struct context *c = userdata;
	auto_(closep) int owner_fd = -EBADF;
	int r = mcr_chunklog_open(k->journal, &log);

	if (r < 0 || !mcr_chunklog_dirty(log))
		return r;
	owner_fd = open_owner(c);
	for (int tries = 0; tries < REPAIRS_MAX; tries++) {
		r = mcr_rewrite_repair(c->h, owner_fd, log, find_object(k));
		if (r >= 0 || r == -EBADMSG)
			break;
		usleep(REPAIR_PAUSE_USEC);
	}
	if (r >= 0)
		complain("put right what was interrupted, and thawed whom it concerned\n");
	else
		complain("cannot put right what was interrupted: %s\n", strerror(-r));
	return r == -EBADMSG ? 0 : r < 0 ? r : 0;	/* what is no journal never becomes one: trying again changes nothing */
}

static void drop_all(void)
{
	drop_fd("guard", NULL);
	drop_fd("object", NULL);
	drop_fd(KEEP_JOURNAL, NULL);
}

static int repair_own(struct context *c)
{
	struct kept k = KEPT_INIT;
	int r = kept_take(&k);

	if (r == 0 && k.journal >= 0)
		r = repair(&k, c);
	if (r == 0)
		drop_all();
	kept_close(&k);
	return r;
}

/* ---- Serving ---- */

static int new_journal(struct mcr_chunklog **ret)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	int r = mcr_chunklog_new(JOURNAL_BYTES, &log);

	if (r == 0)
		r = keep_fd(mcr_chunklog_fd(log), KEEP_JOURNAL, NULL);
	if (r == 0)
		*ret = steal_ptr(log);
	return r;
}

/* Whatever it is, who asked is to know. */
static int answer_failure(const struct context *c, const char *why)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "moved_bytes", json_object_new_int(0));
	json_object_object_add(o, "why_not", json_object_new_string(why));
	complain("%s\n", why);
	mcr_recharge_answer(c->dir_fd, c->name, o);
	return EXIT_FAILED;
}

static int tell_out(void *userdata)
{
	const struct context *c = userdata;

	return mcr_recharge_tell_out(c->dir_fd, c->name);
}

static int serve(struct context *c)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	struct mcr_recharge_opts opts = { .h = c->h, .keep = keep_fd, .drop = drop_fd, .out = tell_out, .userdata = c };
	struct mcr_recharge_request q;
	struct json_object *result = NULL;
	int r = mcr_recharge_asked(c->dir_fd, c->name, &q);

	if (r == -ENOENT)
		return EXIT_OK;		/* it was answered before we were killed */
	if (r < 0) {
		answer_failure(c, "the request makes no sense");
		return EXIT_SENSELESS;
	}
	r = new_journal(&log);
	if (r < 0) {
		mcr_recharge_request_done(&q);
		return answer_failure(c, r == -ENOTCONN ? "systemd's descriptor store is needed, and not there" :
				      r == -ETIMEDOUT ? "systemd does not take descriptors in time" :
				      "there is no room for the journal");
	}
	opts.log = log;
	r = mcr_recharge_run(&opts, &q, &result);
	mcr_recharge_request_done(&q);
	if (r == -EUCLEAN)
		return EXIT_AGAIN;
	drop_all();
	if (r < 0)
		return answer_failure(c, strerror(-r));
	return mcr_recharge_answer(c->dir_fd, c->name, result) < 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- Both ---- */

static int lock_dir(int dir_fd)
{
	int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		close(fd);
		return -errno;
	}
	return fd;
}

/*
 * Nothing to do only after an exit of its own with 0: being ended by SIGTERM counts as a success to systemd.  Without the lock:
 * whoever has it may be waiting for an object that is guarded by what we are about to put right.  A journal that is in use has
 * a lock of its own.
 */
static int repair_after_stop(struct context *c)
{
	const char *code = getenv("EXIT_CODE"), *status = getenv("EXIT_STATUS");

	if (code && status && strcmp(code, "exited") == 0 && strcmp(status, "0") == 0)
		return EXIT_OK;
	return kept_visit(repair, c) < 0 ? EXIT_FAILED : EXIT_OK;
}

/* What is ours is put right, and let go, before anybody is waited for; then what others have left; then it is our turn. */
static int run(struct context *c)
{
	auto_(closep) int lock = -EBADF;
	int r = repair_own(c);

	if (r < 0)
		return EXIT_AGAIN;
	lock = lock_dir(c->dir_fd);
	if (lock < 0) {
		complain("cannot lock " MCR_RECHARGE_DIR ": %s\n", strerror(-lock));
		return EXIT_FAILED;
	}
	r = kept_visit(repair, c);
	if (r == -EPERM || r == -EACCES || r == -ENOSYS)
		return answer_failure(c, "systemd's descriptors cannot be copied, so that nothing could be put right after a stop");
	return serve(c);
}

/* What goes by swap is kept open until its cgroup is removed, each object by a descriptor or two. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	bool only_repair = argc == 3 && strcmp(argv[1], "--repair") == 0;
	const char *why = "";
	struct context c = { .name = argv[argc - 1] };
	int code, failed;

	if ((argc != 2 && !only_repair) || !mcr_recharge_name_ok(c.name)) {
		complain("usage: memcg-recharge [--repair] NAME\nStarted by systemd, see memcg-reaper(8).\n");
		return EXIT_SENSELESS;
	}
	signal(SIGIO, SIG_IGN);		/* of a lease: we look by ourselves */
	raise_files();
	/* With something to be put right, trying again is all there is. */
	failed = getenv("LISTEN_FDS") ? EXIT_AGAIN : EXIT_FAILED;
	if (mcr_hierarchy_find(&h, &why) < 0) {
		complain("cannot work here: %s\n", why);
		return failed;
	}
	c.h = h;
	c.dir_fd = open(MCR_RECHARGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.dir_fd < 0) {
		complain("cannot open " MCR_RECHARGE_DIR ": %s\n", strerror(errno));
		return failed;
	}
	code = only_repair ? repair_after_stop(&c) : run(&c);
	close(c.dir_fd);
	return code;
}

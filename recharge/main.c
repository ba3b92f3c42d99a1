/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcg-recharge: serves one request to move memory to its owner, as memcg-reaper-recharge@NAME.service.
 *
 *	memcg-recharge NAME	puts right what a killed predecessor had in hand, then serves NAME
 *	memcg-recharge --repair NAME	only the first; from ExecStopPost=, which gets no descriptors
 *	memcg-recharge --put-back JOURNAL FILE	by a person: writes what could not be put right to where it belongs
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
#include "drain.h"
#include "hierarchy.h"
#include "json.h"
#include "keep.h"
#include "lostlog.h"
#include "rechargeask.h"
#include "rechargerun.h"
#include "repair.h"
#include "restore.h"
#include "shield.h"
#include "shmobject.h"
#include "util.h"

/* One part of an object at a time; large enough for a huge page and some. */
#define JOURNAL_BYTES (4ULL << 20)

/* Looking for what is meant, and for who has one object. */
#define LOOK_SEC 60

enum { EXIT_OK, EXIT_FAILED, EXIT_SENSELESS, EXIT_AGAIN };

/* Why a request is not served. */
#define NOT_PUT_RIGHT "what was interrupted could not be put right; see the journal"

/* ---- Putting right ---- */

/* Of whoever was killed while page cache was evicted; where somebody is at it, there is nothing to be put right. */
static void restore_knobs(const struct repair *c)
{
	int shield = mcr_shield_recover(c->h, c->run_fd);
	int drain = mcr_restore_recover(c->h, c->run_fd, MCR_DRAIN_JOURNAL);

	if (shield == 1 || drain == 1)
		complain("put back what a killed one had changed\n");
}

static void drop_all(void)
{
	drop_fd("guard", NULL);
	drop_fd("object", NULL);
	drop_fd(KEEP_JOURNAL, NULL);
}

static int repair_own(struct repair *c)
{
	struct kept k = KEPT_INIT;
	int r = kept_take(&k);

	restore_knobs(c);
	if (r == 0 && k.journal >= 0)
		r = repair_kept(&k, c);
	if (r == 0)
		drop_all();
	kept_close(&k);
	return r;
}

/* ---- Serving ---- */

/*
 * /proc of a process whose address space is locked answers nobody, and we hold the lock that others wait for.  The signal kills us, also
 * in the kernel; ExecStopPost= answers.  While something is moved the mover is looked after, and there is no clock.
 */
static void start_clock(unsigned int sec)
{
	alarm(sec);
}

static int keep_and_move(int fd, const char *name, void *userdata)
{
	alarm(0);
	return keep_fd(fd, name, userdata);
}

static void drop_and_look(const char *name, void *userdata)
{
	drop_fd(name, userdata);
	start_clock(LOOK_SEC);
}

/* ---- Being stopped while the kernel works ---- */

/*
 * Elsewhere SIGTERM and our clock end us at once, and ExecStopPost= puts right; here they end what the kernel does, and we tell how far
 * that came. It serves one request at a time, and another's may take as long as it likes.
 */
static volatile sig_atomic_t term_came, alarm_came;

static void on_signal(int sig)
{
	*(sig == SIGTERM ? &term_came : &alarm_came) = 1;
}

static void listen_for_signals(bool on)
{
	const struct sigaction action = { .sa_handler = on ? on_signal : SIG_DFL };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

static enum mcr_refusal interrupted(void)
{
	return term_came ? MCR_REFUSED_STOPPED : alarm_came ? MCR_REFUSED_TIME : MCR_REFUSED_NOT;
}

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
static int answer_failure(const struct repair *c, const char *why)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "moved_bytes", json_object_new_int(0));
	add_str(o, "why_not", why);
	add_u64(o, "repaired", c->repaired);
	complain("%s\n", why);
	mcr_recharge_answer(c->dir_fd, c->name, o);
	return EXIT_FAILED;
}

static int tell_out(void *userdata)
{
	const struct repair *c = userdata;

	return mcr_recharge_tell_out(c->dir_fd, c->name);
}

static int serve(struct repair *c)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	struct mcr_recharge_opts opts = {
		.h = c->h, .keep = keep_and_move, .drop = drop_and_look, .out = tell_out, .userdata = c,
		.step = start_clock, .listen = listen_for_signals, .interrupted = interrupted,
		.journal_dir_fd = c->run_fd, .proc_fd = c->proc_fd,
	};
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
	opts.dry_run = q.dry_run;
	start_clock(LOOK_SEC);
	r = mcr_recharge_run(&opts, &q, &result);
	alarm(0);
	if (r == 0)
		add_u64(result, "repaired", c->repaired + q.repaired);
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
static int repair_after_stop(struct repair *c)
{
	const char *code = getenv("EXIT_CODE"), *status = getenv("EXIT_STATUS"), *result = getenv("SERVICE_RESULT");
	struct mcr_recharge_request q;
	int r;

	if (code && status && strcmp(code, "exited") == 0 && strcmp(status, "0") == 0)
		return EXIT_OK;
	restore_knobs(c);
	r = kept_visit(repair_kept, c);
	if (mcr_recharge_asked(c->dir_fd, c->name, &q) == 0) {
		q.repaired += c->repaired;
		if (c->given_up)
			answer_failure(c, NOT_PUT_RIGHT);
		else if (status && strcmp(status, "ALRM") == 0)
			answer_failure(c, "looking at processes took too long: one of them hangs");
		else if (result && strcmp(result, "success") == 0)	/* stopped: nobody serves it any more */
			answer_failure(c, "it was stopped; what was under way was put right");
		else if (c->repaired)
			mcr_recharge_ask(c->dir_fd, c->name, &q);
		mcr_recharge_request_done(&q);
	}
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

/* What is ours is put right, and let go, before anybody is waited for; then what others have left; then it is our turn. */
static int run(struct repair *c)
{
	auto_(closep) int lock = -EBADF;
	int r = repair_own(c);

	if (r < 0)
		return EXIT_AGAIN;
	if (c->given_up)
		return answer_failure(c, NOT_PUT_RIGHT);
	lock = lock_dir(c->dir_fd);
	if (lock < 0) {
		complain("cannot lock " MCR_RECHARGE_DIR ": %s\n", strerror(-lock));
		return EXIT_FAILED;
	}
	c->briefly = true;
	r = kept_visit(repair_kept, c);
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

/* ---- By a person ---- */

static int put_back(const struct repair *c, const char *journal, const char *path)
{
	auto_(closep) int fd = open(journal, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	int r = fd < 0 ? -errno : mcr_shmobject_open(path, &object, &refusal);

	if (r == 1) {
		complain("%s: %s\n", path, mcr_refusal_sentence(refusal));
		return EXIT_FAILED;
	}
	if (r == 0)
		r = mcr_lost_put_back(c->h, fd, object.fd);
	mcr_shmobject_close(&object);
	if (r < 0)
		complain("cannot put back %s: %s\n", journal, r == -ESTALE ? "it is of another file" :
			 r == -EBADMSG ? "it is no journal, or damaged" : strerror(-r));
	else
		complain(r ? "put back\n" : "there is nothing in it\n");
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	bool only_repair = argc == 3 && strcmp(argv[1], "--repair") == 0;
	const char *why = "";
	bool by_person = argc == 4 && strcmp(argv[1], "--put-back") == 0;
	struct repair c = { .name = argv[argc - 1] };
	int code, failed;

	if (!by_person && ((argc != 2 && !only_repair) || !mcr_recharge_name_ok(c.name))) {
		complain("usage: memcg-recharge [--repair] NAME\n"
			 "       memcg-recharge --put-back JOURNAL FILE\n"
			 "Started by systemd, see memcg-reaper(8).\n");
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
	if (by_person)
		return put_back(&c, argv[2], argv[3]);
	c.dir_fd = open(MCR_RECHARGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.dir_fd < 0) {
		complain("cannot open " MCR_RECHARGE_DIR ": %s\n", strerror(errno));
		return failed;
	}
	c.run_fd = openat(c.dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	code = only_repair ? repair_after_stop(&c) : run(&c);
	close_fd(c.proc_fd);
	close_fd(c.run_fd);
	close(c.dir_fd);
	return code;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper owners --sample: keeps the borrow ledger; memcg-reaper-ledger.service runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"
#include "config.h"
#include "fileio.h"
#include "loansample.h"
#include "loansfile.h"
#include "owners.h"
#include "util.h"

/* Of the time, one part in twenty at most: after a sample that took a second of CPU there is a pause of 19, whatever the interval. */
#define COST_PAUSES 19

struct sampler {
	const struct mcr_hierarchy *h;
	struct mcr_config *config;
	struct mcr_pins_walker *walker;
	struct mcr_loans loans;
	int dir_fd;
};

static uint64_t cpu_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * MCR_USEC_PER_SEC + t.tv_nsec / MCR_NSEC_PER_USEC;
}

static const char *path_of(const struct mcr_owner_look *look, uint64_t owner_id)
{
	for (size_t i = 0; i < look->n; i++)
		if (look->owners[i].id == owner_id)
			return look->owners[i].path;
	return "an owner";
}

/* Each once: what is lost stays so. */
static void tell_lost(const struct mcr_loans *l, const struct mcr_owner_look *look)
{
	for (size_t i = 0; i < l->n_lent; i++) {
		const struct mcr_lent *o = &l->lent[i];

		if (!o->lost_usec || o->lost_usec != l->s.last_usec)
			continue;
		printf("%s pays %s for %s %s, which nobody has and nobody can reach again\n", printable(path_of(look, o->key.owner_id)),
		       human_bytes(o->s.bytes), mcr_pin_kind_name(o->key.kind), o->name ? printable(o->name) : "without a name");
	}
	fflush(stdout);
}

static int sample(struct sampler *s)
{
	auto_(mcr_owner_look_freep) struct mcr_owner_look *look = NULL;
	uint64_t begun = cpu_usec();
	const char *why;
	int r = mcr_owner_look(s->h, s->config, &s->walker, &look, &why);

	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot look at pages: %s%s%s\n", why ? why : "", why ? ": " : "", strerror(-r));
		return r;
	}
	r = mcr_loans_sample(&s->loans, look, mcr_loans_now_usec());
	if (r == 0)
		tell_lost(&s->loans, look);
	s->loans.cost_usec = cpu_usec() - begun;
	if (r == 0)
		r = mcr_loans_write(s->dir_fd, MCR_LOANS_FILE, &s->loans);
	if (r < 0)
		fprintf(stderr, "memcg-reaper: the sample cannot be kept: %s\n", strerror(-r));
	return r;
}

/* ---- Files ---- */

static int open_dir(const char *path)
{
	int fd;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What makes no sense is begun anew. */
static int read_loans(int dir_fd, struct mcr_loans *ret)
{
	auto_(closep) int state_fd = -EBADF;
	int r = mcr_loans_read(dir_fd, MCR_LOANS_FILE, ret);

	if (r != -ENOENT && r != -EBADMSG)
		return r;
	state_fd = open(MCR_LOANS_STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = state_fd < 0 ? -errno : mcr_loans_read(state_fd, MCR_LOANS_FILE, ret);
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

/* Where it cannot be kept on a disk it stays where it is. */
static void move_to_disk(const struct sampler *s)
{
	auto_(closep) int fd = open_dir(MCR_LOANS_STATE_DIR);
	int r = fd < 0 ? fd : mcr_loans_write(fd, MCR_LOANS_FILE, &s->loans);

	if (r == 0)
		unlinkat(s->dir_fd, MCR_LOANS_FILE, 0);
	else
		fprintf(stderr, "memcg-reaper: the ledger cannot be kept in %s: %s\n", MCR_LOANS_STATE_DIR, strerror(-r));
}

/* ---- Again and again ---- */

/* False: it is time to end. */
static bool pause_for(const sigset_t *ends, uint64_t usec)
{
	const struct timespec t = { .tv_sec = usec / MCR_USEC_PER_SEC, .tv_nsec = usec % MCR_USEC_PER_SEC * MCR_NSEC_PER_USEC };
	int sig;

	do
		sig = sigtimedwait(ends, NULL, &t);
	while (sig < 0 && errno == EINTR);
	return sig < 0;
}

/* A sample that failed is told, and the next one may not. */
static int sample_until_told(struct sampler *s, uint64_t interval_usec)
{
	uint64_t pause = 0, told = 0;
	bool first = true;
	sigset_t ends;
	int r;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	do {
		uint64_t begun = cpu_usec();

		r = sample(s);
		if (!first)	/* which loads its programs into the kernel, and counts for nothing */
			pause = (cpu_usec() - begun) * COST_PAUSES;
		first = false;
		if (pause > interval_usec && !told++)
			fprintf(stderr, "memcg-reaper: a sample takes too long for this interval: fewer are taken\n");
	} while (r != -EPERM && pause_for(&ends, pause > interval_usec ? pause : interval_usec));
	move_to_disk(s);
	return r == -EPERM ? r : 0;
}

int owners_sample(const struct mcr_hierarchy *h, uint64_t interval_usec)
{
	struct sampler s = { .h = h, .config = read_config(), .dir_fd = open_dir(MCR_LOANS_DIR) };
	int r = s.dir_fd < 0 ? s.dir_fd : read_loans(s.dir_fd, &s.loans);

	if (r < 0)
		fprintf(stderr, "memcg-reaper: cannot read the ledger: %s\n", strerror(-r));
	else
		r = interval_usec ? sample_until_told(&s, interval_usec) : sample(&s);
	mcr_loans_done(&s.loans);
	mcr_pins_walker_free(s.walker);
	mcr_config_unref(s.config);
	close_fd(s.dir_fd);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

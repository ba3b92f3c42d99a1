/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repair.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "chunklog.h"
#include "fileio.h"
#include "keep.h"
#include "lostlog.h"
#include "owner.h"
#include "rechargeask.h"
#include "rewrite.h"
#include "util.h"

#define PAUSE_USEC 100000
/* For what trying again will not change, though somebody may just be about to. */
#define HOPELESS_NSEC (5 * MCR_NSEC_PER_SEC)
/* For a file system without room, above all.  TimeoutStopSec= of the unit is a minute more: until then systemd has the descriptors. */
#define PATIENCE_NSEC (240 * MCR_NSEC_PER_SEC)

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
static int open_owner(const struct repair *c)
{
	struct mcr_recharge_request q;
	int fd;

	if (mcr_recharge_asked(c->dir_fd, c->name, &q) < 0)
		return -EBADF;
	fd = mcr_owner_open_running(c->h, q.owner);
	mcr_recharge_request_done(&q);
	return fd < 0 ? -EBADF : fd;
}

/* Room can be made, a killed mover ends, memory comes back. */
static bool may_come_right(int r)
{
	return r == -ENOSPC || r == -EBUSY || r == -ENOMEM || r == -EAGAIN || r == -EINTR;
}

static const char *why(int r)
{
	switch (r) {
	case -EBADF:
		return "its object is not among what systemd has kept";
	case -ESTALE:
		return "what systemd has kept is another object";
	case -ENOSPC:
		return "its file system is full";
	case -EBADMSG:
		return "its journal is damaged";
	case -EBUSY:
		return "the process that wrote it does not end";
	default:
		return strerror(-r);
	}
}

/* ---- Letting go ---- */

static int save(const struct repair *c, int fd, char **ret)
{
	int r = mcr_lost_save(fd, MCR_LOST_DIR, c->name, ret);

	if (r < 0 && r != -EDQUOT)
		r = mcr_lost_save(fd, MCR_LOST_DIR_VOLATILE, c->name, ret);
	if (r < 0)
		complain("<2>cannot save what cannot be put right, and so nobody is thawed: %s\n",
			 r == -EDQUOT ? MCR_LOST_DIR " has too many of them" : strerror(-r));
	return r;
}

static void note(const struct repair *c, const struct kept *k, const struct mcr_chunklog *log, const char *file, const char *reason)
{
	struct mcr_lost l = { .file = (char *)file, .why = (char *)reason };
	struct mcr_recharge_request q = { .path = NULL };
	struct mcr_chunk chunk;
	dev_t dev;

	mcr_recharge_asked(c->dir_fd, c->name, &q);
	l.path = q.path;
	if (log && mcr_chunklog_chunk(log, &chunk) == 1)
		l.bytes = mcr_chunk_bytes(&chunk);
	if (log && kept_object(k, &dev, &l.ino))
		l.dev = dev;
	complain("<2>cannot put right what was interrupted (%s): %s. %llu bytes of inode %llu on device %u:%u are not in it. They are kept in "
		 "%s: memcg-recharge --put-back %s FILE writes them there. Who uses it is thawed.\n", q.path ? q.path : "?", reason,
		 (unsigned long long)l.bytes, (unsigned long long)l.ino, major(l.dev), minor(l.dev), file, file);
	if (mcr_lost_note(c->dir_fd, &l) < 0)
		complain("<3>cannot note that for the daemon\n");
	mcr_recharge_request_done(&q);
}

/* log NULL: it is not even a journal, and says nothing of who is frozen. */
static int give_up(struct repair *c, const struct kept *k, struct mcr_chunklog *log, int object_fd, int r)
{
	auto_(freep) char *file = NULL;
	int e = save(c, k->journal, &file);

	if (e < 0)
		return r;
	note(c, k, log, file, why(r));
	c->given_up++;
	return log ? mcr_chunklog_give_up(log, c->h, object_fd) : 0;
}

/* ---- Putting right ---- */

/* 0 or 1, or the last errno when there is no hope, or no time, any more. */
static int try_for_long(const struct repair *c, struct mcr_chunklog *log, int owner_fd, int object_fd)
{
	uint64_t begun = mcr_now_ns(), waited;
	bool told = false;
	int r;

	while ((r = mcr_rewrite_repair(c->h, owner_fd, log, object_fd)) < 0 && r != -EBADMSG) {
		waited = mcr_now_ns() - begun;
		if (waited >= (may_come_right(r) && !c->briefly ? PATIENCE_NSEC : HOPELESS_NSEC))
			break;
		if (!told && r != -EBUSY && waited >= HOPELESS_NSEC / 2)	/* a busy one is somebody's at work, mostly */
			complain("<4>cannot put right what was interrupted yet, its users are frozen: %s; trying again\n", why(r));
		told |= waited >= HOPELESS_NSEC / 2;
		usleep(PAUSE_USEC);
	}
	return r;
}

int repair_kept(const struct kept *k, void *userdata)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	auto_(closep) int owner_fd = -EBADF;
	struct repair *c = userdata;
	int r = mcr_chunklog_open(k->journal, &log), object_fd;

	if (r == -EBADMSG)
		return give_up(c, k, NULL, -EBADF, r);
	if (r < 0 || !mcr_chunklog_dirty(log))
		return r;
	owner_fd = open_owner(c);
	object_fd = find_object(k);
	r = try_for_long(c, log, owner_fd, object_fd);
	if (r >= 0) {
		c->repaired++;
		complain("put right what was interrupted, and thawed whom it concerned\n");
		return 0;
	}
	/* One that is busy may be in use by who lives; one that hangs in the kernel could write after all were thawed. */
	if (r == -EBUSY || c->briefly) {
		complain("<3>cannot put right what was interrupted: %s\n", why(r));
		return r;
	}
	return give_up(c, k, log, object_fd, r);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that outlive us, in the service manager's store: it gives them to the next one of us when we are killed, and has
 * them until ExecStopPost= is done when there is no next one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEP_JOURNAL "journal"

/* Gives the manager a copy, and waits until it has it. 0; -ENOTCONN: there is no manager; -ETIMEDOUT; or errno. */
int keep_fd(int fd, const char *name, void *userdata);

/* Has the manager close its copies with this name. */
void drop_fd(const char *name, void *userdata);

/* What the manager has kept for us and gave back. */
struct kept {
	int journal;
	int others[16];		/* objects and guards */
	unsigned int n;
};
#define KEPT_INIT { .journal = -EBADF }

/* Device and inode of the object the journal is about, if it is about one. */
bool kept_object(const struct kept *k, dev_t *ret_dev, uint64_t *ret_ino);

/* Takes what we were started with. 0 or errno. */
int kept_take(struct kept *ret);

/*
 * Takes copies of what the manager keeps, whoever it was given back to: all journals of rewrites it has, one after the other, each with
 * its object.  Calls visit for each, also after one has failed. For ExecStopPost=, which is given nothing, and to put right what
 * others left. 0, the first failure of visit, or errno: systemd's descriptors cannot be copied.
 */
int kept_visit(int (*visit)(const struct kept *kept, void *userdata), void *userdata);

void kept_close(struct kept *k);

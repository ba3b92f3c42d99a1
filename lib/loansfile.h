/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The borrow ledger as a file of root's: in MCR_LOANS_DIR while samples are taken, in MCR_LOANS_STATE_DIR afterwards.  What is left in /run
 * would be charged to the cgroup of who wrote it, and keep that as a zombie; page cache of a disk can be drained.  Its times
 * are those of CLOCK_BOOTTIME: it is good for one boot.
 */
#pragma once

#define MCR_LOANS_DIR "/run/memcg-reaper"
#define MCR_LOANS_STATE_DIR "/var/lib/memcg-reaper"
#define MCR_LOANS_FILE "ledger.json"

struct mcr_loans;

/*
 * 0 and *ret (mcr_loans_done()); -ENOENT: no sample was taken; -EBADMSG: it makes no sense, or is of another version or boot; -ENOMEM; or errno
 * of reading.
 */
int mcr_loans_read(int dir_fd, const char *name, struct mcr_loans *ret);

/* Replaces it as a whole. 0; -ENOMEM; or errno of writing, and then the old one is still there. */
int mcr_loans_write(int dir_fd, const char *name, const struct mcr_loans *l);

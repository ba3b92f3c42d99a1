/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of a journal of a rewrite that cannot be put back: a copy for a person, on disk, and a note for the daemon.
 *
 *	DIR/NAME-TIME.journal	the copy; mcr_lost_put_back() writes it to its object
 *	NAME-TIME.lost		in the directory of requests: what it is about, as JSON
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_hierarchy;

#define MCR_LOST_DIR "/var/lib/memcg-reaper"
/* Where /var cannot be written to: gone with the next boot, and so is the memory it is about. */
#define MCR_LOST_DIR_VOLATILE "/run/memcg-reaper/lost"

/* Copies in a directory: beyond that nobody is let go, and nothing is lost. */
#define MCR_LOST_MAX 64

struct mcr_lost {
	char *file;		/* of the copy */
	char *path;		/* of the cgroup or file it was about, or NULL */
	char *why;
	uint64_t bytes;		/* that are missing in the object */
	uint64_t dev, ino;	/* of the object; 0: not known */
};

void mcr_lost_done(struct mcr_lost *l);

/*
 * Copies the journal behind fd, and makes sure it is on disk; dir is made if need be. What is noted as frozen is not, in the copy.
 * 0 and *ret, its path, allocated; -EDQUOT: there are MCR_LOST_MAX; or errno.
 */
int mcr_lost_save(int fd, const char *dir, const char *name, char **ret);

/* Notes it in the directory of requests. 0 or errno. */
int mcr_lost_note(int dir_fd, const struct mcr_lost *l);

/* Is this the name of a note? */
bool mcr_lost_is_note(const char *name);

/* Reads the note with this file name, ending in ".lost". 0 and *ret (mcr_lost_done()); -EBADMSG; or errno. */
int mcr_lost_read(int dir_fd, const char *note, struct mcr_lost *ret);

/*
 * Writes what a copy has to its object, open for reading and writing; nobody should use that meanwhile. 1; 0: there is nothing in it;
 * -ESTALE: it is another object; -EBADMSG: the copy cannot be trusted, or is none; or as mcr_chunklog_repair().
 */
int mcr_lost_put_back(const struct mcr_hierarchy *h, int journal_fd, int object_fd);

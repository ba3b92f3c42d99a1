/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Knobs of live cgroups that are changed for a moment and must be put back exactly, whatever
 * happens to the process that changed them.
 *
 * All old values are in a journal file, complete and renamed into place, before the first knob is
 * touched.  Whoever comes next (the same process, the daemon after a restart, the unit's
 * ExecStopPost=) puts them back from the file.  A knob that no longer has the value we gave it was
 * set by somebody else meanwhile: it is left alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct mcr_hierarchy;
struct mcr_restore;

/*
 * An empty journal NAME in directory dir_fd, with its lock (NAME.lock) taken: one user at a time, and
 * a journal that somebody left is put back by its next user before anything else.  The lock lasts
 * until mcr_restore_free(), or the end of the process.
 * 0; -EBUSY: in use, or another's journal is still there; -ENOSPC and others of making the lock.
 */
int mcr_restore_new(const struct mcr_hierarchy *h, int dir_fd, const char *name, struct mcr_restore **ret);

/*
 * The journal that somebody left, with its lock taken: 1 and *ret, 0 when there is none, -EBUSY when
 * it is in use, -EBADMSG when it makes no sense (it stays), or another errno.
 */
int mcr_restore_load(const struct mcr_hierarchy *h, int dir_fd, const char *name, struct mcr_restore **ret);

/* Forgets the journal in memory and lets go of the lock; the file, if any, stays. */
struct mcr_restore *mcr_restore_free(struct mcr_restore *r);
static inline void mcr_restore_freep(struct mcr_restore **r)
{
	*r = mcr_restore_free(*r);
}

/* A cgroup id that is kept in the journal for whoever puts it back. 0 at first. */
void mcr_restore_set_subject(struct mcr_restore *r, uint64_t id);
uint64_t mcr_restore_subject(const struct mcr_restore *r);

/*
 * Notes that the knob of this open cgroup is to have this value for a while; reads what it has.
 * A knob that has the value already is not noted. 0 or errno (-ENODEV: the cgroup was removed).
 */
int mcr_restore_add(struct mcr_restore *r, int cgroup_fd, const char *knob, const char *value);

/* Number of knobs noted. */
size_t mcr_restore_count(const struct mcr_restore *r);

/*
 * Writes the journal, then sets every knob. 0; or errno when the journal could not be written
 * (nothing was touched then), or when a knob could not be set (call mcr_restore_undo()).
 */
int mcr_restore_apply(struct mcr_restore *r);

/* Puts back the knobs of this name alone; the journal stays. 0 or the first errno. */
int mcr_restore_undo_knob(struct mcr_restore *r, const char *knob);

/*
 * Puts every knob back and removes the journal file. Cgroups that are gone are passed over.
 * 0, or the first errno, and then the file stays for another try.
 */
int mcr_restore_undo(struct mcr_restore *r);

/* mcr_restore_load() and mcr_restore_undo(): 1 when there was one, 0 when not, or errno. */
int mcr_restore_recover(const struct mcr_hierarchy *h, int dir_fd, const char *name);

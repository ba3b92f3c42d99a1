/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps everybody out of an object while a part of it is being moved: open() of it waits, by whatever name.
 *
 * A fanotify group with a permission mark on the inode.  It works on memfds and SysV segments as well (by /proc).  Not held off:
 * truncate() by name, shmat(), and a descriptor that is handed over.  One that waits is killed like any other, but it
 * cannot be frozen: so users are frozen first.  As long as a copy of the group's descriptor is open anywhere, they wait on, also
 * when we are dead; when the last one is closed the kernel lets all of them go.
 */
#pragma once

#include <stddef.h>

#define MCR_GUARD_WAITING 256	/* that are counted; more wait as well */

/* What one process knows of a group. */
struct mcr_guard {
	int fd;				/* the group; not closed with it */
	int waiting[MCR_GUARD_WAITING];	/* a descriptor for each who waits */
	size_t n;
};
#define MCR_GUARD_INIT(group) { .fd = (group) }

/* The group's descriptor, which the caller closes; -EPERM without CAP_SYS_ADMIN, or errno. */
int mcr_guard_new(void);

/* From here on opening it waits. 0 or errno. */
int mcr_guard_raise(struct mcr_guard *g, int object_fd);

/* How many are waiting by now (at least: no more than MCR_GUARD_WAITING are counted). */
size_t mcr_guard_waiting(struct mcr_guard *g);

/* Lets all go on, and all who come. Expected to work; what could fail is the end of the group. 0 or errno. */
int mcr_guard_lower(struct mcr_guard *g, int object_fd);

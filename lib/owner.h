/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owners: cgroups that live on and pay for memory that outlives others.
 *
 * An owner group is a slice unit without anything in it, inside of the slice it pays for: what is recharged to it still counts
 * in that slice and under its limits.  A slice, because its cgroup stays when it is empty, through daemon-reload, daemon-reexec
 * and whatever becomes of us, and because `systemctl set-property` limits it; the cgroup of a service goes with its last
 * process.  It is known by its name alone, so nothing has to be remembered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_hierarchy;
struct mcr_policy;

/* The last part of the name of every owner group. */
#define MCR_OWNER_NAME "memcgowner.slice"

/* Is the cgroup at this path (or of this name) an owner group of ours? */
bool mcr_owner_is(const char *path);

/*
 * The owner group of a slice: of "a.slice/a-b.slice" it is "a.slice/a-b.slice/a-b-memcgowner.slice". Allocated.
 * -EINVAL: that is no slice of systemd's; -ENAMETOOLONG: its name would be none; -ENOMEM.
 */
int mcr_owner_of_slice(const char *slice, char **ret);

/*
 * The owner by policy of what a cgroup in this slice leaves: Owner= if it names a cgroup, else the owner group of the slice.
 * (Owner=user is found per object, and this is what stands in where it cannot be.) As mcr_owner_of_slice().
 */
int mcr_owner_by_policy(const struct mcr_policy *p, const char *slice, char **ret);

/*
 * May what this cgroup (alive or dead) leaves be charged to the owner without escaping a limit?  0; -EXDEV: a live cgroup it was in,
 * and the owner is not, has memory.max, memory.high or memory.swap.max; -ENOMEM.
 */
int mcr_owner_within_limits(const struct mcr_hierarchy *h, const char *owner, const char *path);

/*
 * Bytes that can be charged to the owner before it, or a cgroup above it in which the other cgroup (alive or dead) is
 * not, reaches memory.max or memory.high; UINT64_MAX: no limit. 0 or errno.
 */
int mcr_owner_room(const struct mcr_hierarchy *h, const char *owner, const char *path, uint64_t *ret);

/* The outermost slice on the way to this cgroup, which lives longest; allocated. NULL: there is none, or no memory. */
char *mcr_owner_top_slice(const char *path);

/* Does the policy want the user that maps most to pay? */
bool mcr_owner_is_user(const struct mcr_policy *p);

/*
 * Opens an owner's cgroup; a slice that does not exist is started, through systemd on the system bus, which takes up to five
 * seconds. A descriptor the caller closes, or -ENOENT: there is no such cgroup, and it is no slice; -EBUSY: other cgroups are in it,
 * and the kernel lets no process join it; -ENODEV: it has no memory controller; -EHOSTDOWN: systemd cannot be asked;
 * -ETIMEDOUT; or another errno.
 */
int mcr_owner_open(const struct mcr_hierarchy *h, const char *path);

/* The same without starting anything. */
int mcr_owner_open_running(const struct mcr_hierarchy *h, const char *path);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Has CPUs give back the entries of swap that were freed on them.  Each keeps up to 64 to itself, and an entry that
 * is kept is charged to its old cgroup, which it holds as a zombie.  They go when more are freed there: so that many
 * pages of our own are pushed out and brought back, on each CPU in turn.
 */
#pragma once

struct mcr_hierarchy;

/*
 * On this CPU; -1: on all the caller may run on, one after the other.  What we leave there ourselves is the root
 * cgroup's, for which it makes no difference; fallback_fd is the cgroup to be in where no process may join that one.
 * The number of CPUs where it was done; whether that helped, the pins of the cgroup say (without room in swap it does
 * not). -ETIMEDOUT, or errno.
 */
int mcr_swap_flush(const struct mcr_hierarchy *h, int fallback_fd, int cpu);

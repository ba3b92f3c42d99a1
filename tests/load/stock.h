/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A CPU keeps up to 63 pages charged in advance, for one cgroup at a time, and pages on their way to the LRU lists.
 * Who compares counters with pages has both given back first.
 */
#pragma once

/*
 * Charges a page on each CPU for a cgroup of its own below root: what CPUs had in advance for others is given back.
 * The cgroup is made and removed.  0 or an errno.
 */
int mcr_stock_drain(const char *root);

/* Has every CPU put on their lists the pages it keeps back.  0 or an errno. */
int mcr_lists_drain(void);

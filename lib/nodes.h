/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How large this machine can get: what per-node and per-CPU arrays of the kernel are sized by. */
#pragma once

/*
 * Highest possible NUMA node and CPU, plus one, from /sys/devices/system/{node,cpu}/possible.
 * 1 where the file is missing or makes no sense.
 */
unsigned int mcr_numa_nodes(void);
unsigned int mcr_possible_cpus(void);

/* Highest number in a kernel list like "0-3,8", plus one; 0 if it is none. */
unsigned int mcr_list_end(const char *list);

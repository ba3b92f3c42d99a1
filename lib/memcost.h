/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one zombie costs the kernel besides the pages it holds: an estimate from the sizes of the
 * structures in this kernel's BTF, the NUMA nodes and the possible CPUs.
 *
 * A lower bound: mem_cgroup and its per-node and per-CPU parts, the cgroup and its per-CPU part.
 * Slab rounding, other controllers' state and the kernfs nodes come on top.
 */
#pragma once

#include <stdint.h>

/* Bytes per zombie. 0; -ENOENT without BTF; -ESRCH when it lacks the structures. */
int mcr_memcost_estimate(uint64_t *ret_bytes);

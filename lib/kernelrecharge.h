/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's own recharging, where it has it: /sys/kernel/mm/memcg_recharge of the patches in kernel/.  It is there on
 * a kernel with these patches, and off until an administrator switches it on, which is never done here.
 *
 * dir is that directory everywhere; NULL: where it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

#define MCR_KERNELRECHARGE_DIR "/sys/kernel/mm/memcg_recharge"

/* In pages, since boot. */
struct mcr_kernelrecharge_counters {
	uint64_t moved, moved_swap;	/* by requests: on lists, and entries in swap */
	uint64_t moved_mapped, moved_on_access, evicted;	/* by modes */
	uint64_t failed_busy, failed_limit, failed_pinned;
};

struct mcr_kernelrecharge {
	bool enabled;			/* the master switch, without which modes mean nothing */
	bool mapped, on_access, evict;	/* what it does by itself */
	struct mcr_kernelrecharge_counters counters;
};

/* 0 and *ret; -ENOENT: this kernel has none; -EINVAL: what a file says is no number; or errno. */
int mcr_kernelrecharge_read(const char *dir, struct mcr_kernelrecharge *ret);

/* Is it there, and on? */
bool mcr_kernelrecharge_is_on(const char *dir);

/*
 * Asks the kernel to move what the cgroup with the id source is charged, dead or alive, to the live one with the id
 * target, but no more than bytes (0: all of it); blocks until that is done.  0: nothing is left that was found, or
 * bytes were moved; or what the kernel answered, in whose documentation each errno has a meaning of its own. What was
 * moved by then stays moved. -ENOSYS: this kernel has none.
 */
int mcr_kernelrecharge_request(const char *dir, uint64_t source, uint64_t target, uint64_t bytes);

/* "off", "on; modes: none", "on; modes: mapped, evict"; in buf. */
const char *mcr_kernelrecharge_text(const struct mcr_kernelrecharge *k, char *buf, size_t size);

/* As "kernel_recharge" of the status file, with present; k NULL: it is not there. The caller puts it back. */
struct json_object *mcr_kernelrecharge_json(const struct mcr_kernelrecharge *k);

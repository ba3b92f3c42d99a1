/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files of /proc, /sys and /run: read whole, parsed strictly, written in one call.
 * All take a directory fd and a name, so that a cgroup that is replaced by another of the same
 * name is never mixed up with it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the whole file into buf, NUL-terminated, without the last newline.
 * Returns its length, -E2BIG if it does not fit (nothing is promised about buf then), or
 * the errno of open or read; -ENODEV from read means that the cgroup was removed meanwhile.
 */
int mcr_read_at(int dir_fd, const char *name, char *buf, size_t size);

/* The same for a file of any size; *ret is allocated, the caller frees it. -ENOMEM besides. */
int mcr_read_all_at(int dir_fd, const char *name, char **ret);

/* Writes text in one write(2), as kernel files want it. 0, or the errno of open or write. */
int mcr_write_at(int dir_fd, const char *name, const char *text);

/*
 * Replaces a file by another with this content, so that a reader sees the old or the new one
 * and never a part; mode as for open(2). 0, or the errno of the step that failed, and then
 * the old file is still there.
 */
int mcr_replace_at(int dir_fd, const char *name, const char *data, size_t len, unsigned int mode);

/* Parses a whole string as an unsigned decimal number; "max" is UINT64_MAX. 0, -EINVAL or -ERANGE. */
int mcr_parse_u64(const char *text, uint64_t *ret);

/* mcr_read_at() and mcr_parse_u64() in one. */
int mcr_read_u64_at(int dir_fd, const char *name, uint64_t *ret);

/*
 * Looks up "key value" in a flat keyed file's text (memory.stat, cgroup.events, meminfo with its
 * colon).  0, -ENOENT if there is no such key, -EINVAL if its value is no number.
 */
int mcr_keyed_u64(const char *text, const char *key, uint64_t *ret);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds. */
uint64_t mcr_now_ns(void);
uint64_t mcr_realtime_ns(void);

/*
 * Which file is it?  Asks nobody for it but the kernel: a server that has gone keeps nobody waiting. 0 or errno.
 */
int mcr_identify_at(int dir_fd, const char *name, dev_t *ret_dev, uint64_t *ret_ino);

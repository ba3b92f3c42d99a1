/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who uses what pins a memcg: processes that map a file or have it open, and where they live.
 *
 * Found by device and inode number in /proc, one pass for all pins.  A file that was opened through overlayfs has
 * another device number than its pages, and so has one of btrfs unless mcr_pins_view() could ask it; there only mappings
 * are found.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mcr_pins;
struct mcr_range;

struct mcr_user {
	size_t pin;			/* index into the pins asked about */
	pid_t pid;
	char comm[16];
	char *cgroup;			/* its path in the caller's view; NULL: it was gone by then */
	uint64_t mapped_bytes;		/* of the pinned ranges, that its address space covers; of private memory all; 0: of what is in swap */
	unsigned int fds;		/* that refer to the file */
};

struct mcr_users {
	struct mcr_user *users;		/* by pin, then by pid */
	size_t n;
	bool complete;			/* false: some processes could not be looked into */
};

struct mcr_users *mcr_users_free(struct mcr_users *u);
static inline void mcr_users_freep(struct mcr_users **u)
{
	*u = mcr_users_free(*u);
}

/*
 * Looks at every process below proc ("/proc").  0 and *ret (free with mcr_users_free()); -ENOMEM, or errno of opening
 * proc. Processes that end meanwhile are passed over.
 */
int mcr_users_find(const char *proc, const struct mcr_pins *pins, struct mcr_users **ret);

/* A line of /proc/PID/maps. */
struct mcr_mapping {
	uint64_t offset, len;		/* of the file, bytes */
	dev_t dev;
	uint64_t ino;			/* 0: none */
};
/* 0 or -EINVAL. */
int mcr_mapping_parse(const char *line, struct mcr_mapping *ret);

/* How much of [offset, offset + len) lies in the ranges, which are ascending. */
uint64_t mcr_ranges_within(const struct mcr_range *ranges, size_t n, uint64_t offset, uint64_t len);

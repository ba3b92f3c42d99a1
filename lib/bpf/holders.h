/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the holders programs and user space tell each other. Fixed-width types, explicit padding.
 */
#pragma once

#include <linux/types.h>

#define HOLDERS_PAGES 1024	/* asked about in one run */
#define HOLDERS_NAMES 64	/* of one inode, that are looked at */

/* One reference of a process to the object, through the iterators. */
struct holders_record {
	__u64 file;		/* struct file */
	__u64 cgroup_id;
	__u32 tgid;
	__u32 maps;		/* 1: mapped, 0: open */
};
_Static_assert(sizeof(struct holders_record) == 24, "record layout is shared with user space");

struct holders_state {
	__u32 fd;		/* in: of the calling process */
	__u32 n_pages;		/* in */
	__u64 inode;		/* out: the object */
	__u64 file;		/* out: our own open file */
	__u32 name_refs;	/* out: references to its names */
	__u32 n_held;		/* out: pages with more references than are accounted for */
	__u32 n_unread;		/* out: pages that could not be judged (huge ones) */
	__u32 generation;	/* out: of the inode */
};
_Static_assert(sizeof(struct holders_state) == 40, "record layout is shared with user space");

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Record of one memcg as the census program hands it to user space.
 * Read by both sides of the ring buffer: fixed-width types, explicit padding.
 */
#pragma once

#include <linux/types.h>

#define CENSUS_LRUS 5		/* inactive_anon, active_anon, inactive_file, active_file, unevictable */
#define CENSUS_NAME_MAX 256	/* NAME_MAX and its NUL */

enum census_flags {
	CENSUS_DYING = 1 << 0,	/* removed, still referenced */
	CENSUS_INNER = 1 << 1,	/* has children, dying ones included */
};

struct census_record {
	__u64 id;			/* kernfs id: inode number of the directory */
	__u64 parent_id;		/* 0: the root */
	__s64 refs;			/* css references left; only for dying ones */
	__u64 usage_pages;
	__u64 swap_pages;
	__u64 lru_pages[CENSUS_LRUS];
	__u32 level;
	__u32 flags;
	__u32 name_len;			/* with the NUL */
	__u32 pad;
	char name[CENSUS_NAME_MAX];	/* only name_len bytes are sent */
};

#define CENSUS_HEAD_BYTES 96
_Static_assert(__builtin_offsetof(struct census_record, name) == CENSUS_HEAD_BYTES,
	       "record layout is shared with user space");

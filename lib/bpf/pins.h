/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pins programs hand to user space: through the mapped data section, in portions, so that
 * no run of a program is long.  Fixed-width types, explicit padding.
 */
#pragma once

#include <linux/types.h>

#define PINS_RUNS 8192		/* page runs of one portion */
#define PINS_STEPS 8192		/* pages of one portion */
#define PINS_ASKS 512		/* mappings of one portion */
#define PINS_REFS 256		/* other references told one by one; all are counted */
#define PINS_NAMES_BYTES (256 * 1024)
#define PINS_PATH_MAX 4096
#define PINS_WANTED 4096	/* memcgs looked for at once while scanning */
#define PINS_BATCH 64		/* struct pages looked at in one copy while scanning */

enum pins_page_flags {
	PINS_SWAPCACHE = 1 << 0,
	PINS_SWAPBACKED = 1 << 1,
	PINS_MLOCKED = 1 << 2,
	PINS_UNEVICTABLE = 1 << 3,
	PINS_WRITEBACK = 1 << 4,
	PINS_LARGE = 1 << 5,
	PINS_SWAPPED = 1 << 6,		/* in swap: pages are entries, and hold no reference of their own */
	PINS_RESTARTED = 1 << 31,	/* no pages: forget the runs of this list */
};

/* Neighbouring pages of one mapping, met one after the other. */
struct pins_run {
	__u64 mapping;		/* struct address_space, or anon_vma, with the kernel's two low bits */
	__u64 index;		/* page offset of the first one */
	__u64 folio;		/* one of them, to see later whether it is still there; 0: in swap */
	__u32 pages;
	__u32 folios;		/* each holds one reference */
	__u32 dirty;		/* pages */
	__u32 mapped;		/* pages */
	__u32 flags;		/* enum pins_page_flags, of any of them */
	__u32 list;		/* which list they were found in, counting each beginning */
};
_Static_assert(sizeof(struct pins_run) == 48, "record layout is shared with user space");

struct pins_ask {
	__u64 mapping;
	__u64 folio;
	__u64 index;
};

enum pins_answer_flags {
	PINS_STALE = 1 << 0,	/* the page left meanwhile: nothing here is to be believed */
	PINS_NAMELESS = 1 << 1,	/* no name of the inode is in the kernel's memory */
	PINS_PSEUDO = 1 << 2,	/* a name outside of any tree: memfd, SysV, shared anonymous memory */
	PINS_CUT = 1 << 3,	/* of PINS_PATH_MAX or more: the part next to the file */
	PINS_ANON = 1 << 4,	/* no file: pid and comm of a process that may map it */
	PINS_KSM = 1 << 5,
};

struct pins_answer {
	__u64 ino;
	__s64 size;
	__u64 magic;
	__u32 dev;		/* as the kernel has it: 12 bits major, 20 bits minor */
	__u32 rdev;
	__u32 nlink;
	__u32 mode;
	__u32 flags;		/* enum pins_answer_flags */
	__u32 pid;
	__u32 name;		/* offset in names: components from the last to the first, each with its NUL */
	__u32 name_len;
	__u64 inode;		/* struct inode */
	__u32 generation;
	__u32 pad;
	char comm[16];
	char fstype[16];
	char sb_id[32];
};
_Static_assert(sizeof(struct pins_answer) == 136, "record layout is shared with user space");

enum pins_ref_kind {
	PINS_REF_CHILD,		/* id, name, count: 1 if dying */
	PINS_REF_WRITEBACK,	/* name: the backing device */
	PINS_REF_CSET,		/* pid and comm of a process that ended and was not waited for; count: live ones */
	PINS_REF_MM,		/* pid and comm of the owner of an address space */
	PINS_REF_STOCK,		/* count: the CPU */
	PINS_REF_SOCKET,	/* pid and comm of a process that has it open, addresses; name: of a local socket */
	PINS_REF_INOTIFY,	/* pid and comm */
	PINS_REF_FANOTIFY,
	PINS_REF_KINDS,
};

/* Where a socket, or what watches files, was found: the count of PINS_REF_SOCKET, INOTIFY, FANOTIFY. */
enum pins_sock_how {
	PINS_SOCK_OPEN,
	PINS_SOCK_EMBRYO,	/* a connection that was not accepted; pid: who listens */
	PINS_SOCK_IN_FLIGHT,	/* in a message that was not received */
	PINS_SOCK_CLOSED,	/* but what was sent by it has not been received */
	PINS_SOCK_NOT_OPEN,	/* no process was found that has it */
};

struct pins_ref {
	__u32 kind;
	__u32 pid;
	__u64 id;
	__u64 count;
	char comm[16];
	char name[108];
	__u16 family;
	__u16 protocol;
	__u16 local_port;	/* host byte order */
	__u16 remote_port;
	__u8 local[16];
	__u8 remote[16];
	__u32 name_len;
};
_Static_assert(sizeof(struct pins_ref) == 192, "record layout is shared with user space");

/* About the memcg itself, and how the walk went. */
struct pins_state {
	__u64 want_id;		/* in */
	__u64 walk;		/* in: another number for each */
	__u64 found;		/* the memcg's address */
	__s64 refs;
	__s64 refs_after;
	__u64 usage_pages;
	__u64 swap_pages;
	__u64 unevictable_pages;
	__u64 swap_freed;	/* entries that a CPU has not given back yet */
	__u64 id_refs;		/* of the memcg's id: one while online, one for each swap entry */
	__u64 pages_seen;
	__u64 next_folio;	/* of a scan */
	__u64 end_folio;
	__u32 css_flags;
	__u32 n_runs;
	__u32 n_asks;
	__u32 names_used;
	__u32 n_refs;
	__u32 refs_by_kind[16];	/* by enum pins_ref_kind */
	__u32 done;		/* nothing is left for a further portion */
	__u32 unfinished;
	__u32 restarts;
	__u32 level;
	__u32 short_id;		/* by which swap entries name the memcg */
};

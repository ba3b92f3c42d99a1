/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves the charge of one object of shared memory to an owner, on a stock kernel: part by part, its content is saved,
 * punched out, and written back by a process in the owner's cgroup, to which the kernel then charges the new pages.
 *
 *	under lease	nobody has it open: a write lease keeps others waiting in open()
 *	while frozen	its users' cgroups are frozen for each part, for no longer than max_pause_usec; others wait in open()
 *			(fanotify)
 *
 * Kept: content, holes, size, inode, links, mode, owner, ACLs, extended attributes, seals, mtime and atime.  ctime
 * cannot be: it becomes now.  Blocks that were reserved by fallocate() and never written to keep their charge.
 *
 * Needs CAP_SYS_ADMIN (fanotify, frame numbers, the size of a tmpfs), CAP_SYS_PTRACE (/proc of others), CAP_LEASE, CAP_FOWNER,
 * CAP_DAC_OVERRIDE; CAP_FSETID and CAP_SETFCAP to keep what these guard; CAP_IPC_OWNER for segments.
 *
 * What can come between: somebody who attaches a SysV segment anew, cuts a file off by its name, receives a descriptor that was
 * under way in a socket, or looks into a frozen process (ptrace, /proc/PID/mem) is not held off, and may see zeros
 * where a part is just being moved.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "refusal.h"

struct mcr_chunklog;
struct mcr_hierarchy;
struct mcr_holderwalk;
struct mcr_shmobject;

enum mcr_rewrite_strategy {
	MCR_REWRITE_NONE,
	MCR_REWRITE_LEASE,
	MCR_REWRITE_FROZEN,
	/* Not of mcr_rewrite(), but of rechargeswap.h. */
	MCR_REWRITE_SWAP,		/* out, removal of the cgroup, back in */
	MCR_REWRITE_SWAP_IN,		/* back in: it was in swap already, and its cgroup removed */
	/* Nor of these, but of rechargekernel.h. */
	MCR_REWRITE_KERNEL,
};

/* A static word for it: "lease". */
const char *mcr_rewrite_strategy_name(enum mcr_rewrite_strategy strategy);

struct mcr_rewrite_opts {
	size_t sz;			/* sizeof() as the caller was compiled; fields are only ever appended */
	const struct mcr_hierarchy *h;
	int owner_fd;			/* directory of the owner's cgroup; it must take processes */
	const char *own_path;		/* a cgroup that must not be frozen: the daemon's; NULL: that of the caller */
	uint64_t max_pause_usec;	/* 0: 50 ms */
	uint64_t stall_usec;		/* without progress for so long, the mover is killed; 0: 3 s and 16 pauses */
	size_t chunk_min, chunk_max;	/* 0: 64 KiB, and what the journal holds */
	struct mcr_holderwalk *walk;	/* NULL: users are looked for in /proc alone, which is slower and sees less */
	bool dry_run;			/* only say what would be done; leaves no trace */
	uint64_t from;			/* offset to begin at */
	/*
	 * Called before the first change with each descriptor that must outlive the caller, besides the journal's, and with its
	 * name afterwards: "object" (which also holds the lease) and "guard" (the fanotify group, until whose
	 * end openers wait).  Both may be NULL.  keep returns 0, or an errno that ends the matter.
	 */
	int (*keep)(int fd, const char *name, void *userdata);
	void (*drop)(const char *name, void *userdata);
	void *userdata;
};

struct mcr_rewrite_result {
	enum mcr_rewrite_strategy strategy;	/* the last one tried */
	enum mcr_refusal refusal;
	pid_t refused_pid;		/* the user it is about; 0: none */
	uint64_t data_bytes;		/* of the object, that are not holes */
	uint64_t moved_bytes;
	uint64_t next;			/* offset up to which all is moved */
	uint64_t chunks, chunks_over;	/* parts, and those whose pause was longer than it may be */
	uint64_t longest_pause_usec, pause_usec;	/* the longest, and all together */
	uint64_t longest_freeze_usec;	/* of a pause, until all was frozen and looked at */
	uint64_t chunk_bytes;		/* the size it came to */
	uint64_t retries;		/* a user had come in between: thawed and begun anew */
	uint64_t disturbed;		/* parts that did not read back as written, or whose users were thawed by others */
	uint64_t fs_grown_bytes;	/* its file system was made larger by so much, and is still */
	size_t users, cgroups;		/* of the last look */
};

/*
 * Moves all of it. Blocks for as long as it takes: call it in a worker. The journal must be clean (mcr_rewrite_repair()),
 * and the caller must not be in a cgroup with users of the object.
 * 0: all is at the owner; 1: not all, ret->refusal says why; -ECANCELED: the mover died or hung, everything was put back;
 * -EUCLEAN: as that, but something could not be put back: what was kept is not dropped, repair again; or errno. *ret is always set.
 */
int mcr_rewrite(const struct mcr_rewrite_opts *opts, struct mcr_chunklog *log, const struct mcr_shmobject *object,
		struct mcr_rewrite_result *ret);

/*
 * mcr_chunklog_repair() from within the owner, so that what is put back is charged there; and from where we are if that does not
 * work (the owner is gone, or frozen).
 */
int mcr_rewrite_repair(const struct mcr_hierarchy *h, int owner_fd, struct mcr_chunklog *log, int object_fd);

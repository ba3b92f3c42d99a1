/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everybody who can reach one object of shared memory: processes that map it or have it open.
 *
 * Looks at every process, at threads with descriptors of their own, and at processes whose first thread has ended.
 * Not seen: a descriptor in a message that nobody has received yet, and what the kernel holds by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "refusal.h"

struct mcr_holder {
	pid_t pid;
	char comm[16];
	char *cgroup;		/* path below the root; NULL: the process has ended meanwhile */
	bool maps;
	unsigned int fds;
};

struct mcr_holders {
	struct mcr_holder *at;
	size_t n;
	bool complete;		/* false: some processes could not be looked into */
};

struct mcr_holders *mcr_holders_free(struct mcr_holders *h);
static inline void mcr_holders_freep(struct mcr_holders **h)
{
	*h = mcr_holders_free(*h);
}

/*
 * Looks below proc ("/proc").  Who has nothing of it but our own open file (a copy of object_fd, as the service
 * manager may keep one) is no holder, nor is the calling process.  Objects of the same device and inode number, as a memfd and a
 * SysV segment may be, are taken for one. 0 and *ret; -ENOMEM, or errno of opening proc.
 */
int mcr_holders_find(const char *proc, int object_fd, struct mcr_holders **ret);

/*
 * Through which the kernel may write to memory of this process, or hold its pages, while it is frozen: an io_uring,
 * asynchronous I/O, a virtual machine, a device. MCR_REFUSED_NOT if there is nothing of the kind, or the process has
 * ended.
 */
enum mcr_refusal mcr_holder_refusal(const char *proc, pid_t pid);

/* What a descriptor of it is called in /proc/PID/fd: "anon_inode:[io_uring]". MCR_REFUSED_NOT for all others. */
enum mcr_refusal mcr_descriptor_refusal(const char *link);

/* Is there a loop device on top of this file? */
bool mcr_loop_uses(dev_t dev, ino_t ino);

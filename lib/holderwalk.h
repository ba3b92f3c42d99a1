/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lib/holders.c finds in /proc, found by BPF: quicker by far, by the inode itself, and with what /proc does not tell:
 * references of the kernel.  The programs are loaded by one process and used by its children.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct mcr_holderwalk;

/* One process that can reach the object. */
struct mcr_reach {
	uint32_t tgid;
	uint64_t cgroup_id;
};

/* 0 and *ret; -EPERM and others: BPF is refused, and *ret_why (unless NULL) says why. Loading takes far longer than using it. */
int mcr_holderwalk_new(struct mcr_holderwalk **ret, const char **ret_why);
struct mcr_holderwalk *mcr_holderwalk_free(struct mcr_holderwalk *w);
static inline void mcr_holderwalk_freep(struct mcr_holderwalk **w)
{
	*w = mcr_holderwalk_free(*w);
}

/* From here on it is about the object of this descriptor, which is our own open file of it. 0 or errno. */
int mcr_holderwalk_aim(struct mcr_holderwalk *w, int object_fd);

/* Which inode a descriptor of ours is of, as mcr_pin.inode and .generation have it. It is not aimed at. 0 or errno. */
int mcr_holderwalk_identify(struct mcr_holderwalk *w, int fd, uint64_t *ret_inode, uint32_t *ret_generation);

/* Descriptors that a child needs to use it; n: at least 5 fit. Their number. */
size_t mcr_holderwalk_fds(const struct mcr_holderwalk *w, int *fds, size_t n);

/*
 * All processes but the calling one that map or have open the object by another file than ours; each once per cgroup. *ret is
 * valid until the next call. *ret_unseen: references to it that belong to no process: of the kernel, of somebody who is
 * just opening it, of a message under way. 0 or errno.
 */
int mcr_holderwalk_find(struct mcr_holderwalk *w, const struct mcr_reach **ret, size_t *ret_n, size_t *ret_unseen);

/*
 * How many of these pages, by frame number, the kernel holds references to that neither the page cache nor page tables
 * account for: for a device, for I/O under way, or because a CPU has them in hand just now.  Huge ones are not judged.
 * 0 or errno.
 */
int mcr_holderwalk_pages(struct mcr_holderwalk *w, const uint64_t *pfns, size_t n, size_t *ret_held);

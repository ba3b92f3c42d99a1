/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What page cache leaves behind besides clean pages: dirty pages, which cannot be reclaimed, and the
 * writeback structures (cgwb) of the memcgs that dirtied inodes.  Both pin.
 */
#pragma once

#include <stdint.h>

struct mcr_hierarchy;

/*
 * syncfs() on every mounted file system that is backed by a block device, once each, and for ext4
 * a checkpoint of its journal: metadata blocks stay busy until the journal has let go of them, and
 * on an idle file system nothing else makes it.  Blocks: call it in a worker.
 * Number of file systems synced, or errno of reading the mount table.
 */
int mcr_sync_filesystems(void);

/* Dirty page cache of the whole machine, what a sync would have to write. 0 or errno. */
int mcr_dirty_bytes(int proc_fd, uint64_t *ret);

/*
 * Makes the kernel give back the writeback structures of dying memcgs whose inodes are clean by now.
 * It looks for them only when some memcg goes offline (fs-writeback's cleanup_offline_cgwbs, since
 * 5.14), so one is made at the root for that, and removed at once. 0 or errno of mkdir or rmdir.
 */
int mcr_release_writeback(const struct mcr_hierarchy *h);

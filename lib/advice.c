/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "advice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pins.h"

/* Page cache goes unless it is dirty, locked, or used all the time. */
static const char *cache_text(const struct mcr_pin *p)
{
	if (p->locked)
		return "locked in memory: goes when the process that locked it lets it go";
	if (p->dirty_bytes)
		return "goes once it is written; the reaper syncs by itself";
	if (p->mapped_bytes)
		return "reclaimed with the shield, at the cost of reading it again by who maps it";
	return "reclaimed at no cost but reading it again";
}

static const char *shmem_text(const struct mcr_pin *p)
{
	if (p->kind == MCR_PIN_TMPFS)
		return p->nlink ? "stays as long as the file is there, or until somebody writes it anew" :
				  "deleted, but open or mapped: goes when the last user closes it";
	if (p->kind == MCR_PIN_MEMFD)
		return "goes when the last process that has it closes it";
	if (p->kind == MCR_PIN_SYSV)
		return "stays until it is removed and the last process has detached";
	if (p->kind == MCR_PIN_SHARED_ANON)
		return "goes when the last process that maps it ends";
	return "belongs to a driver: goes when what uses it ends";
}

static const char *metadata_text(const struct mcr_pin *p)
{
	static char buf[128];
	bool journal = strcmp(p->fstype, "ext4") == 0;

	if (!*p->fstype)
		return "read from the device itself: goes after a sync, which the reaper makes by itself";
	snprintf(buf, sizeof(buf), "metadata of %s: goes after a sync%s, which the reaper makes by itself", p->fstype,
		 journal ? " and a checkpoint of its journal" : "");
	return buf;
}

const char *advice_text(const struct mcr_pin *p)
{
	switch (p->kind) {
	case MCR_PIN_FILE:
		return cache_text(p);
	case MCR_PIN_BLOCK_DEVICE:
	case MCR_PIN_METADATA:
		return metadata_text(p);
	case MCR_PIN_TMPFS:
	case MCR_PIN_MEMFD:
	case MCR_PIN_SYSV:
	case MCR_PIN_SHARED_ANON:
	case MCR_PIN_KERNEL_SHMEM:
		return shmem_text(p);
	case MCR_PIN_ANON:
		return "private memory of a process, which may be in another cgroup by now: goes when it ends or is restarted";
	case MCR_PIN_KSM:
		return "merged by KSM: goes when those that share it end";
	case MCR_PIN_SWAP_CACHE:
		return "on its way to swap or back: goes by itself or becomes a swap entry";
	case MCR_PIN_NO_FILE:
		return "cut off its file and still in use, by a journal mostly: goes with the next commit and reclaim";
	case MCR_PIN_VANISHED:
		return "was just going";
	case MCR_PIN_SWAP:
		return "goes when the entries are read back or their owners end";
	case MCR_PIN_CHILD:
		return "goes after its child";
	case MCR_PIN_WRITEBACK:
		return "goes when another memcg goes offline, which the reaper brings about";
	case MCR_PIN_PROCESS:
		return p->pid ? "a process that has ended and was not waited for: goes when its parent does that" :
				"processes are still counted in: goes when they end or move";
	case MCR_PIN_MM:
		return "an address space that stayed behind when its process moved: goes when the process ends";
	case MCR_PIN_SOCKET:
		return "goes when the connection is closed";
	case MCR_PIN_INOTIFY:
	case MCR_PIN_FANOTIFY:
		return "goes when the process that watches closes it, or ends";
	case MCR_PIN_STOCK:
		return "a CPU keeps some charges ready: goes by itself";
	default:
		return "nothing is known to help";
	}
}

const char *advice_recharge(uint64_t memcg_id)
{
	static char buf[64];

	snprintf(buf, sizeof(buf), "memcg-reaper recharge %" PRIu64, memcg_id);
	return buf;
}

const char *advice_command(const struct mcr_pin *p, uint64_t memcg_id)
{
	switch (p->kind) {
	case MCR_PIN_FILE:
		return p->locked ? NULL : p->dirty_bytes ? "sync && memcg-reaper reap" : "memcg-reaper reap";
	case MCR_PIN_BLOCK_DEVICE:
	case MCR_PIN_METADATA:
	case MCR_PIN_WRITEBACK:
	case MCR_PIN_NO_FILE:
		return "memcg-reaper reap";
	case MCR_PIN_TMPFS:
	case MCR_PIN_MEMFD:
	case MCR_PIN_SYSV:
	case MCR_PIN_SHARED_ANON:
		return advice_recharge(memcg_id);
	default:
		return NULL;
	}
}

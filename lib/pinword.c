/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinword.h"

#include <inttypes.h>
#include <stdio.h>

const char *mcr_pin_words(const struct mcr_pin *p, char *buf, size_t size)
{
	const char *kind = mcr_pin_kind_name(p->kind);

	if (p->kind == MCR_PIN_SYSV)
		snprintf(buf, size, "SysV segment %d, key 0x%08" PRIx32, p->shmid, p->key);
	else if (p->kind == MCR_PIN_SWAP)
		snprintf(buf, size, "%" PRIu64 " entries in swap", p->count);
	else if (p->name)
		snprintf(buf, size, "%s %s%s", kind, p->name, p->ino && !p->nlink ? " (deleted)" : "");
	else if (p->pid)
		snprintf(buf, size, "%s of %s[%d]", kind, p->comm, (int)p->pid);
	else if (*p->device)
		snprintf(buf, size, "%s of %s", kind, p->device);
	else
		snprintf(buf, size, "%s", kind);
	return buf;
}

bool mcr_pin_may_go(const struct mcr_pin *p, bool swap)
{
	if (p->locked)
		return false;
	switch (p->kind) {
	case MCR_PIN_FILE:
	case MCR_PIN_BLOCK_DEVICE:
	case MCR_PIN_METADATA:
	case MCR_PIN_SWAP_CACHE:
	case MCR_PIN_NO_FILE:
	case MCR_PIN_VANISHED:
	case MCR_PIN_CHILD:
	case MCR_PIN_WRITEBACK:
	case MCR_PIN_STOCK:
		return true;
	case MCR_PIN_TMPFS:
	case MCR_PIN_MEMFD:
	case MCR_PIN_SYSV:
	case MCR_PIN_SHARED_ANON:
	case MCR_PIN_KERNEL_SHMEM:
	case MCR_PIN_ANON:
		return swap;
	default:
		return false;
	}
}

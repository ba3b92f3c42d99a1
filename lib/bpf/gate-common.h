/* SPDX-License-Identifier: GPL-2.0-only */
/* Of gate.bpf.c: what the daemon sets, and what is counted. */
#pragma once

#include "kernel.h"
#include "gate.h"

struct gate_settings settings;
struct gate_counters counters;

#define count(what) __sync_fetch_and_add(&counters.what, 1)

/* Clocks of two CPUs may disagree by a little: what lies ahead of now is no age at all. */
static __always_inline __u64 since(__u64 now, __u64 then)
{
	return (__s64)(now - then) > 0 ? now - then : 0;
}

static __always_inline bool daemon_alive(__u64 now)
{
	return settings.heartbeat_ns && since(now, settings.heartbeat_ns) <= settings.heartbeat_max_ns;
}

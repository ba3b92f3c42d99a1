/* SPDX-License-Identifier: GPL-2.0-only */
/* What all parts of pins.bpf.c share: the memory user space maps, and the memcg in hand. */
#pragma once

#include "kernel-mm.h"
#include "pins.h"

const volatile __u32 nr_nodes = 1;
const volatile __u32 nr_cpus = 1;

struct pins_state state;
struct pins_run runs[PINS_RUNS];
struct pins_ask asks[PINS_ASKS];
struct pins_answer answers[PINS_ASKS];
struct pins_ref refs[PINS_REFS];
char names[PINS_NAMES_BYTES + 256];

#define WALK_MAX (1U << 22)

/* In map memory, as in the census: see there. */
static __u64 memcg;		/* the one found; every program looks whether it still is */

static __always_inline bool read_word(__u64 *ret, __u64 from)
{
	return bpf_probe_read_kernel(ret, 8, (void *)from) == 0;
}

#define OFF(type, field) bpf_core_field_offset(type, field)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pin in a few words, and what can be done about it by reclaim. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "pins.h"

/* "tmpfs file /utmp", "SysV segment 3, key 0x00001234", "memory of sleep[123]": cut so that it fits. Returns buf. */
const char *mcr_pin_words(const struct mcr_pin *p, char *buf, size_t size);

/*
 * May reclaim, a sync, or a nudge free it?  Shared and private memory only where there is swap for it; what is locked, in
 * swap already, or somebody's process not at all.
 */
bool mcr_pin_may_go(const struct mcr_pin *p, bool swap);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dropping page cache that nobody has mapped, and nothing else. Reclaim cannot be told apart so: asked for as many bytes as are not mapped, it
 * takes what comes first.
 */
#pragma once

#include <stdint.h>

struct mcr_pins;

/* How much of it is page cache that nobody has mapped, in files that can be opened here. Bytes. */
uint64_t mcr_unmapped_bytes(const struct mcr_pins *pins);

/*
 * Drops that, file by file, looking at max_bytes of what they have in memory at most; what is dirty is being written from then on, and
 * stays: once more a moment later drops that.  Opens files, of file systems on a disk of this machine alone (mcr_wanted_judge()), by a
 * path without a symbolic link.
 */
void mcr_unmapped_drop(const struct mcr_pins *pins, uint64_t max_bytes);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: what keeps one memcg from going.
 *
 * Run by BPF_PROG_TEST_RUN, under RCU, one after the other: pins_find looks the memcg up by its id,
 * pins_pages walks its LRU lists (or pins_scan all pages of the machine), pins_names tells about
 * the mappings these belong to, pins_swap finds mappings with something in swap, pins_refs what else refers
 * to the memcg.  User space sorts and sums.
 *
 * No lock is taken.  A page is believed when one copy of it names this memcg and has a link back
 * to where the walk came from; a name, when a page of that file (or an entry in swap) was still there after it had been
 * read.
 */
#include "pins-find.h"
#include "pins-pages.h"
#include "pins-scan.h"
#include "pins-swap.h"
#include "pins-names.h"
#include "pins-refs.h"
#include "pins-files.h"
#include "pins-sockets.h"

char LICENSE[] SEC("license") = "GPL";

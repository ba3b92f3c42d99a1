/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The half of the pins that touches no kernel: from runs of pages and answers about mappings to pins. */
#pragma once

#include "bpf/pins.h"
#include "pins.h"

struct mcr_runs {
	struct pins_run *run;
	size_t n, size;
};

/* Appends a portion; a list that was begun anew takes its earlier runs with it. 0 or -ENOMEM. */
int mcr_runs_add(struct mcr_runs *r, const struct pins_run *portion, size_t n);

/* References the pages hold. */
uint64_t mcr_runs_folios(const struct mcr_runs *r);

/* So that runs of one mapping are neighbours, ascending. */
void mcr_runs_sort(struct mcr_runs *r);

/* Of sorted runs: the number of those from the first that belong to the same pin. */
size_t mcr_runs_same(const struct pins_run *run, size_t n);

/* Of such runs: the question what their mapping is. */
struct pins_ask mcr_runs_ask(const struct pins_run *run, size_t n);

/*
 * A pin of the sorted runs of one mapping: references, bytes, ranges; the caller frees ranges.  Pages of a file that were met
 * twice count once. 0 or -ENOMEM.
 */
int mcr_pin_sum(const struct pins_run *run, size_t n, uint64_t page_size, struct mcr_pin *ret);

/*
 * What it is, from the kernel's answer about its mapping and the names that came with it (of names_bytes, the last of which
 * is NUL).  0, or -ENOMEM, or -EPROTO.
 */
int mcr_pin_name(struct mcr_pin *pin, const struct pins_answer *a, const char *names, size_t names_bytes);

/* A pin that is no page; the caller frees its name. 0, -ENOMEM or -EPROTO. */
int mcr_pin_from_ref(const struct pins_ref *ref, struct mcr_pin *ret);

/* Puts private memory of one process together, and the largest first. */
void mcr_pins_order(struct mcr_pins *p);

/* Appends; what the pin owns belongs to the pins from then on, unless -ENOMEM. */
int mcr_pins_add(struct mcr_pins *p, const struct mcr_pin *pin);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Putting right what was interrupted, for as long as there is hope; and letting go of what there is none for, with a copy for a
 * person and a loud word: nobody stays frozen for ever, and nothing is lost.
 */
#pragma once

#include <stdbool.h>

struct kept;
struct mcr_hierarchy;

struct repair {
	struct mcr_hierarchy *h;
	const char *name;		/* of the request */
	int dir_fd;			/* of requests */
	int run_fd, proc_fd;		/* journals of knobs; /proc */
	bool briefly;			/* these are others', who see to them by themselves: one short try */
	unsigned int repaired, given_up;	/* counted here */
};

/* stderr is the journal's; a number in front is the priority (sd-daemon(3)). */
#define complain(...) fprintf(stderr, __VA_ARGS__)

/* As kept_visit() wants it; userdata is a struct repair. 0: nothing is left to be put right; or errno: try again. */
int repair_kept(const struct kept *k, void *userdata);

/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * Globs with * (any characters, none too) and ? (any one byte), one step at a time, so that the gate
 * (bounded loops) and user space (policy.c) give the same answer with the same code.
 *
 * Greedy with one place to fall back to: the last *.  At most len(glob) * len(text) steps or so.
 */
#pragma once

#include <linux/types.h>

#define GLOB_MAX 64	/* a power of two, the final NUL included */
#define GLOB_TEXT_MAX 256

enum glob_result { GLOB_GOES_ON, GLOB_MATCHES, GLOB_DIFFERS };

struct glob_match {
	__u32 g, t;		/* where we are in glob and text */
	__u32 star_g, star_t;	/* behind the last *, and where its match ends so far; star_g 0: no * yet */
};

/* Both must be NUL-terminated within their sizes; the masks are for the verifier. */
static inline __attribute__((always_inline)) enum glob_result
glob_step(const char *glob, const char *text, struct glob_match *m)
{
	char g = glob[m->g & (GLOB_MAX - 1)], t = text[m->t & (GLOB_TEXT_MAX - 1)];

	if (g == '*') {
		m->star_g = ++m->g;
		m->star_t = m->t;
		return GLOB_GOES_ON;
	}
	if (t && (g == '?' || g == t)) {
		m->g++;
		m->t++;
		return GLOB_GOES_ON;
	}
	if (!t)
		return g ? GLOB_DIFFERS : GLOB_MATCHES;
	if (!m->star_g)
		return GLOB_DIFFERS;
	m->g = m->star_g;
	m->t = ++m->star_t;
	return GLOB_GOES_ON;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this kernel can do for us, found by trying, and what it costs to lack it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct mcr_hierarchy;

enum mcr_answer { MCR_NO, MCR_YES, MCR_UNKNOWN };

struct mcr_feature {
	const char *name;	/* short, stable, for programs */
	const char *what;	/* for people */
	enum mcr_answer answer;
	const char *why;	/* how it is known, or what is in the way; static */
	const char *cost;	/* what is lost without it; static */
};

/*
 * Tries everything; h is NULL where there is no cgroup v2.  Makes and removes a probe cgroup at the
 * root when `probe` is set: that takes about a second.  Fills up to max entries; returns their number.
 */
size_t mcr_features(const struct mcr_hierarchy *h, bool probe, struct mcr_feature *ret, size_t max);
#define MCR_FEATURES_MAX 16

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which unit a cgroup belongs to, and which units are of one kind. Pure. */
#pragma once

#include <stddef.h>

enum mcr_unit_kind {
	MCR_UNIT_PLAIN,
	MCR_UNIT_TEMPLATE,	/* a@b.service: one of many instances */
	MCR_UNIT_TRANSIENT,	/* run-r0123abc.service, run-u12.scope: systemd-run's names */
	MCR_UNIT_NUMBERED,	/* session-12.scope, job-0af3.service: a number in the name */
	MCR_UNIT_SLICE,
	MCR_UNIT_NONE,		/* no unit of systemd's */
};

/*
 * The unit: the last component of the path with a unit's suffix that is no slice; without one the last component as it
 * is.  Cut so that it fits.
 */
enum mcr_unit_kind mcr_unit_of(const char *path, char *ret, size_t size);

/*
 * What units of its kind have in common: the instance, the random part or each number becomes a *.
 * Cut so that it fits. Returns the kind.
 */
enum mcr_unit_kind mcr_unit_pattern(const char *unit, char *ret, size_t size);

/* A static word: "template". */
const char *mcr_unit_kind_name(enum mcr_unit_kind kind);

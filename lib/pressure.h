/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is this a moment to take memory back?  Under memory pressure the reaper keeps still: the kernel
 * is reclaiming already, dying memcgs included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mcr_pressure {
	bool psi;			/* the kernel has pressure stall information */
	unsigned int some_avg10_centi;	/* share of time some task waited for memory, in 1/100 % */
	uint64_t total_bytes;
	uint64_t available_bytes;
};

struct mcr_pressure_limits {
	unsigned int some_avg10_centi;	/* above: too much; 0: never */
	unsigned int available_centi;	/* MemAvailable below this share of MemTotal, in 1/100 %: too little */
};

/* Reads PROC/pressure/memory and PROC/meminfo. 0, or errno of meminfo; PSI may be missing. */
int mcr_pressure_read(int proc_fd, struct mcr_pressure *ret);

/* NULL when all is quiet, or a static sentence that says what is too high or too low. */
const char *mcr_pressure_exceeds(const struct mcr_pressure *p, const struct mcr_pressure_limits *limits);

/* The number behind "some avg10=" in 1/100 %. 0, or -EINVAL. */
int mcr_psi_parse(const char *text, unsigned int *ret_centi);

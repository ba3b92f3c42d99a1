/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of configuration values, as systemd.syntax(7) and systemd.time(7) have them.
 * All: 0 and *ret, or -EINVAL, or -ERANGE when it does not fit; *ret is then untouched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "30", "500ms", "5min 20s": microseconds; a bare number is seconds. */
int mcr_parse_usec(const char *text, uint64_t *ret_usec);

/* "4096", "32M", "1.5G" (base 1024): bytes. */
int mcr_parse_bytes(const char *text, uint64_t *ret_bytes);

/* 1 yes true on / 0 no false off. */
int mcr_parse_boolean(const char *text, bool *ret);

/* "10%" or "0.5%": 1/100 %. At most 100 %. */
int mcr_parse_percent(const char *text, unsigned int *ret_centi);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of cgroups are bytes; JSON and D-Bus want UTF-8. */
#pragma once

#include <stddef.h>

/* Length of the UTF-8 sequence at s; 0: none, overlong, a surrogate, or beyond Unicode (RFC 3629). */
size_t mcr_utf8_len(const char *s);

/* Copies text, bytes that are no UTF-8 as \xNN; cut so that it fits, whole sequences. Returns buf. */
const char *mcr_utf8_clean(const char *text, char *buf, size_t size);

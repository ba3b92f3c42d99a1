/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of JSON objects. Strings may be any bytes: what is no UTF-8 is escaped as \xNN. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct json_object;

void add_u64(struct json_object *o, const char *key, uint64_t v);
void add_str(struct json_object *o, const char *key, const char *v);	/* NULL: null */
void add_bool(struct json_object *o, const char *key, bool v);

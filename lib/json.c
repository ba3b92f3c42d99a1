/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <json-c/json.h>
#include <string.h>

#include "utf8.h"
#include "util.h"

void add_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

void add_str(struct json_object *o, const char *key, const char *v)
{
	size_t size = v ? 4 * strlen(v) + 6 : 0;
	auto_(freep) char *clean = v ? malloc(size) : NULL;

	json_object_object_add(o, key, clean ? json_object_new_string(mcr_utf8_clean(v, clean, size)) : NULL);
}

void add_bool(struct json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

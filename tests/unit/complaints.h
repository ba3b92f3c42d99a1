/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the readers of configuration complain about: how often, and the last one in full. */
#pragma once

#include "main.h"

struct complaints {
	unsigned int n, line;
	char file[256], key[256], what[256];
};

/* A mcr_ini_complaint. */
static inline void note(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	struct complaints *c = userdata;

	c->n++;
	c->line = line;
	snprintf(c->file, sizeof(c->file), "%s", file);
	snprintf(c->key, sizeof(c->key), "%s", key);
	snprintf(c->what, sizeof(c->what), "%s", what);
}

/* Fails unless the last complaint was about this line and key, and says this. */
static inline void assert_complaint(const struct complaints *c, unsigned int line, const char *key, const char *what)
{
	ck_assert_uint_eq(c->line, line);
	ck_assert_str_eq(c->key, key);
	ck_assert_msg(strstr(c->what, what) != NULL, "'%s' does not say '%s'", c->what, what);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations for tests: made of text, as files would make them. */
#pragma once

#include "complaints.h"
#include "config.h"
#include "main.h"
#include "util.h"

/* The built-in defaults, before mcr_config_finish(). */
static inline struct mcr_config *new_config(void)
{
	struct mcr_config *c = NULL;

	ck_assert_int_eq(mcr_config_new(&c), 0);
	ck_assert_ptr_nonnull(c);
	return c;
}

/* Reads text as a file; the result and the complaints must agree on their number. */
static inline int read_text(struct mcr_config *c, const char *text, struct complaints *ret)
{
	const char *path = temp_path("reaper.conf");
	int r;

	*ret = (struct complaints){ 0 };
	put_file(temp_fd, "reaper.conf", text);
	r = mcr_config_read(c, path, note, ret);
	ck_assert_int_eq(r, ret->n);
	if (ret->n)
		ck_assert_str_eq(ret->file, path);
	return r;
}

/* The defaults with text, a file that is all right, read over them. */
static inline struct mcr_config *config_of(const char *text)
{
	struct mcr_config *c = new_config();
	struct complaints complaints;

	ck_assert_msg(read_text(c, text, &complaints) == 0, "line %u: %s: %s", complaints.line, complaints.key,
		      complaints.what);
	ck_assert_int_eq(mcr_config_finish(c, note, &complaints), 0);
	return c;
}

static inline void assert_list(char **list, const char *words)
{
	char joined[4096] = "";

	for (size_t i = 0; list && list[i]; i++) {
		if (*joined)
			strcat(joined, " ");
		strcat(joined, list[i]);
	}
	ck_assert_str_eq(joined, words);
}

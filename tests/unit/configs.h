/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations for tests: made of text, as files would make them. */
#pragma once

#include "complaints.h"
#include "config.h"
#include "main.h"
#include "policy.h"
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

static inline const struct mcr_policy *default_of(const struct mcr_config *c)
{
	return c->policies[0];
}

static inline const struct mcr_said *said_of(const struct mcr_policy *p, const char *key)
{
	struct mcr_setting s;

	for (size_t i = 0; mcr_policy_setting(p, i, &s); i++)
		if (strcmp(s.key, key) == 0)
			return s.said;
	ck_abort_msg("no key %s", key);
	return NULL;
}

static inline const struct mcr_said *reaper_said(const struct mcr_config *c, const char *key)
{
	struct mcr_setting s;

	for (size_t i = 0; mcr_config_setting(c, i, &s); i++)
		if (strcmp(s.key, key) == 0)
			return s.said;
	ck_abort_msg("no key %s", key);
	return NULL;
}

/* Every value, said or not, of two configurations with the policy "default" alone. */
static inline void assert_same_values(const struct mcr_config *a, const struct mcr_config *b)
{
	struct mcr_setting x, y;

	ck_assert_mem_eq(a, b, offsetof(struct mcr_config, except));
	ck_assert_uint_eq(a->n_policies, b->n_policies);
	for (size_t i = 0; mcr_config_setting(a, i, &x); i++) {
		ck_assert(mcr_config_setting(b, i, &y));
		ck_assert_str_eq(x.said->text, y.said->text);
	}
	for (size_t i = 0; mcr_policy_setting(default_of(a), i, &x); i++) {
		ck_assert(mcr_policy_setting(default_of(b), i, &y));
		ck_assert_str_eq(x.said->text, y.said->text);
	}
}

/* A single key after the head of its section is complained about, and changes nothing. */
static inline void assert_bad(const char *section, const char *assignment, const char *what)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config(), *same = new_config();
	struct complaints complaints;
	char text[512], key[64];

	snprintf(text, sizeof(text), "[%s]\n%s\n", section, assignment);
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(assignment, "="), assignment);
	ck_assert_msg(read_text(c, text, &complaints) == 1, "%s is taken", assignment);
	assert_complaint(&complaints, 2, key, what);
	assert_same_values(c, same);
}

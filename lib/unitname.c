/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unitname.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define DIGITS "0123456789"
#define HEX DIGITS "abcdef"

static const char *const suffixes[] = { ".service", ".scope", ".socket", ".mount", ".swap" };

static bool has_suffix(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && strncmp(name + len - n, suffix, n) == 0;
}

/* Length of the name before a unit's suffix; 0: it is no unit, or a slice. */
static size_t stem_len(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (has_suffix(name, len, suffixes[i]))
			return len - strlen(suffixes[i]);
	return 0;
}

enum mcr_unit_kind mcr_unit_of(const char *path, char *ret, size_t size)
{
	const char *best = "", *last = "";
	size_t best_len = 0, last_len = 0;

	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");

		last = path;
		last_len = len;
		if (stem_len(path, len)) {
			best = path;
			best_len = len;
		}
		path += len;
	}
	snprintf(ret, size, "%.*s", best_len ? (int)best_len : (int)last_len, best_len ? best : last);
	return best_len ? MCR_UNIT_PLAIN : MCR_UNIT_NONE;
}

/*
 * Digits, and hexadecimal ones when there are enough of them to be no word.  Four are enough for a whole word, even
 * without a decimal one where it goes on after a number, as in a UUID.
 */
static size_t number_len(const char *s, bool word_begins, bool after_number)
{
	size_t digits = strspn(s, DIGITS), hex = strspn(s, HEX);
	bool mixed = strcspn(s, DIGITS) < hex, word = word_begins && !isalnum((unsigned char)s[hex]);

	if (mixed && hex >= (word ? 4 : 6))
		return hex;
	return word && after_number && hex >= 4 ? hex : digits;
}

/* Bytes that are copied as they are: a character, or one that systemd has escaped as \xNN. */
static size_t plain_len(const char *s)
{
	return s[0] == '\\' && s[1] == 'x' && isxdigit((unsigned char)s[2]) && isxdigit((unsigned char)s[3]) ? 4 : 1;
}

static enum mcr_unit_kind replace_numbers(const char *unit, char *ret, size_t size)
{
	enum mcr_unit_kind kind = MCR_UNIT_PLAIN;
	bool word_begins = true, after_number = false;
	size_t used = 0;

	while (*unit && used + 1 < size) {
		size_t n = number_len(unit, word_begins, after_number);

		if (n == 0) {
			n = plain_len(unit);
			word_begins = n > 1 || !isalnum((unsigned char)*unit);
			after_number &= word_begins;
			for (; n && used + 1 < size; n--)
				ret[used++] = *unit++;
			continue;
		}
		word_begins = false;
		after_number = true;
		kind = MCR_UNIT_NUMBERED;
		ret[used++] = '*';
		unit += n;
	}
	ret[used] = '\0';
	return kind;
}

/* run-u12, run-p34-i56, run-r0123456789abcdef; not run-udev, run-parts, run-race */
static bool is_systemd_run(const char *unit, size_t stem)
{
	size_t n;

	if (strncmp(unit, "run-", 4) != 0 || stem < 6 || !strchr("upr", unit[4]))
		return false;
	n = 5 + strspn(unit + 5, unit[4] == 'r' ? HEX : DIGITS);
	if (strcspn(unit + 5, DIGITS) >= n - 5)
		return false;
	return n == stem || (unit[4] == 'p' && strncmp(unit + n, "-i", 2) == 0);
}

enum mcr_unit_kind mcr_unit_pattern(const char *unit, char *ret, size_t size)
{
	size_t len = strlen(unit), stem = stem_len(unit, len);
	const char *at = memchr(unit, '@', stem);

	if (!stem) {
		replace_numbers(unit, ret, size);
		return has_suffix(unit, len, ".slice") ? MCR_UNIT_SLICE : MCR_UNIT_NONE;
	}
	if (at && (size_t)(at - unit) + 1 < stem) {
		snprintf(ret, size, "%.*s@*%s", (int)(at - unit), unit, unit + stem);
		return MCR_UNIT_TEMPLATE;
	}
	if (is_systemd_run(unit, stem)) {
		snprintf(ret, size, "run-*%s", unit + stem);
		return MCR_UNIT_TRANSIENT;
	}
	return replace_numbers(unit, ret, size);
}

const char *mcr_unit_kind_name(enum mcr_unit_kind kind)
{
	static const char *const names[] = {
		[MCR_UNIT_PLAIN] = "unit", [MCR_UNIT_TEMPLATE] = "template", [MCR_UNIT_TRANSIENT] = "transient",
		[MCR_UNIT_NUMBERED] = "numbered", [MCR_UNIT_SLICE] = "slice", [MCR_UNIT_NONE] = "cgroup",
	};

	return names[kind];
}

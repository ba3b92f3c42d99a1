/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "util.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "us", 1 },		  { "usec", 1 },
	{ "ms", 1000 },		  { "msec", 1000 },
	{ "s", 1000000 },	  { "sec", 1000000 },	      { "", 1000000 },
	{ "m", 60000000 },	  { "min", 60000000 },
	{ "h", 3600000000ULL },	  { "hr", 3600000000ULL },
	{ "d", 86400000000ULL },  { "day", 86400000000ULL },
};

static const struct unit size_units[] = {
	{ "", 1 }, { "B", 1 }, { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 }, { "T", 1ULL << 40 },
};

/* "12" or "12.5" times a factor, in whole units of the result; *text moves behind the digits. */
static int scan_number(const char **text, uint64_t *ret_whole, uint64_t *ret_milli)
{
	const char *p = *text;
	uint64_t whole = 0, milli = 0, place = 100;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	if (*p == '.') {
		if (!isdigit((unsigned char)*++p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++, place /= 10)
			milli += (*p - '0') * place;
	}
	*ret_whole = whole;
	*ret_milli = milli;
	*text = p;
	return 0;
}

/* One number and its unit, which ends at a space, a digit or the end. */
static int scan_quantity(const char **text, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t whole, milli, v;
	const char *p = *text;
	size_t len;
	int r = scan_number(&p, &whole, &milli);

	if (r < 0)
		return r;
	p += strspn(p, " ");
	len = strcspn(p, " 0123456789.");
	for (size_t i = 0; i < n; i++) {
		if (strlen(units[i].name) != len || strncmp(units[i].name, p, len) != 0)
			continue;
		if (__builtin_mul_overflow(whole, units[i].factor, &v) ||
		    __builtin_add_overflow(v, units[i].factor / 1000 * milli + units[i].factor % 1000 * milli / 1000, &v))
			return -ERANGE;
		*ret = v;
		*text = p + len;
		return 0;
	}
	return -EINVAL;
}

int mcr_parse_usec(const char *text, uint64_t *ret_usec)
{
	uint64_t sum = 0, v;
	int r;

	do {
		r = scan_quantity(&text, time_units, ARRAY_SIZE(time_units), &v);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(sum, v, &sum))
			return -ERANGE;
		text += strspn(text, " ");
	} while (*text);
	*ret_usec = sum;
	return 0;
}

int mcr_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	uint64_t v;
	int r = scan_quantity(&text, size_units, ARRAY_SIZE(size_units), &v);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret_bytes = v;
	return 0;
}

int mcr_parse_boolean(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
	static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

int mcr_parse_percent(const char *text, unsigned int *ret_centi)
{
	uint64_t whole, milli;
	int r = scan_number(&text, &whole, &milli);

	if (r < 0)
		return r;
	if (strcmp(text, "%") != 0)
		return -EINVAL;
	if (whole > 100 || (whole == 100 && milli))
		return -ERANGE;
	*ret_centi = whole * 100 + milli / 10;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>
#include <stdarg.h>

#include "cli.h"
#include "main.h"
#include "util.h"

START_TEST(bytes_are_told_in_a_fitting_unit)
{
	ck_assert_str_eq(human_bytes(0), "0B");
	ck_assert_str_eq(human_bytes(999), "999B");
	ck_assert_str_eq(human_bytes(1024), "1.0K");
	ck_assert_str_eq(human_bytes(1536), "1.5K");
	ck_assert_str_eq(human_bytes(20480), "20K");
	ck_assert_str_eq(human_bytes(1ULL << 20), "1.0M");
	ck_assert_str_eq(human_bytes(500ULL << 20), "500M");
	ck_assert_str_eq(human_bytes(5ULL << 30), "5.0G");
	ck_assert_str_eq(human_bytes(5ULL << 40), "5.0T");
	ck_assert_str_eq(human_bytes(5ULL << 50), "5.0P");
	ck_assert_str_eq(human_bytes(UINT64_MAX), "16E");
}
END_TEST

START_TEST(from_1000_on_the_next_unit_is_used)
{
	ck_assert_str_eq(human_bytes(1000), "1.0K");
	ck_assert_str_eq(human_bytes(1023), "1.0K");
	ck_assert_str_eq(human_bytes(1023 << 10), "1.0M");
}
END_TEST

START_TEST(a_time_has_its_two_largest_units)
{
	ck_assert_str_eq(human_seconds(0), "0s");
	ck_assert_str_eq(human_seconds(59), "59s");
	ck_assert_str_eq(human_seconds(60), "1min 0s");
	ck_assert_str_eq(human_seconds(200), "3min 20s");
	ck_assert_str_eq(human_seconds(3600), "1h 0min");
	ck_assert_str_eq(human_seconds(86399), "23h 59min");
	ck_assert_str_eq(human_seconds(86400), "1d 0h");
	ck_assert_str_eq(human_seconds(90061), "1d 1h");
	ck_assert_str_eq(human_seconds(UINT64_MAX), "213503982334601d 7h");
}
END_TEST

START_TEST(four_figures_fit_one_line)
{
	const char *a = human_bytes(1), *b = human_seconds(2), *c = human_bytes(3), *d = human_seconds(4);

	ck_assert_str_eq(a, "1B");
	ck_assert_str_eq(b, "2s");
	ck_assert_str_eq(c, "3B");
	ck_assert_str_eq(d, "4s");
}
END_TEST

START_TEST(plain_names_are_printed_as_they_are)
{
	ck_assert_str_eq(printable(""), "");
	ck_assert_str_eq(printable("/system.slice/cron.service"), "/system.slice/cron.service");
	ck_assert_str_eq(printable("a b~!\"'%s"), "a b~!\"'%s");
}
END_TEST

START_TEST(control_characters_are_escaped)
{
	ck_assert_str_eq(printable("a\nb"), "a\\x0ab");
	ck_assert_str_eq(printable("\t\r\x01\x1f"), "\\x09\\x0d\\x01\\x1f");
	ck_assert_str_eq(printable("\x1b[31mred"), "\\x1b[31mred");
	ck_assert_str_eq(printable("\x7f"), "\\x7f");
	ck_assert_str_eq(printable("\xc2\x9b""31m"), "\\xc2\\x9b""31m");	/* the C1 form of ESC [ */
}
END_TEST

START_TEST(a_backslash_cannot_pretend_to_be_an_escape)
{
	ck_assert_str_eq(printable("a\\x0ab"), "a\\x5cx0ab");
	ck_assert_str_eq(printable("\\x20"), "\\x5cx20");
	ck_assert_str_eq(printable("\\x5c"), "\\x5cx5c");
	ck_assert_str_eq(printable("\\\\xff"), "\\\\x5cxff");
	ck_assert_str_eq(printable("\\\n"), "\\\\x0a");
}
END_TEST

START_TEST(any_other_backslash_is_printed_as_it_is)
{
	ck_assert_str_eq(printable("systemd-fsck@dev-disk-by\\x2duuid.service"), "systemd-fsck@dev-disk-by\\x2duuid.service");
	ck_assert_str_eq(printable("\\"), "\\");
	ck_assert_str_eq(printable("a\\x"), "a\\x");
	ck_assert_str_eq(printable("a\\x0"), "a\\x0");
	ck_assert_str_eq(printable("a\\x0g\\n\\xFF\\x 1"), "a\\x0g\\n\\xFF\\x 1");
}
END_TEST

START_TEST(utf8_is_printed_as_it_is)
{
	ck_assert_str_eq(printable("\xc3\xa4-\xe2\x82\xac-\xf0\x9f\x98\x80"),
			 "\xc3\xa4-\xe2\x82\xac-\xf0\x9f\x98\x80");
	ck_assert_str_eq(printable("\xc2\xa0"), "\xc2\xa0");
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_escaped)
{
	ck_assert_str_eq(printable("\xff"), "\\xff");
	ck_assert_str_eq(printable("\x80" "a"), "\\x80" "a");
	ck_assert_str_eq(printable("\xc3"), "\\xc3");			/* cut off at the end */
	ck_assert_str_eq(printable("\xe2\x82"), "\\xe2\\x82");
	ck_assert_str_eq(printable("\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
	ck_assert_str_eq(printable("\xc3" "a"), "\\xc3" "a");		/* no continuation */
	ck_assert_str_eq(printable("\xf8\x80\x80\x80\x80"), "\\xf8\\x80\\x80\\x80\\x80");
}
END_TEST

START_TEST(sequences_that_only_look_like_utf8_are_escaped)
{
	ck_assert_str_eq(printable("\xc0\x9b"), "\\xc0\\x9b");		/* overlong: ESC in two bytes, */
	ck_assert_str_eq(printable("\xc1\xbf"), "\\xc1\\xbf");
	ck_assert_str_eq(printable("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");	/* in three, */
	ck_assert_str_eq(printable("\xe0\x9f\xbf"), "\\xe0\\x9f\\xbf");
	ck_assert_str_eq(printable("\xf0\x80\x80\x9b"), "\\xf0\\x80\\x80\\x9b");	/* and in four */
	ck_assert_str_eq(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");	/* surrogates */
	ck_assert_str_eq(printable("\xed\xbf\xbf"), "\\xed\\xbf\\xbf");
	ck_assert_str_eq(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");	/* beyond Unicode */
	ck_assert_str_eq(printable("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
}
END_TEST

START_TEST(the_first_and_the_last_of_each_length_are_utf8)
{
	static const char *const good[] = {
		"\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_str_eq(printable(good[i]), good[i]);
}
END_TEST

START_TEST(spaces_at_the_ends_are_made_visible)
{
	ck_assert_str_eq(printable(" a b "), "\\x20a b\\x20");
	ck_assert_str_eq(printable(" "), "\\x20");
	ck_assert_str_eq(printable("  "), "\\x20\\x20");
}
END_TEST

START_TEST(the_longest_path_is_printed_whole_even_if_all_is_escaped)
{
	char name[4096];

	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_uint_eq(strlen(printable(name)), 4 * (sizeof(name) - 1));
}
END_TEST

START_TEST(a_name_longer_than_any_path_is_cut)
{
	static char name[100000];

	memset(name, 'a', sizeof(name) - 1);
	ck_assert_uint_lt(strlen(printable(name)), 4 * (4096 + 256) + 1);
	memset(name, '\n', sizeof(name) - 1);
	ck_assert_uint_lt(strlen(printable(name)), 4 * (4096 + 256) + 1);
}
END_TEST

static bool parse(bool dry_run_allowed, struct flags *ret, int *ret_rest, int argc, ...)
{
	static char *argv[8];
	va_list args;

	va_start(args, argc);
	for (int i = 0; i < argc; i++)
		argv[i] = va_arg(args, char *);
	argv[argc] = NULL;
	va_end(args);
	return parse_flags(argc, argv, dry_run_allowed, ret, ret_rest);
}

START_TEST(flags_are_taken_and_the_rest_is_pointed_at)
{
	struct flags f;
	int rest = -1;

	ck_assert(parse(true, &f, &rest, 1, "reap"));
	ck_assert(!f.json && !f.dry_run && !f.help);
	ck_assert_int_eq(rest, 1);
	ck_assert(parse(true, &f, &rest, 4, "reap", "--json", "--dry-run", "x"));
	ck_assert(f.json && f.dry_run && !f.help);
	ck_assert_int_eq(rest, 3);
	ck_assert(parse(false, &f, &rest, 2, "status", "-h"));
	ck_assert(f.help);
}
END_TEST

START_TEST(flags_that_mean_nothing_leave_ret_untouched)
{
	struct flags f = { .json = true };
	int rest = -1;

	ck_assert(!parse(false, &f, &rest, 2, "status", "--dry-run"));
	ck_assert(!parse(false, &f, &rest, 2, "status", "-n"));
	ck_assert(!parse(true, &f, &rest, 2, "reap", "--bogus"));
	ck_assert(!parse(true, &f, &rest, 2, "reap", "--json=1"));
	ck_assert(f.json && !f.dry_run && !f.help);
	ck_assert_int_eq(rest, -1);
}
END_TEST

START_TEST(json_gives_back_what_was_put_in)
{
	struct json_object *o = json_object_new_object();

	add_u64(o, "n", UINT64_MAX);
	add_str(o, "s", "x");
	add_str(o, "none", NULL);
	add_bool(o, "b", true);
	ck_assert_uint_eq(get_u64(o, "n"), UINT64_MAX);
	ck_assert_str_eq(get_str(o, "s"), "x");
	ck_assert_ptr_null(get_str(o, "none"));
	ck_assert(get_bool(o, "b"));
	json_object_put(o);
}
END_TEST

START_TEST(what_json_does_not_have_is_nothing)
{
	struct json_object *o = json_object_new_object();

	ck_assert_uint_eq(get_u64(o, "n"), 0);
	ck_assert_ptr_null(get_str(o, "s"));
	ck_assert(!get_bool(o, "b"));
	ck_assert_ptr_null(get(o, "x"));
	ck_assert_ptr_null(get(NULL, "x"));
	json_object_put(o);
}
END_TEST

START_TEST(four_names_fit_into_one_line)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %s %s %s", printable("a\n"), printable("b"), printable("\xff"), printable("d"));
	ck_assert_str_eq(line, "a\\x0a b \\xff d");
}
END_TEST

START_TEST(json_is_utf_8_whatever_a_name_is)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "bad", "\xff\xc3z\xff");
	add_str(o, "good", "\xc3\xa4\n");
	add_str(o, "empty", "");
	add_str(o, "none", NULL);
	ck_assert_str_eq(get_str(o, "bad"), "\\xff\\xc3z\\xff");
	ck_assert_str_eq(get_str(o, "good"), "\xc3\xa4\n");
	ck_assert_str_eq(get_str(o, "empty"), "");
	ck_assert_ptr_null(get(o, "none"));
	json_object_put(o);
}
END_TEST

TEST_MAIN("output", bytes_are_told_in_a_fitting_unit, from_1000_on_the_next_unit_is_used,
	  a_time_has_its_two_largest_units, four_figures_fit_one_line, plain_names_are_printed_as_they_are,
	  control_characters_are_escaped, a_backslash_cannot_pretend_to_be_an_escape, any_other_backslash_is_printed_as_it_is,
	  utf8_is_printed_as_it_is, bytes_that_are_no_utf8_are_escaped,
	  sequences_that_only_look_like_utf8_are_escaped, the_first_and_the_last_of_each_length_are_utf8,
	  spaces_at_the_ends_are_made_visible,
	  the_longest_path_is_printed_whole_even_if_all_is_escaped, a_name_longer_than_any_path_is_cut,
	  flags_are_taken_and_the_rest_is_pointed_at, flags_that_mean_nothing_leave_ret_untouched,
	  json_gives_back_what_was_put_in, what_json_does_not_have_is_nothing, four_names_fit_into_one_line,
	  json_is_utf_8_whatever_a_name_is)

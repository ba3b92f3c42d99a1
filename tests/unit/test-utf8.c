/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "utf8.h"

#include "main.h"
#include "util.h"

START_TEST(a_sequence_is_as_long_as_its_first_byte_says)
{
	ck_assert_uint_eq(mcr_utf8_len("a"), 1);
	ck_assert_uint_eq(mcr_utf8_len("\x7f"), 1);
	ck_assert_uint_eq(mcr_utf8_len("\xc2\x80"), 2);
	ck_assert_uint_eq(mcr_utf8_len("\xdf\xbf"), 2);
	ck_assert_uint_eq(mcr_utf8_len("\xe0\xa0\x80"), 3);
	ck_assert_uint_eq(mcr_utf8_len("\xed\x9f\xbf"), 3);
	ck_assert_uint_eq(mcr_utf8_len("\xef\xbf\xbf"), 3);
	ck_assert_uint_eq(mcr_utf8_len("\xf0\x90\x80\x80"), 4);
	ck_assert_uint_eq(mcr_utf8_len("\xf4\x8f\xbf\xbf"), 4);
	ck_assert_uint_eq(mcr_utf8_len("\xe2\x82\xac more"), 3);
}
END_TEST

START_TEST(what_is_overlong_a_surrogate_or_beyond_unicode_is_none)
{
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(mcr_utf8_len(bad[i]) == 0, "number %zu", i);
}
END_TEST

START_TEST(a_sequence_that_is_cut_is_none)
{
	static const char *const bad[] = {
		"\xc3", "\xc3z", "\xe2", "\xe2\x82", "\xe2\x82z", "\xf0", "\xf0\x9f", "\xf0\x9f\x98", "\xf0\x9f\x98z",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(mcr_utf8_len(bad[i]) == 0, "number %zu", i);
}
END_TEST

/* An encoder of its own: every character of Unicode is found as long as it is, and no other value is one. */
START_TEST(every_character_of_unicode_and_no_other_is_a_sequence)
{
	for (unsigned int c = 0x80; c < 0x200000; c++) {
		size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		char s[5] = { 0 };
		bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);

		for (size_t i = len - 1, rest = c; i > 0; i--, rest >>= 6)
			s[i] = 0x80 | (rest & 0x3f);
		s[0] = (0xf00 >> len & 0xff) | c >> 6 * (len - 1);
		if (mcr_utf8_len(s) != (good ? len : 0))
			ck_abort_msg("U+%04X", c);
	}
}
END_TEST

START_TEST(clean_text_stays_as_it_is)
{
	char buf[64];

	ck_assert_ptr_eq(mcr_utf8_clean("a \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", buf, sizeof(buf)), buf);
	ck_assert_str_eq(buf, "a \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
	ck_assert_str_eq(mcr_utf8_clean("", buf, sizeof(buf)), "");
}
END_TEST

START_TEST(other_bytes_are_escaped_one_by_one)
{
	char buf[64];

	ck_assert_str_eq(mcr_utf8_clean("a\xff\xc3" "b\xed\xa0\x80", buf, sizeof(buf)), "a\\xff\\xc3b\\xed\\xa0\\x80");
	ck_assert_str_eq(mcr_utf8_clean("\xe2\x82", buf, sizeof(buf)), "\\xe2\\x82");
}
END_TEST

START_TEST(text_is_cut_to_whole_sequences_that_fit)
{
	for (size_t size = 1; size < 32; size++) {
		char buf[32 + 1], whole[] = "\xf0\x9f\x98\x80\xff\xe2\x82\xac\xc3\xa4z";
		size_t len;

		memset(buf, '!', sizeof(buf));
		mcr_utf8_clean(whole, buf, size);
		len = strlen(buf);
		ck_assert_uint_lt(len, size);
		ck_assert_int_eq(buf[size], '!');
		for (size_t i = 0, n; i < len; i += n) {
			n = mcr_utf8_len(buf + i);
			ck_assert_uint_gt(n, 0);
		}
	}
}
END_TEST

TEST_MAIN("utf8", a_sequence_is_as_long_as_its_first_byte_says,
	  what_is_overlong_a_surrogate_or_beyond_unicode_is_none, a_sequence_that_is_cut_is_none,
	  every_character_of_unicode_and_no_other_is_a_sequence, clean_text_stays_as_it_is,
	  other_bytes_are_escaped_one_by_one, text_is_cut_to_whole_sequences_that_fit)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <errno.h>

#include "main.h"
#include "util.h"

static void assert_usec(const char *text, uint64_t usec)
{
	uint64_t v = UNTOUCHED;

	ck_assert_msg(mcr_parse_usec(text, &v) == 0, "'%s' is refused", text);
	ck_assert_msg(v == usec, "'%s' is %llu us", text, (unsigned long long)v);
}

static void assert_no_usec(const char *text, int error)
{
	uint64_t v = UNTOUCHED;
	int r = mcr_parse_usec(text, &v);

	ck_assert_msg(r == error, "'%s' returns %d", text, r);
	ck_assert_uint_eq(v, UNTOUCHED);
}

static void assert_bytes(const char *text, uint64_t bytes)
{
	uint64_t v = UNTOUCHED;

	ck_assert_msg(mcr_parse_bytes(text, &v) == 0, "'%s' is refused", text);
	ck_assert_msg(v == bytes, "'%s' is %llu bytes", text, (unsigned long long)v);
}

static void assert_no_bytes(const char *text, int error)
{
	uint64_t v = UNTOUCHED;
	int r = mcr_parse_bytes(text, &v);

	ck_assert_msg(r == error, "'%s' returns %d", text, r);
	ck_assert_uint_eq(v, UNTOUCHED);
}

static void assert_percent(const char *text, unsigned int centi)
{
	unsigned int v = UNTOUCHED;

	ck_assert_msg(mcr_parse_percent(text, &v) == 0, "'%s' is refused", text);
	ck_assert_msg(v == centi, "'%s' is %u", text, v);
}

static void assert_no_percent(const char *text, int error)
{
	unsigned int v = UNTOUCHED;
	int r = mcr_parse_percent(text, &v);

	ck_assert_msg(r == error, "'%s' returns %d", text, r);
	ck_assert_uint_eq(v, UNTOUCHED);
}

START_TEST(a_bare_number_is_seconds)
{
	assert_usec("0", 0);
	assert_usec("30", 30000000);
	assert_usec("0.25", 250000);
}
END_TEST

START_TEST(every_time_unit_has_its_factor)
{
	assert_usec("7us", 7);
	assert_usec("7usec", 7);
	assert_usec("7ms", 7000);
	assert_usec("7msec", 7000);
	assert_usec("7s", 7000000);
	assert_usec("7sec", 7000000);
	assert_usec("7m", 420000000);
	assert_usec("7min", 420000000);
	assert_usec("7h", 25200000000);
	assert_usec("7hr", 25200000000);
	assert_usec("7d", 604800000000);
	assert_usec("7day", 604800000000);
}
END_TEST

START_TEST(times_add_up_with_or_without_spaces)
{
	assert_usec("5min 20s", 320000000);
	assert_usec("5min20s", 320000000);
	assert_usec("1h  30 min ", 5400000000);
	assert_usec("1.5s 500us", 1500500);
}
END_TEST

START_TEST(fractions_finer_than_a_thousandth_are_cut)
{
	assert_usec("1.9999s", 1999000);
	assert_usec("0.0009ms", 0);
	assert_bytes("0.0009G", 0);
	assert_bytes("1.99999K", 2046);
}
END_TEST

START_TEST(times_that_are_none_are_refused)
{
	static const char *const junk[] = {
		"", " ", "s", "-1s", "+1s", "1x", "1.s", ".5s", "1 2x", "1,5s", "5min -20s", " 5s", "1S",
		"infinity", "0x10", "1e3", "1s\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		assert_no_usec(junk[i], -EINVAL);
}
END_TEST

START_TEST(a_time_may_be_as_long_as_64_bits_hold_and_no_longer)
{
	assert_usec("18446744073709551615us", UINT64_MAX);
	assert_no_usec("18446744073709551616us", -ERANGE);
	assert_usec("18446744073709s", 18446744073709000000ULL);
	assert_no_usec("18446744073710s", -ERANGE);
	assert_no_usec("18446744073709551615s", -ERANGE);
	assert_no_usec("99999999999999999999999999d", -ERANGE);
}
END_TEST

START_TEST(a_sum_or_fraction_that_overflows_is_out_of_range)
{
	assert_no_usec("18446744073709551615us 1us", -ERANGE);
	assert_no_usec("18446744073709.999s", -ERANGE);
}
END_TEST

START_TEST(sizes_have_base_1024)
{
	assert_bytes("0", 0);
	assert_bytes("4096", 4096);
	assert_bytes("4096B", 4096);
	assert_bytes("3K", 3072);
	assert_bytes("32M", 33554432);
	assert_bytes("2G", 2147483648);
	assert_bytes("5T", 5497558138880);
	assert_bytes("32 M", 33554432);
}
END_TEST

START_TEST(sizes_may_have_a_fraction)
{
	assert_bytes("1.5G", 1610612736);
	assert_bytes("0.5K", 512);
	assert_bytes("0.125M", 131072);
}
END_TEST

START_TEST(sizes_that_are_none_are_refused)
{
	static const char *const junk[] = {
		"", "K", "-1", "1k", "1KB", "1KiB", "1P", "1G 1M", "1G1M", "1.", ".5G", "1..5G", "10%", "max",
	};

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		assert_no_bytes(junk[i], -EINVAL);
}
END_TEST

START_TEST(a_size_may_be_as_large_as_64_bits_hold_and_no_larger)
{
	assert_bytes("18446744073709551615", UINT64_MAX);
	assert_no_bytes("18446744073709551616", -ERANGE);
	assert_bytes("16777215T", 18446742974197923840ULL);
	assert_no_bytes("16777216T", -ERANGE);
	assert_bytes("16777215.5T", 18446743523953737728ULL);
}
END_TEST

START_TEST(booleans_are_the_words_of_systemd_in_any_case)
{
	static const char *const yes[] = { "1", "yes", "y", "true", "t", "on", "YES", "True" };
	static const char *const no[] = { "0", "no", "n", "false", "f", "off", "NO", "Off" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		bool v = false;

		ck_assert_int_eq(mcr_parse_boolean(yes[i], &v), 0);
		ck_assert(v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		bool v = true;

		ck_assert_int_eq(mcr_parse_boolean(no[i], &v), 0);
		ck_assert(!v);
	}
}
END_TEST

START_TEST(other_words_are_no_booleans_and_leave_ret_untouched)
{
	static const char *const junk[] = { "", "2", "yess", "ye", "00", " yes", "yes ", "enabled" };

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		bool t = true, f = false;

		ck_assert_int_eq(mcr_parse_boolean(junk[i], &t), -EINVAL);
		ck_assert_int_eq(mcr_parse_boolean(junk[i], &f), -EINVAL);
		ck_assert(t && !f);
	}
}
END_TEST

START_TEST(percents_are_in_hundredths)
{
	assert_percent("0%", 0);
	assert_percent("10%", 1000);
	assert_percent("0.5%", 50);
	assert_percent("12.34%", 1234);
	assert_percent("99.999%", 9999);
	assert_percent("100%", 10000);
	assert_percent("100.00%", 10000);
}
END_TEST

START_TEST(more_than_100_percent_is_out_of_range)
{
	assert_no_percent("101%", -ERANGE);
	assert_no_percent("100.01%", -ERANGE);
	assert_no_percent("4294967297%", -ERANGE);
	assert_no_percent("18446744073709551616%", -ERANGE);
}
END_TEST

START_TEST(percents_that_are_none_are_refused)
{
	static const char *const junk[] = { "", "%", "10", "10 %", "10%%", "-1%", ".5%", "1.%", "1% ", "x%" };

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		assert_no_percent(junk[i], -EINVAL);
}
END_TEST

TEST_MAIN("parse", a_bare_number_is_seconds, every_time_unit_has_its_factor,
	  times_add_up_with_or_without_spaces, fractions_finer_than_a_thousandth_are_cut,
	  times_that_are_none_are_refused, a_time_may_be_as_long_as_64_bits_hold_and_no_longer,
	  a_sum_or_fraction_that_overflows_is_out_of_range, sizes_have_base_1024, sizes_may_have_a_fraction,
	  sizes_that_are_none_are_refused, a_size_may_be_as_large_as_64_bits_hold_and_no_larger,
	  booleans_are_the_words_of_systemd_in_any_case,
	  other_words_are_no_booleans_and_leave_ret_untouched, percents_are_in_hundredths,
	  more_than_100_percent_is_out_of_range, percents_that_are_none_are_refused)

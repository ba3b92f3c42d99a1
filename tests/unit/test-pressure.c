/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pressure.h"

#include <errno.h>

#include "main.h"
#include "util.h"

#define MEMINFO "MemTotal:       2000 kB\nMemFree:          10 kB\nMemAvailable:   1000 kB\n"

START_TEST(psi_is_read_in_hundredths)
{
	unsigned int v = UNTOUCHED;

	ck_assert_int_eq(mcr_psi_parse("some avg10=0.00 avg60=9.00 avg300=9.00 total=9", &v), 0);
	ck_assert_uint_eq(v, 0);
	ck_assert_int_eq(mcr_psi_parse("some avg10=1.05 avg60=9.00 avg300=9.00 total=9", &v), 0);
	ck_assert_uint_eq(v, 105);
	ck_assert_int_eq(mcr_psi_parse("some avg10=100.00 avg60=9.00 avg300=9.00 total=9", &v), 0);
	ck_assert_uint_eq(v, 10000);
}
END_TEST

START_TEST(what_is_no_psi_leaves_ret_untouched)
{
	static const char *const junk[] = { "", "some", "some avg10=", "some avg10=x", "some avg10=5",
					    "full avg10=1.00", "avg10=1.00", " avg10=1.00 some" };

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		unsigned int v = UNTOUCHED;

		ck_assert_int_eq(mcr_psi_parse(junk[i], &v), -EINVAL);
		ck_assert_uint_eq(v, UNTOUCHED);
	}
}
END_TEST

START_TEST(pressure_comes_from_two_files_of_proc)
{
	struct mcr_pressure p;

	ck_assert_int_eq(mkdirat(temp_fd, "pressure", 0700), 0);
	put_file(temp_fd, "pressure/memory", "some avg10=2.50 avg60=0.00 avg300=0.00 total=1\n"
					     "full avg10=1.00 avg60=0.00 avg300=0.00 total=1\n");
	put_file(temp_fd, "meminfo", MEMINFO);
	ck_assert_int_eq(mcr_pressure_read(temp_fd, &p), 0);
	ck_assert(p.psi);
	ck_assert_uint_eq(p.some_avg10_centi, 250);
	ck_assert_uint_eq(p.total_bytes, 2000 * 1024);
	ck_assert_uint_eq(p.available_bytes, 1000 * 1024);
}
END_TEST

START_TEST(a_kernel_without_psi_still_has_free_memory)
{
	struct mcr_pressure p;

	put_file(temp_fd, "meminfo", MEMINFO);
	ck_assert_int_eq(mcr_pressure_read(temp_fd, &p), 0);
	ck_assert(!p.psi);
	ck_assert_uint_eq(p.available_bytes, 1000 * 1024);
}
END_TEST

START_TEST(without_meminfo_nothing_is_said)
{
	struct mcr_pressure p = { .total_bytes = UNTOUCHED };

	ck_assert_int_eq(mcr_pressure_read(temp_fd, &p), -ENOENT);
	put_file(temp_fd, "meminfo", "MemTotal:       2000 kB\n");
	ck_assert_int_eq(mcr_pressure_read(temp_fd, &p), -EINVAL);
	put_file(temp_fd, "meminfo", "MemAvailable:   2000 kB\n");
	ck_assert_int_eq(mcr_pressure_read(temp_fd, &p), -EINVAL);
	ck_assert_uint_eq(p.total_bytes, UNTOUCHED);
}
END_TEST

START_TEST(pressure_at_the_limit_is_quiet_and_above_it_is_not)
{
	const struct mcr_pressure_limits limits = { .some_avg10_centi = 1000 };
	struct mcr_pressure p = { .psi = true, .some_avg10_centi = 1000, .total_bytes = 100,
				  .available_bytes = 100 };

	ck_assert_ptr_null(mcr_pressure_exceeds(&p, &limits));
	p.some_avg10_centi = 1001;
	ck_assert_ptr_nonnull(strstr(mcr_pressure_exceeds(&p, &limits), "PressureMaxPct="));
}
END_TEST

START_TEST(a_limit_of_zero_never_minds_pressure)
{
	const struct mcr_pressure_limits limits = { 0 };
	const struct mcr_pressure p = { .psi = true, .some_avg10_centi = 10000, .total_bytes = 100 };

	ck_assert_ptr_null(mcr_pressure_exceeds(&p, &limits));
}
END_TEST

START_TEST(figures_that_the_kernel_does_not_have_are_not_compared)
{
	const struct mcr_pressure_limits limits = { .some_avg10_centi = 1 };
	const struct mcr_pressure p = { .psi = false, .some_avg10_centi = 10000, .total_bytes = 100,
					.available_bytes = 100 };

	ck_assert_ptr_null(mcr_pressure_exceeds(&p, &limits));
}
END_TEST

START_TEST(too_little_available_memory_is_named)
{
	const struct mcr_pressure_limits limits = { .available_centi = 500 };
	struct mcr_pressure p = { .total_bytes = 1ULL << 50, .available_bytes = (1ULL << 50) / 10000 * 500 };

	ck_assert_ptr_null(mcr_pressure_exceeds(&p, &limits));
	p.available_bytes--;
	ck_assert_ptr_nonnull(strstr(mcr_pressure_exceeds(&p, &limits), "AvailableMinPct="));
	p.available_bytes = 0;
	ck_assert_ptr_nonnull(strstr(mcr_pressure_exceeds(&p, &limits), "AvailableMinPct="));
}
END_TEST

START_TEST(a_share_below_one_percent_counts)
{
	const struct mcr_pressure_limits limits = { .available_centi = 50 };
	struct mcr_pressure p = { .total_bytes = 1000000, .available_bytes = 5000 };

	ck_assert_ptr_null(mcr_pressure_exceeds(&p, &limits));
	p.available_bytes--;
	ck_assert_ptr_nonnull(strstr(mcr_pressure_exceeds(&p, &limits), "AvailableMinPct="));
}
END_TEST

TEST_MAIN("pressure", psi_is_read_in_hundredths, what_is_no_psi_leaves_ret_untouched,
	  pressure_comes_from_two_files_of_proc, a_kernel_without_psi_still_has_free_memory,
	  without_meminfo_nothing_is_said, pressure_at_the_limit_is_quiet_and_above_it_is_not,
	  a_limit_of_zero_never_minds_pressure, figures_that_the_kernel_does_not_have_are_not_compared,
	  too_little_available_memory_is_named, a_share_below_one_percent_counts)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nodes.h"

#include "main.h"

START_TEST(the_end_of_a_list_is_one_past_its_last_number)
{
	ck_assert_uint_eq(mcr_list_end("0"), 1);
	ck_assert_uint_eq(mcr_list_end("0-3"), 4);
	ck_assert_uint_eq(mcr_list_end("0-3,8"), 9);
	ck_assert_uint_eq(mcr_list_end("0,2-127"), 128);
}
END_TEST

START_TEST(what_is_no_list_has_no_end)
{
	ck_assert_uint_eq(mcr_list_end(""), 0);
	ck_assert_uint_eq(mcr_list_end("-"), 0);
	ck_assert_uint_eq(mcr_list_end("0-3,"), 0);
	ck_assert_uint_eq(mcr_list_end("0-3\n"), 0);
	ck_assert_uint_eq(mcr_list_end("none"), 0);
}
END_TEST

START_TEST(a_number_that_does_not_fit_has_no_end)
{
	ck_assert_uint_eq(mcr_list_end("0-4294967294"), 4294967295U);
	ck_assert_uint_eq(mcr_list_end("0-4294967295"), 0);
	ck_assert_uint_eq(mcr_list_end("0-18446744073709551616"), 0);
}
END_TEST

START_TEST(every_machine_has_a_node_and_a_cpu)
{
	ck_assert_uint_ge(mcr_numa_nodes(), 1);
	ck_assert_uint_ge(mcr_possible_cpus(), 1);
	if (access("/sys/devices/system/cpu/possible", R_OK) == 0)	/* not in every chroot */
		ck_assert_int_ge(mcr_possible_cpus(), sysconf(_SC_NPROCESSORS_ONLN));
}
END_TEST

TEST_MAIN("nodes", the_end_of_a_list_is_one_past_its_last_number, what_is_no_list_has_no_end,
	  a_number_that_does_not_fit_has_no_end, every_machine_has_a_node_and_a_cpu)

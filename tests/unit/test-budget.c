/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "budget.h"

#include "main.h"
#include "util.h"

#define SEC MCR_NSEC_PER_SEC
#define MSEC (MCR_NSEC_PER_SEC / 1000)
#define START (1000 * SEC)

/* A thousand bytes per second, all spent. */
static struct budget empty(void)
{
	struct budget b;

	budget_init(&b, 1000, MCR_USEC_PER_SEC, START);
	budget_spend(&b, 1000, START);
	return b;
}

START_TEST(a_new_budget_is_full)
{
	struct budget b;

	budget_init(&b, 1000, MCR_USEC_PER_SEC, START);
	ck_assert_uint_eq(budget_left(&b, START), 1000);
}
END_TEST

START_TEST(what_is_spent_is_gone)
{
	struct budget b;

	budget_init(&b, 1000, MCR_USEC_PER_SEC, START);
	budget_spend(&b, 300, START);
	ck_assert_uint_eq(budget_left(&b, START), 700);
	budget_spend(&b, 700, START);
	ck_assert_uint_eq(budget_left(&b, START), 0);
}
END_TEST

START_TEST(more_than_is_there_leaves_nothing_and_no_debt)
{
	struct budget b;

	budget_init(&b, 1000, MCR_USEC_PER_SEC, START);
	budget_spend(&b, UINT64_MAX, START);
	ck_assert_uint_eq(budget_left(&b, START), 0);
	ck_assert_uint_eq(budget_left(&b, START + SEC / 2), 500);
}
END_TEST

START_TEST(it_fills_up_steadily)
{
	struct budget b = empty();

	ck_assert_uint_eq(budget_left(&b, START + SEC / 4), 250);
	ck_assert_uint_eq(budget_left(&b, START + SEC / 2), 500);
	budget_spend(&b, 100, START + SEC / 2);
	ck_assert_uint_eq(budget_left(&b, START + SEC), 900);
}
END_TEST

START_TEST(it_never_overflows)
{
	struct budget b = empty();

	ck_assert_uint_eq(budget_left(&b, START + SEC), 1000);
	ck_assert_uint_eq(budget_left(&b, START + 3600 * SEC), 1000);
	budget_spend(&b, 1, START + 3600 * SEC);
	ck_assert_uint_eq(budget_left(&b, START + 3600 * SEC), 999);
}
END_TEST

START_TEST(steps_too_small_for_a_byte_add_up)
{
	struct budget b = empty();

	for (uint64_t t = START; t <= START + 100 * MSEC; t += MSEC / 10)
		budget_left(&b, t);
	ck_assert_uint_eq(budget_left(&b, START + 100 * MSEC), 100);
}
END_TEST

START_TEST(nanosecond_steps_add_up)
{
	struct budget b = empty();

	for (uint64_t t = START; t <= START + 2 * MSEC; t += 999)
		budget_left(&b, t);
	ck_assert_uint_eq(budget_left(&b, START + 2 * MSEC + 999), 2);
}
END_TEST

START_TEST(the_largest_budget_does_not_wrap)
{
	struct budget b;

	budget_init(&b, UINT64_MAX, 1, 0);
	budget_spend(&b, UINT64_MAX, 0);
	ck_assert_uint_eq(budget_left(&b, 0), 0);
	ck_assert_uint_eq(budget_left(&b, UINT64_MAX), UINT64_MAX);

	budget_init(&b, UINT64_MAX, UINT64_MAX / MCR_NSEC_PER_USEC, 0);
	budget_spend(&b, UINT64_MAX, 0);
	ck_assert_uint_gt(budget_left(&b, UINT64_MAX / 2), UINT64_MAX / 2 - UINT64_MAX / 1000);
	ck_assert_uint_lt(budget_left(&b, UINT64_MAX / 2), UINT64_MAX / 2 + UINT64_MAX / 1000);
}
END_TEST

START_TEST(a_budget_of_nothing_stays_nothing)
{
	struct budget b;

	budget_init(&b, 0, MCR_USEC_PER_SEC, START);
	ck_assert_uint_eq(budget_left(&b, START + 1000 * SEC), 0);
}
END_TEST

START_TEST(no_time_at_all_refills_at_once)
{
	struct budget b;

	budget_init(&b, 1000, 0, START);
	budget_spend(&b, 1000, START);
	ck_assert_uint_eq(budget_left(&b, START + 1000), 1000);
}
END_TEST

START_TEST(resizing_keeps_what_was_spent)
{
	struct budget b;

	budget_init(&b, 1000, MCR_USEC_PER_SEC, START);
	budget_spend(&b, 300, START);
	budget_resize(&b, 2000, MCR_USEC_PER_SEC, START);
	ck_assert_uint_eq(budget_left(&b, START), 1700);
	budget_resize(&b, 500, MCR_USEC_PER_SEC, START);
	ck_assert_uint_eq(budget_left(&b, START), 200);
	budget_resize(&b, 100, MCR_USEC_PER_SEC, START);
	ck_assert_uint_eq(budget_left(&b, START), 0);
}
END_TEST

START_TEST(resizing_counts_what_came_back_until_then_at_the_old_pace)
{
	struct budget b = empty();

	budget_resize(&b, 1000, 10 * MCR_USEC_PER_SEC, START + SEC / 2);
	ck_assert_uint_eq(budget_left(&b, START + SEC / 2), 500);
	ck_assert_uint_eq(budget_left(&b, START + SEC / 2 + SEC), 600);	/* and then at the new */
}
END_TEST

START_TEST(resizing_an_unused_budget_makes_a_full_one)
{
	struct budget b = { 0 };

	budget_resize(&b, 1000, MCR_USEC_PER_SEC, START);
	ck_assert_uint_eq(budget_left(&b, START), 1000);
}
END_TEST

START_TEST(a_full_budget_is_full_at_its_new_size)
{
	struct budget b;

	budget_init(&b, 1000, MCR_USEC_PER_SEC, START);
	budget_resize(&b, 5000, MCR_USEC_PER_SEC, START + SEC);
	ck_assert_uint_eq(budget_left(&b, START + SEC), 5000);
	budget_resize(&b, 0, MCR_USEC_PER_SEC, START + SEC);
	ck_assert_uint_eq(budget_left(&b, START + SEC), 0);
	budget_resize(&b, 1000, MCR_USEC_PER_SEC, START + SEC);
	ck_assert_uint_eq(budget_left(&b, START + SEC), 1000);
}
END_TEST

START_TEST(resizing_to_the_same_size_changes_nothing)
{
	struct budget b = empty(), same = empty();

	for (uint64_t t = START; t <= START + SEC; t += SEC / 20)
		budget_resize(&b, 1000, MCR_USEC_PER_SEC, t);
	ck_assert_uint_eq(budget_left(&b, START + SEC), budget_left(&same, START + SEC));
}
END_TEST

TEST_MAIN("budget", a_new_budget_is_full, what_is_spent_is_gone,
	  more_than_is_there_leaves_nothing_and_no_debt, it_fills_up_steadily, it_never_overflows,
	  steps_too_small_for_a_byte_add_up, nanosecond_steps_add_up, the_largest_budget_does_not_wrap,
	  a_budget_of_nothing_stays_nothing, no_time_at_all_refills_at_once,
	  resizing_keeps_what_was_spent, resizing_counts_what_came_back_until_then_at_the_old_pace,
	  resizing_an_unused_budget_makes_a_full_one, a_full_budget_is_full_at_its_new_size,
	  resizing_to_the_same_size_changes_nothing)

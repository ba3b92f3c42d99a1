/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pintally.h"

#include "main.h"

static struct mcr_pin_tally tally;

static void assert_sum(size_t i, enum mcr_pin_kind kind, uint64_t zombies, uint64_t bytes)
{
	ck_assert_uint_lt(i, tally.n);
	ck_assert_msg(tally.sums[i].kind == kind, "%s at %zu, not %s", mcr_pin_kind_name(tally.sums[i].kind), i,
		      mcr_pin_kind_name(kind));
	ck_assert_uint_eq(tally.sums[i].zombies, zombies);
	ck_assert_uint_eq(tally.sums[i].bytes, bytes);
}

START_TEST(nothing_has_no_sums)
{
	ck_assert_uint_eq(tally.n, 0);
}
END_TEST

START_TEST(one_kind_is_one_sum)
{
	mcr_pin_tally_add(&tally, MCR_PIN_TMPFS, 4096);
	mcr_pin_tally_add(&tally, MCR_PIN_TMPFS, 100);
	ck_assert_uint_eq(tally.n, 1);
	assert_sum(0, MCR_PIN_TMPFS, 2, 4196);
}
END_TEST

START_TEST(most_zombies_come_first_then_most_bytes)
{
	mcr_pin_tally_add(&tally, MCR_PIN_FILE, 1 << 20);
	mcr_pin_tally_add(&tally, MCR_PIN_SWAP, 1 << 21);
	mcr_pin_tally_add(&tally, MCR_PIN_ANON, 1);
	assert_sum(0, MCR_PIN_SWAP, 1, 1 << 21);
	assert_sum(1, MCR_PIN_FILE, 1, 1 << 20);
	assert_sum(2, MCR_PIN_ANON, 1, 1);
	mcr_pin_tally_add(&tally, MCR_PIN_ANON, 1);
	assert_sum(0, MCR_PIN_ANON, 2, 2);
	assert_sum(1, MCR_PIN_SWAP, 1, 1 << 21);
	assert_sum(2, MCR_PIN_FILE, 1, 1 << 20);
}
END_TEST

START_TEST(there_is_room_for_every_kind)
{
	for (unsigned int round = 1; round <= 2; round++)
		for (unsigned int kind = 0; kind < MCR_PIN_KINDS; kind++)
			mcr_pin_tally_add(&tally, kind, kind);
	ck_assert_uint_eq(tally.n, MCR_PIN_KINDS);
	for (unsigned int i = 0; i < MCR_PIN_KINDS; i++)
		assert_sum(i, MCR_PIN_KINDS - 1 - i, 2, 2 * (MCR_PIN_KINDS - 1 - i));
}
END_TEST

TEST_MAIN("pintally", nothing_has_no_sums, one_kind_is_one_sum, most_zombies_come_first_then_most_bytes,
	  there_is_room_for_every_kind)

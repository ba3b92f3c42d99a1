/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "advice.h"

#include "main.h"
#include "pins.h"
#include "util.h"

static void assert_text(struct mcr_pin p, const char *part)
{
	ck_assert_msg(strstr(advice_text(&p), part) != NULL, "'%s' has no '%s'", advice_text(&p), part);
}

static void assert_command(struct mcr_pin p, const char *command)
{
	const char *got = advice_command(&p, 4711);

	ck_assert_msg(command ? got && strcmp(got, command) == 0 : !got, "%s: '%s', not '%s'", mcr_pin_kind_name(p.kind),
		      got ? got : "none", command ? command : "none");
}

START_TEST(each_kind_of_pin_has_a_name_and_a_text)
{
	const struct mcr_pin none = { .kind = MCR_PIN_KINDS };

	for (unsigned int kind = 0; kind < MCR_PIN_KINDS; kind++) {
		const struct mcr_pin p = { .kind = kind };
		const char *text = advice_text(&p);

		ck_assert_ptr_nonnull(mcr_pin_kind_name(kind));
		ck_assert_str_ne(mcr_pin_kind_name(kind), "?");
		ck_assert_msg(strcmp(text, advice_text(&none)) != 0, "no text for %s", mcr_pin_kind_name(kind));
		for (unsigned int other = 0; other < kind; other++)
			ck_assert_str_ne(mcr_pin_kind_name(kind), mcr_pin_kind_name(other));
	}
}
END_TEST

START_TEST(a_text_is_one_sentence_without_its_dot)
{
	for (unsigned int kind = 0; kind <= MCR_PIN_KINDS; kind++) {
		const struct mcr_pin p = { .kind = kind };
		const char *text = advice_text(&p);

		ck_assert_uint_gt(strlen(text), 5);
		ck_assert_ptr_null(strchr(text, '\n'));
		ck_assert_int_ne(text[strlen(text) - 1], '.');
	}
}
END_TEST

START_TEST(an_unknown_kind_has_no_command)
{
	ck_assert_str_eq(mcr_pin_kind_name(MCR_PIN_KINDS), "?");
	assert_command((struct mcr_pin){ .kind = MCR_PIN_KINDS }, NULL);
	assert_text((struct mcr_pin){ .kind = MCR_PIN_KINDS }, "nothing is known");
}
END_TEST

START_TEST(metadata_is_of_the_file_system_it_is_of)
{
	assert_text((struct mcr_pin){ .kind = MCR_PIN_BLOCK_DEVICE, .fstype = "ext4" }, "of ext4: goes after a sync and a checkpoint");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_METADATA, .fstype = "btrfs" }, "of btrfs: goes after a sync, which");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_BLOCK_DEVICE }, "read from the device itself");
}
END_TEST

START_TEST(page_cache_is_reaped)
{
	const struct mcr_pin p = { .kind = MCR_PIN_FILE };

	assert_text(p, "reclaimed");
	assert_command(p, "memcg-reaper reap");
}
END_TEST

START_TEST(mapped_page_cache_is_reaped_at_a_cost)
{
	const struct mcr_pin p = { .kind = MCR_PIN_FILE, .mapped_bytes = 4096 };

	assert_text(p, "who maps it");
	assert_command(p, "memcg-reaper reap");
}
END_TEST

START_TEST(dirty_page_cache_is_written_first)
{
	const struct mcr_pin p = { .kind = MCR_PIN_FILE, .dirty_bytes = 4096, .mapped_bytes = 4096 };

	assert_text(p, "written");
	assert_command(p, "sync && memcg-reaper reap");
}
END_TEST

START_TEST(no_command_frees_what_is_locked)
{
	const struct mcr_pin p = { .kind = MCR_PIN_FILE, .locked = true, .dirty_bytes = 4096, .mapped_bytes = 4096 };

	assert_text(p, "locked");
	assert_command(p, NULL);
}
END_TEST

START_TEST(what_the_reaper_sees_to_by_itself_is_reaped)
{
	static const enum mcr_pin_kind kinds[] = {
		MCR_PIN_BLOCK_DEVICE, MCR_PIN_METADATA, MCR_PIN_WRITEBACK, MCR_PIN_NO_FILE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_command((struct mcr_pin){ .kind = kinds[i] }, "memcg-reaper reap");
}
END_TEST

START_TEST(shared_memory_is_given_to_an_owner_and_not_destroyed)
{
	static const enum mcr_pin_kind kinds[] = { MCR_PIN_TMPFS, MCR_PIN_MEMFD, MCR_PIN_SYSV, MCR_PIN_SHARED_ANON };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_command((struct mcr_pin){ .kind = kinds[i], .nlink = 1 }, "memcg-reaper recharge 4711");
}
END_TEST

START_TEST(the_largest_id_has_room)
{
	const struct mcr_pin p = { .kind = MCR_PIN_MEMFD };

	ck_assert_str_eq(advice_command(&p, UINT64_MAX), "memcg-reaper recharge 18446744073709551615");
}
END_TEST

START_TEST(no_command_takes_what_somebody_uses)
{
	static const enum mcr_pin_kind kinds[] = {
		MCR_PIN_KERNEL_SHMEM, MCR_PIN_ANON, MCR_PIN_KSM, MCR_PIN_SWAP, MCR_PIN_CHILD, MCR_PIN_PROCESS, MCR_PIN_MM,
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_command((struct mcr_pin){ .kind = kinds[i], .nlink = 1, .pid = 1, .count = 1 }, NULL);
}
END_TEST

START_TEST(no_command_is_needed_for_what_goes_by_itself)
{
	static const enum mcr_pin_kind kinds[] = { MCR_PIN_SWAP_CACHE, MCR_PIN_VANISHED, MCR_PIN_STOCK };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_command((struct mcr_pin){ .kind = kinds[i] }, NULL);
}
END_TEST

START_TEST(only_a_process_that_was_seen_to_have_ended_is_said_to_have)
{
	assert_text((struct mcr_pin){ .kind = MCR_PIN_PROCESS, .pid = 7 }, "was not waited for");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_PROCESS, .count = 3 }, "when they end");
}
END_TEST

START_TEST(a_tmpfs_file_stays_while_it_has_a_name)
{
	assert_text((struct mcr_pin){ .kind = MCR_PIN_TMPFS, .nlink = 1 }, "stays as long as the file is there");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_TMPFS, .nlink = 0 }, "deleted");
}
END_TEST

START_TEST(each_kind_of_shared_memory_says_who_keeps_it)
{
	assert_text((struct mcr_pin){ .kind = MCR_PIN_MEMFD }, "closes it");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_SYSV }, "detached");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_SHARED_ANON }, "maps it ends");
	assert_text((struct mcr_pin){ .kind = MCR_PIN_KERNEL_SHMEM }, "driver");
}
END_TEST

TEST_MAIN("advice", each_kind_of_pin_has_a_name_and_a_text, a_text_is_one_sentence_without_its_dot,
	  an_unknown_kind_has_no_command, metadata_is_of_the_file_system_it_is_of, page_cache_is_reaped,
	  mapped_page_cache_is_reaped_at_a_cost, dirty_page_cache_is_written_first,
	  no_command_frees_what_is_locked,
	  what_the_reaper_sees_to_by_itself_is_reaped, shared_memory_is_given_to_an_owner_and_not_destroyed, the_largest_id_has_room,
	  no_command_takes_what_somebody_uses, no_command_is_needed_for_what_goes_by_itself,
	  only_a_process_that_was_seen_to_have_ended_is_said_to_have,
	  a_tmpfs_file_stays_while_it_has_a_name, each_kind_of_shared_memory_says_who_keeps_it)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinset.h"

#include <sys/sysmacros.h>

#include "main.h"
#include "util.h"

#define PAGE 4096
#define MAPPING 0x1000

static struct pins_run pages(uint64_t mapping, uint64_t index, uint32_t n)
{
	return (struct pins_run){ .mapping = mapping, .index = index, .pages = n, .folios = n, .list = 1 };
}

static struct mcr_pin sum_of(struct pins_run *run, size_t n)
{
	struct mcr_runs runs = { .run = run, .n = n };
	struct mcr_pin pin;

	mcr_runs_sort(&runs);
	ck_assert_uint_eq(mcr_runs_same(run, n), n);
	ck_assert_int_eq(mcr_pin_sum(run, n, PAGE, &pin), 0);
	return pin;
}

static void assert_range(const struct mcr_pin *pin, size_t i, uint64_t offset, uint64_t len)
{
	ck_assert_uint_lt(i, pin->n_ranges);
	ck_assert_uint_eq(pin->ranges[i].offset, offset * PAGE);
	ck_assert_uint_eq(pin->ranges[i].len, len * PAGE);
}

START_TEST(a_list_begun_anew_takes_its_runs_with_it)
{
	struct mcr_runs runs = { .n = 0 };
	struct pins_run first[] = { pages(MAPPING, 0, 1), pages(MAPPING, 5, 1) };
	struct pins_run second[] = {
		{ .flags = PINS_RESTARTED, .list = 2 }, pages(MAPPING, 7, 2),
	};

	first[1].list = 2;
	second[1].list = 3;
	ck_assert_int_eq(mcr_runs_add(&runs, first, 2), 0);
	ck_assert_int_eq(mcr_runs_add(&runs, second, 2), 0);
	ck_assert_uint_eq(runs.n, 2);
	ck_assert_uint_eq(runs.run[0].index, 0);
	ck_assert_uint_eq(runs.run[1].index, 7);
	ck_assert_uint_eq(mcr_runs_folios(&runs), 3);
	free(runs.run);
}
END_TEST

START_TEST(a_list_begun_anew_before_it_had_any_run_takes_none)
{
	struct mcr_runs runs = { .n = 0 };
	struct pins_run portion[] = { pages(MAPPING, 0, 4), { .flags = PINS_RESTARTED, .list = 2 } };

	ck_assert_int_eq(mcr_runs_add(&runs, portion, 2), 0);
	ck_assert_uint_eq(mcr_runs_folios(&runs), 4);
	free(runs.run);
}
END_TEST

START_TEST(neighbours_become_one_range)
{
	struct pins_run run[] = { pages(MAPPING, 10, 2), pages(MAPPING, 0, 3), pages(MAPPING, 3, 1) };
	struct mcr_pin pin = sum_of(run, 3);

	ck_assert_uint_eq(pin.refs, 6);
	ck_assert_uint_eq(pin.bytes, 6 * PAGE);
	ck_assert_uint_eq(pin.n_ranges, 2);
	assert_range(&pin, 0, 0, 4);
	assert_range(&pin, 1, 10, 2);
	free(pin.ranges);
}
END_TEST

START_TEST(a_page_of_a_file_met_twice_counts_once)
{
	struct pins_run run[] = { pages(MAPPING, 0, 4), pages(MAPPING, 2, 4), pages(MAPPING, 1, 1) };
	struct mcr_pin pin;

	run[1].dirty = 4;
	pin = sum_of(run, 3);
	ck_assert_uint_eq(pin.refs, 6);
	ck_assert_uint_eq(pin.bytes, 6 * PAGE);
	ck_assert_uint_le(pin.dirty_bytes, 4 * PAGE);
	ck_assert_uint_eq(pin.n_ranges, 1);
	assert_range(&pin, 0, 0, 6);
	free(pin.ranges);
}
END_TEST

/* After a fork two pages of one place may both be there, one of them the child's. */
START_TEST(private_pages_of_one_place_are_different_pages)
{
	struct pins_run run[] = { pages(MAPPING | 1, 7, 1), pages(MAPPING | 1, 7, 1) };
	struct mcr_pin pin = sum_of(run, 2);

	ck_assert_uint_eq(pin.refs, 2);
	ck_assert_ptr_null(pin.ranges);
}
END_TEST

START_TEST(a_huge_page_is_one_reference)
{
	struct pins_run run[] = { { .mapping = MAPPING, .index = 512, .pages = 512, .folios = 1, .flags = PINS_LARGE } };
	struct mcr_pin pin = sum_of(run, 1);

	ck_assert_uint_eq(pin.refs, 1);
	ck_assert_uint_eq(pin.bytes, 512 * PAGE);
	ck_assert(pin.large);
	assert_range(&pin, 0, 512, 512);
	free(pin.ranges);
}
END_TEST

START_TEST(huge_offsets_do_not_overflow)
{
	struct pins_run run[] = { pages(MAPPING, (1ULL << 51) - 1, 1) };
	struct mcr_pin pin = sum_of(run, 1);

	ck_assert_uint_eq(pin.ranges[0].offset, ((1ULL << 51) - 1) * PAGE);
	free(pin.ranges);
}
END_TEST

START_TEST(pages_without_a_file_are_two_kinds)
{
	struct pins_run run[] = { pages(0, 0, 3), pages(0, 0, 2), pages(MAPPING, 0, 1) };
	struct mcr_runs runs = { .run = run, .n = 3 };
	struct mcr_pin pin;

	run[0].flags = PINS_SWAPCACHE;
	mcr_runs_sort(&runs);
	ck_assert_uint_eq(mcr_runs_same(run, 3), 1);
	ck_assert_int_eq(mcr_pin_sum(run, 1, PAGE, &pin), 0);
	ck_assert_int_eq(pin.kind, MCR_PIN_NO_FILE);
	ck_assert_uint_eq(pin.refs, 2);
	ck_assert_int_eq(mcr_pin_sum(run + 1, 1, PAGE, &pin), 0);
	ck_assert_int_eq(pin.kind, MCR_PIN_SWAP_CACHE);
	ck_assert_uint_eq(pin.refs, 3);
}
END_TEST

static struct mcr_pin named(const struct pins_answer *a, const char *names, size_t bytes)
{
	struct mcr_pin pin = { .kind = MCR_PIN_VANISHED };

	ck_assert_int_eq(mcr_pin_name(&pin, a, names, bytes), 0);
	return pin;
}

START_TEST(a_path_is_put_together_from_its_end)
{
	static const char names[] = "xxname\0dir\0top";
	const struct pins_answer a = { .magic = 0xef53, .ino = 12, .dev = 254 << 20 | 3, .name = 2, .name_len = 13 };
	struct mcr_pin pin = named(&a, names, sizeof(names));

	ck_assert_int_eq(pin.kind, MCR_PIN_FILE);
	ck_assert_str_eq(pin.name, "/top/dir/name");
	ck_assert_uint_eq(pin.dev, makedev(254, 3));
	free(pin.name);
}
END_TEST

START_TEST(the_root_of_a_file_system_has_a_name)
{
	const struct pins_answer a = { .magic = 0xef53, .ino = 2 };
	struct mcr_pin pin = named(&a, "", 1);

	ck_assert_str_eq(pin.name, "/");
	free(pin.name);
}
END_TEST

START_TEST(without_a_name_in_memory_there_is_none)
{
	const struct pins_answer a = { .magic = 0xef53, .ino = 99, .flags = PINS_NAMELESS };
	struct mcr_pin pin = named(&a, "", 1);

	ck_assert_int_eq(pin.kind, MCR_PIN_FILE);
	ck_assert_ptr_null(pin.name);
	ck_assert_uint_eq(pin.ino, 99);
}
END_TEST

START_TEST(a_stale_answer_is_not_believed)
{
	static const char names[] = "secret";
	const struct pins_answer a = { .magic = 0xef53, .ino = 99, .name_len = 7, .flags = PINS_STALE };
	struct mcr_pin pin = named(&a, names, sizeof(names));

	ck_assert_int_eq(pin.kind, MCR_PIN_VANISHED);
	ck_assert_ptr_null(pin.name);
	ck_assert_uint_eq(pin.ino, 0);
}
END_TEST

START_TEST(shared_memory_is_told_by_its_name)
{
	static const struct {
		const char *name, *given;
		enum mcr_pin_kind kind;
	} cases[] = {
		{ "memfd:some name", "some name", MCR_PIN_MEMFD },
		{ "SYSV004d4352", "SYSV004d4352", MCR_PIN_SYSV },
		{ "SYSV", "SYSV", MCR_PIN_KERNEL_SHMEM },
		{ "dev/zero", "dev/zero", MCR_PIN_SHARED_ANON },
		{ "i915", "i915", MCR_PIN_KERNEL_SHMEM },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pins_answer a = {
			.magic = 0x01021994, .ino = 7, .flags = PINS_PSEUDO, .name_len = strlen(cases[i].name) + 1,
		};
		struct mcr_pin pin = named(&a, cases[i].name, a.name_len);

		ck_assert_int_eq(pin.kind, cases[i].kind);
		ck_assert_str_eq(pin.name, cases[i].given);
		ck_assert_int_eq(pin.shmid, pin.kind == MCR_PIN_SYSV ? 7 : 0);
		ck_assert_uint_eq(pin.key, pin.kind == MCR_PIN_SYSV ? 0x4d4352 : 0);
		free(pin.name);
	}
}
END_TEST

START_TEST(a_tmpfs_file_called_like_one_is_a_tmpfs_file)
{
	static const char names[] = "memfd:not";
	const struct pins_answer a = { .magic = 0x01021994, .ino = 7, .name_len = sizeof(names) };
	struct mcr_pin pin = named(&a, names, sizeof(names));

	ck_assert_int_eq(pin.kind, MCR_PIN_TMPFS);
	ck_assert_str_eq(pin.name, "/memfd:not");
	free(pin.name);
}
END_TEST

START_TEST(a_file_systems_own_inodes_are_metadata)
{
	const struct pins_answer buddy = { .magic = 0xef53, .ino = 1, .flags = PINS_NAMELESS };
	const struct pins_answer bdev = { .magic = 0x62646576, .ino = 77, .rdev = 8 << 20 | 1 };
	struct mcr_pin pin = named(&buddy, "", 1);

	ck_assert_int_eq(pin.kind, MCR_PIN_METADATA);
	pin = named(&bdev, "", 1);
	ck_assert_int_eq(pin.kind, MCR_PIN_BLOCK_DEVICE);
	ck_assert_uint_eq(pin.rdev, makedev(8, 1));
}
END_TEST

START_TEST(names_out_of_bounds_are_refused)
{
	const struct pins_answer cases[] = {
		{ .magic = 0xef53, .name = 5, .name_len = 1 },
		{ .magic = 0xef53, .name = 1, .name_len = 4 },
		{ .magic = 0xef53, .name = 2, .name_len = UINT32_MAX },
		{ .magic = 0xef53, .name = 0, .name_len = 2 },	/* does not end */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mcr_pin pin = { .refs = UNTOUCHED };

		ck_assert_int_eq(mcr_pin_name(&pin, &cases[i], "abc", 4), -EPROTO);
		ck_assert_ptr_null(pin.name);
	}
}
END_TEST

START_TEST(private_memory_of_one_process_is_one_pin_and_the_largest_come_first)
{
	struct mcr_pins *p = calloc(1, sizeof(*p));
	const struct mcr_pin pins[] = {
		{ .kind = MCR_PIN_ANON, .pid = 5, .refs = 2, .bytes = 2 * PAGE },
		{ .kind = MCR_PIN_FILE, .ino = 1, .refs = 4 },
		{ .kind = MCR_PIN_ANON, .pid = 6, .refs = 1 },
		{ .kind = MCR_PIN_FILE, .ino = 2, .refs = 9 },
		{ .kind = MCR_PIN_ANON, .pid = 5, .refs = 3, .bytes = 3 * PAGE },
		{ .kind = MCR_PIN_FILE, .ino = 3, .refs = 4 },
	};

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++)
		ck_assert_int_eq(mcr_pins_add(p, &pins[i]), 0);
	mcr_pins_order(p);
	ck_assert_uint_eq(p->n, 5);
	ck_assert_uint_eq(p->pins[0].ino, 2);
	ck_assert_int_eq(p->pins[1].kind, MCR_PIN_ANON);
	ck_assert_uint_eq(p->pins[1].refs, 5);
	ck_assert_uint_eq(p->pins[1].bytes, 5 * PAGE);
	ck_assert_uint_eq(p->pins[2].ino, 1);
	ck_assert_uint_eq(p->pins[3].ino, 3);
	ck_assert_uint_eq(p->pins[4].pid, 6);
	mcr_pins_free(p);
}
END_TEST

static void assert_socket(const struct pins_ref *ref, const char *name)
{
	struct mcr_pin pin;

	ck_assert_int_eq(mcr_pin_from_ref(ref, &pin), 0);
	ck_assert_int_eq(pin.kind, MCR_PIN_SOCKET);
	ck_assert_str_eq(pin.name, name);
	free(pin.name);
}

START_TEST(entries_in_swap_hold_no_reference_of_their_own)
{
	struct pins_run run[] = { pages(MAPPING, 0, 8), pages(MAPPING, 8, 2), pages(MAPPING, 100, 4) };
	struct mcr_pin pin;
	struct pins_ask ask;

	run[0].flags = run[2].flags = PINS_SWAPPED;
	run[0].folios = run[2].folios = 0;
	run[1].folio = 0x77;
	pin = sum_of(run, 3);
	ck_assert_uint_eq(pin.refs, 2);
	ck_assert_uint_eq(pin.bytes, 2 * PAGE);
	ck_assert_uint_eq(pin.swap_bytes, 12 * PAGE);
	ck_assert_uint_eq(pin.n_ranges, 1);
	assert_range(&pin, 0, 8, 2);
	ck_assert_uint_eq(pin.n_swap_ranges, 2);
	ck_assert_uint_eq(pin.swap_ranges[0].offset, 0);
	ck_assert_uint_eq(pin.swap_ranges[0].len, 8 * PAGE);
	ck_assert_uint_eq(pin.swap_ranges[1].offset, 100 * PAGE);
	ck_assert_uint_eq(pin.swap_ranges[1].len, 4 * PAGE);
	free(pin.ranges);
	free(pin.swap_ranges);
	ask = mcr_runs_ask(run, 3);
	ck_assert_uint_eq(ask.folio, 0x77);
	ck_assert_uint_eq(ask.index, 8);
	run[1].folio = 0;
	ask = mcr_runs_ask(run, 3);
	ck_assert_uint_eq(ask.folio, 0);
	ck_assert_uint_eq(ask.mapping, MAPPING);
}
END_TEST

START_TEST(a_file_that_left_swap_while_it_was_asked_for_is_not_told)
{
	struct mcr_pins *p = calloc(1, sizeof(*p));
	struct mcr_pin pin = { .kind = MCR_PIN_VANISHED, .swap_bytes = PAGE };

	ck_assert_ptr_nonnull(p);
	pin.ranges = calloc(1, sizeof(*pin.ranges));
	ck_assert_int_eq(mcr_pins_add(p, &pin), 0);
	pin = (struct mcr_pin){ .kind = MCR_PIN_TMPFS, .swap_bytes = PAGE, .ino = 1 };
	ck_assert_int_eq(mcr_pins_add(p, &pin), 0);
	pin = (struct mcr_pin){ .kind = MCR_PIN_TMPFS, .swap_bytes = 2 * PAGE, .ino = 2 };
	ck_assert_int_eq(mcr_pins_add(p, &pin), 0);
	pin = (struct mcr_pin){ .kind = MCR_PIN_VANISHED, .refs = 1 };
	ck_assert_int_eq(mcr_pins_add(p, &pin), 0);
	mcr_pins_order(p);
	ck_assert_uint_eq(p->n, 3);
	ck_assert_int_eq(p->pins[0].kind, MCR_PIN_VANISHED);
	ck_assert_uint_eq(p->pins[1].ino, 2);
	ck_assert_uint_eq(p->pins[2].ino, 1);
	mcr_pins_free(p);
}
END_TEST

START_TEST(what_nobody_has_open_is_said_not_to_be)
{
	struct pins_ref ref = { .kind = PINS_REF_SOCKET, .family = 1, .count = PINS_SOCK_EMBRYO };
	struct mcr_pin pin;

	assert_socket(&ref, "unix (not accepted yet)");
	ref.count = PINS_SOCK_NOT_OPEN + 1;
	assert_socket(&ref, "unix");
	ref = (struct pins_ref){ .kind = PINS_REF_INOTIFY };
	ck_assert_int_eq(mcr_pin_from_ref(&ref, &pin), 0);
	ck_assert_ptr_null(pin.name);
	ref.count = PINS_SOCK_IN_FLIGHT;
	ck_assert_int_eq(mcr_pin_from_ref(&ref, &pin), 0);
	ck_assert_str_eq(pin.name, "(sent in a message, not received yet)");
	ck_assert_uint_eq(pin.count, 0);
	free(pin.name);
}
END_TEST

START_TEST(sockets_are_named_by_their_addresses)
{
	struct pins_ref ref = {
		.kind = PINS_REF_SOCKET, .family = 2, .protocol = 6, .local = { 127, 0, 0, 1 }, .local_port = 80,
		.remote = { 10, 0, 0, 9 }, .remote_port = 40000,
	};

	assert_socket(&ref, "tcp 127.0.0.1:80 -> 10.0.0.9:40000");
	ref.remote_port = 0;
	ref.protocol = 17;
	assert_socket(&ref, "udp 127.0.0.1:80");
	ref.protocol = 132;
	assert_socket(&ref, "protocol 132 127.0.0.1:80");
	ref = (struct pins_ref){ .kind = PINS_REF_SOCKET, .family = 10, .protocol = 6, .local = { [15] = 1 }, .local_port = 22 };
	assert_socket(&ref, "tcp [::1]:22");
	ref = (struct pins_ref){ .kind = PINS_REF_SOCKET, .family = 16 };
	assert_socket(&ref, "family 16");
}
END_TEST

START_TEST(local_sockets_are_named_by_path_or_not_at_all)
{
	struct pins_ref ref = { .kind = PINS_REF_SOCKET, .family = 1 };

	assert_socket(&ref, "unix");
	memcpy(ref.name, "/run/x", 7);
	ref.name_len = 7;
	assert_socket(&ref, "unix /run/x");
	memcpy(ref.name, "\0abstract", 9);
	ref.name_len = 9;
	assert_socket(&ref, "unix @abstract");
	memset(ref.name, 'x', sizeof(ref.name));
	ref.name_len = UINT32_MAX;
	ck_assert_int_eq(sizeof(ref.name), 108);
	ref.name[107] = '\0';
	ref.name_len = 108;
	ref.name[5] = '\0';
	assert_socket(&ref, "unix xxxxx");
}
END_TEST

START_TEST(an_unknown_reference_is_refused)
{
	const struct pins_ref ref = { .kind = PINS_REF_KINDS };
	struct mcr_pin pin = { .refs = UNTOUCHED };

	ck_assert_int_eq(mcr_pin_from_ref(&ref, &pin), -EPROTO);
	ck_assert_uint_eq(pin.refs, UNTOUCHED);
}
END_TEST

START_TEST(every_kind_has_a_name)
{
	for (int i = 0; i < MCR_PIN_KINDS; i++)
		ck_assert_str_ne(mcr_pin_kind_name(i), "?");
	ck_assert_str_eq(mcr_pin_kind_name(MCR_PIN_KINDS), "?");
}
END_TEST

TEST_MAIN("pinset", a_list_begun_anew_takes_its_runs_with_it, a_list_begun_anew_before_it_had_any_run_takes_none,
	  neighbours_become_one_range, a_page_of_a_file_met_twice_counts_once,
	  private_pages_of_one_place_are_different_pages, a_huge_page_is_one_reference, huge_offsets_do_not_overflow,
	  pages_without_a_file_are_two_kinds, a_path_is_put_together_from_its_end, the_root_of_a_file_system_has_a_name,
	  without_a_name_in_memory_there_is_none, a_stale_answer_is_not_believed, shared_memory_is_told_by_its_name,
	  a_tmpfs_file_called_like_one_is_a_tmpfs_file, a_file_systems_own_inodes_are_metadata,
	  names_out_of_bounds_are_refused, private_memory_of_one_process_is_one_pin_and_the_largest_come_first,
	  entries_in_swap_hold_no_reference_of_their_own, a_file_that_left_swap_while_it_was_asked_for_is_not_told,
	  what_nobody_has_open_is_said_not_to_be, sockets_are_named_by_their_addresses,
	  local_sockets_are_named_by_path_or_not_at_all, an_unknown_reference_is_refused,
	  every_kind_has_a_name)

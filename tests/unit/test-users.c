/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "users.h"

#include <sys/sysmacros.h>

#include "main.h"
#include "pins.h"
#include "util.h"

START_TEST(a_line_of_maps)
{
	struct mcr_mapping m;

	ck_assert_int_eq(mcr_mapping_parse("7f00a000-7f00d000 r-xp 00002000 fd:1f 1234567 /usr/lib/a b.so (deleted)\n", &m), 0);
	ck_assert_uint_eq(m.offset, 0x2000);
	ck_assert_uint_eq(m.len, 0x3000);
	ck_assert_uint_eq(m.dev, makedev(0xfd, 0x1f));
	ck_assert_uint_eq(m.ino, 1234567);
	ck_assert_int_eq(mcr_mapping_parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]", &m), 0);
	ck_assert_uint_eq(m.ino, 0);
}
END_TEST

START_TEST(what_is_no_line_of_maps)
{
	static const char *const cases[] = {
		"", "x", "1000-2000", "1000-2000 r--p", "1000-2000 r--p 0 fd:00", "2000-1000 r--p 0 fd:00 1",
		"1000 2000 r--p 0 fd:00 1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mcr_mapping m = { .len = UNTOUCHED };

		ck_assert_int_eq(mcr_mapping_parse(cases[i], &m), -EINVAL);
		ck_assert_uint_eq(m.len, UNTOUCHED);
	}
}
END_TEST

START_TEST(only_what_is_pinned_counts)
{
	const struct mcr_range ranges[] = { { 100, 50 }, { 200, 100 } };

	ck_assert_uint_eq(mcr_ranges_within(ranges, 2, 0, 1000), 150);
	ck_assert_uint_eq(mcr_ranges_within(ranges, 2, 0, 100), 0);
	ck_assert_uint_eq(mcr_ranges_within(ranges, 2, 120, 100), 50);
	ck_assert_uint_eq(mcr_ranges_within(ranges, 2, 210, 10), 10);
	ck_assert_uint_eq(mcr_ranges_within(ranges, 2, 300, 10), 0);
	ck_assert_uint_eq(mcr_ranges_within(ranges, 2, 110, UINT64_MAX), 140);
	ck_assert_uint_eq(mcr_ranges_within(NULL, 0, 0, 1000), 0);
}
END_TEST

/* A file and a /proc of one process that uses it; the pins that ask for it. */
static struct mcr_range range = { 4096, 8192 };
static struct mcr_pin asked[2];
static struct mcr_pins pins = { .pins = asked, .n = 2 };

static void make_process(const char *pid, const char *maps, bool open_it)
{
	int proc, dir;

	mkdirat(temp_fd, "proc", 0700);
	proc = openat(temp_fd, "proc", O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(mkdirat(proc, pid, 0700), 0);
	dir = openat(proc, pid, O_RDONLY | O_DIRECTORY);
	put_file(dir, "maps", maps);
	put_file(dir, "comm", "user\n");
	put_file(dir, "cgroup", "12:cpu:/old\n0::/system.slice/user.service\n");
	ck_assert_int_eq(mkdirat(dir, "fd", 0700), 0);
	if (open_it) {
		ck_assert_int_eq(symlinkat(temp_path("file"), dir, "fd/3"), 0);
		ck_assert_int_eq(symlinkat(temp_path("file"), dir, "fd/17"), 0);
	}
	close(dir);
	close(proc);
}

static void ask_for_file(void)
{
	struct stat st;

	put_file(temp_fd, "file", "content");
	ck_assert_int_eq(fstatat(temp_fd, "file", &st, 0), 0);
	asked[0] = (struct mcr_pin){ .kind = MCR_PIN_ANON, .pid = 42, .mapped_bytes = 12288 };
	asked[1] = (struct mcr_pin){
		.kind = MCR_PIN_FILE, .dev = st.st_dev, .stat_dev = st.st_dev, .ino = st.st_ino, .ranges = &range,
		.n_ranges = 1,
	};
}

START_TEST(a_process_that_maps_and_opens_it_is_one_user)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;
	char maps[512];

	ask_for_file();
	snprintf(maps, sizeof(maps),
		 "1000-3000 r--p 00000000 %02x:%02x %ju /file\n3000-9000 r--p 00002000 %02x:%02x %ju /file\n"
		 "9000-a000 rw-p 00000000 00:00 0\n",
		 major(asked[1].dev), minor(asked[1].dev), (uintmax_t)asked[1].ino, major(asked[1].dev),
		 minor(asked[1].dev), (uintmax_t)asked[1].ino);
	make_process("7", maps, true);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 1);
	ck_assert(u->complete);
	ck_assert_uint_eq(u->users[0].pin, 1);
	ck_assert_int_eq(u->users[0].pid, 7);
	ck_assert_uint_eq(u->users[0].mapped_bytes, 8192);
	ck_assert_uint_eq(u->users[0].fds, 2);
	ck_assert_str_eq(u->users[0].comm, "user");
	ck_assert_str_eq(u->users[0].cgroup, "/system.slice/user.service");
}
END_TEST

START_TEST(the_owner_of_private_memory_is_found_by_its_pid)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;

	ask_for_file();
	make_process("42", "", false);
	make_process("43", "", false);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 1);
	ck_assert_uint_eq(u->users[0].pin, 0);
	ck_assert_int_eq(u->users[0].pid, 42);
	ck_assert_uint_eq(u->users[0].mapped_bytes, 12288);
}
END_TEST

START_TEST(a_mapping_of_another_part_is_no_use)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;
	char maps[256];

	ask_for_file();
	snprintf(maps, sizeof(maps), "1000-2000 r--p 00000000 %02x:%02x %ju /file\n", major(asked[1].dev),
		 minor(asked[1].dev), (uintmax_t)asked[1].ino);
	make_process("7", maps, false);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 0);
}
END_TEST

START_TEST(the_first_segment_has_inode_0_and_users)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;

	ask_for_file();
	asked[1].kind = MCR_PIN_SYSV;
	asked[1].dev = asked[1].stat_dev = makedev(0, 1);
	asked[1].ino = 0;
	make_process("7", "1000-4000 rw-s 00000000 00:01 0 /SYSV00000000 (deleted)\n4000-9000 rw-p 00000000 00:00 0\n", false);
	make_process("8", "4000-9000 rw-p 00000000 00:00 0\n", false);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 1);
	ck_assert_int_eq(u->users[0].pid, 7);
	ck_assert_uint_eq(u->users[0].mapped_bytes, 8192);
}
END_TEST

START_TEST(a_process_that_vanishes_is_passed_over)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;

	ask_for_file();
	mkdirat(temp_fd, "proc", 0700);
	mkdirat(temp_fd, "proc/99", 0700);
	mkdirat(temp_fd, "proc/self", 0700);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 0);
	ck_assert(u->complete);
}
END_TEST

START_TEST(one_that_ends_while_it_is_looked_at_is_no_user)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;

	ask_for_file();
	make_process("42", "", true);
	ck_assert_int_eq(unlinkat(temp_fd, "proc/42/comm", 0), 0);
	make_process("43", "", true);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 1);
	ck_assert_int_eq(u->users[0].pid, 43);
}
END_TEST

/* As btrfs has it: maps shows the file system's number, stat() the subvolume's. */
START_TEST(an_inode_number_of_another_subvolume_is_another_file)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;
	char maps[256];

	ask_for_file();
	asked[1].dev = makedev(0, 77);
	snprintf(maps, sizeof(maps), "1000-3000 r--p 00001000 00:4d %ju /file\n", (uintmax_t)asked[1].ino);
	make_process("7", maps, true);
	make_process("8", maps, false);
	ck_assert_int_eq(mkdirat(temp_fd, "proc/7/map_files", 0700), 0);
	ck_assert_int_eq(symlinkat(temp_path("file"), temp_fd, "proc/7/map_files/1000-3000"), 0);
	ck_assert_int_eq(mkdirat(temp_fd, "proc/8/map_files", 0700), 0);
	ck_assert_int_eq(symlinkat("/dev/null", temp_fd, "proc/8/map_files/1000-3000"), 0);
	ck_assert_int_eq(mcr_users_find(temp_path("proc"), &pins, &u), 0);
	ck_assert_uint_eq(u->n, 1);
	ck_assert_int_eq(u->users[0].pid, 7);
	ck_assert_uint_eq(u->users[0].mapped_bytes, 8192);
	ck_assert_uint_eq(u->users[0].fds, 2);
}
END_TEST

START_TEST(without_proc_there_is_no_answer)
{
	struct mcr_users *u = (void *)0x1;

	ck_assert_int_eq(mcr_users_find(temp_path("missing"), &pins, &u), -ENOENT);
	ck_assert_ptr_eq(u, (void *)0x1);
}
END_TEST

TEST_MAIN("users", a_line_of_maps, what_is_no_line_of_maps, only_what_is_pinned_counts,
	  a_process_that_maps_and_opens_it_is_one_user, the_owner_of_private_memory_is_found_by_its_pid,
	  a_mapping_of_another_part_is_no_use, the_first_segment_has_inode_0_and_users, a_process_that_vanishes_is_passed_over,
	  one_that_ends_while_it_is_looked_at_is_no_user, an_inode_number_of_another_subvolume_is_another_file,
	  without_proc_there_is_no_answer)

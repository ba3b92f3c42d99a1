/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fileio.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "main.h"
#include "util.h"

#define STAT "anon 11\nfile_mapped 22\nfile 33\nkernel_file 44\nfile_dirty 55\nbad x7\nempty \n" \
	     "huge 18446744073709551616\n"

static void assert_number(const char *text, uint64_t number)
{
	uint64_t v = UNTOUCHED;

	ck_assert_int_eq(mcr_parse_u64(text, &v), 0);
	ck_assert_uint_eq(v, number);
}

static void assert_no_number(const char *text, int error)
{
	uint64_t v = UNTOUCHED;
	int r = mcr_parse_u64(text, &v);

	ck_assert_msg(r == error, "'%s' returns %d", text, r);
	ck_assert_uint_eq(v, UNTOUCHED);
}

static unsigned int entries_in_temp(void)
{
	DIR *dir = fdopendir(openat(temp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n;
}

START_TEST(a_number_is_all_digits_or_max)
{
	assert_number("0", 0);
	assert_number("0012", 12);
	assert_number("18446744073709551615", UINT64_MAX);
	assert_number("max", UINT64_MAX);
}
END_TEST

START_TEST(what_is_no_number_is_refused)
{
	static const char *const junk[] = {
		"", " ", "-1", "+1", " 1", "1 ", "1\n", "0x10", "1k", "1.0", "Max", "maximum", "m",
	};

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		assert_no_number(junk[i], -EINVAL);
}
END_TEST

START_TEST(a_number_beyond_64_bits_is_out_of_range)
{
	assert_no_number("18446744073709551616", -ERANGE);
	assert_no_number("99999999999999999999999999999999", -ERANGE);
}
END_TEST

START_TEST(a_key_is_found_by_its_whole_name)
{
	uint64_t v;

	ck_assert_int_eq(mcr_keyed_u64(STAT, "file", &v), 0);
	ck_assert_uint_eq(v, 33);
	ck_assert_int_eq(mcr_keyed_u64(STAT, "file_mapped", &v), 0);
	ck_assert_uint_eq(v, 22);
	ck_assert_int_eq(mcr_keyed_u64(STAT, "anon", &v), 0);
	ck_assert_uint_eq(v, 11);
	ck_assert_int_eq(mcr_keyed_u64(STAT, "file_dirty", &v), 0);
	ck_assert_uint_eq(v, 55);
}
END_TEST

START_TEST(a_key_is_found_only_where_a_line_begins)
{
	uint64_t v = UNTOUCHED;

	ck_assert_int_eq(mcr_keyed_u64("x anon 5\n anon 6\n", "anon", &v), -ENOENT);
	ck_assert_int_eq(mcr_keyed_u64("max_anon 5\n", "anon", &v), -ENOENT);
	ck_assert_uint_eq(v, UNTOUCHED);
}
END_TEST

START_TEST(a_missing_key_leaves_ret_untouched)
{
	uint64_t v = UNTOUCHED;

	ck_assert_int_eq(mcr_keyed_u64(STAT, "shmem", &v), -ENOENT);
	ck_assert_int_eq(mcr_keyed_u64(STAT, "fil", &v), -ENOENT);
	ck_assert_int_eq(mcr_keyed_u64("", "file", &v), -ENOENT);
	ck_assert_int_eq(mcr_keyed_u64("file", "file", &v), -ENOENT);
	ck_assert_int_eq(mcr_keyed_u64("file\n", "file", &v), -ENOENT);
	ck_assert_uint_eq(v, UNTOUCHED);
}
END_TEST

START_TEST(a_key_whose_value_is_no_number_is_an_error)
{
	uint64_t v = UNTOUCHED;

	ck_assert_int_eq(mcr_keyed_u64(STAT, "bad", &v), -EINVAL);
	ck_assert_int_eq(mcr_keyed_u64(STAT, "empty", &v), -EINVAL);
	ck_assert_int_eq(mcr_keyed_u64(STAT, "huge", &v), -ERANGE);
	ck_assert_int_eq(mcr_keyed_u64("k 00000000000000000000000000000001\n", "k", &v), -EINVAL);
	ck_assert_uint_eq(v, UNTOUCHED);
}
END_TEST

START_TEST(meminfo_has_colons_and_units)
{
	static const char meminfo[] = "MemTotal:       16384 kB\nMemAvailable:\t  99 kB";
	uint64_t v;

	ck_assert_int_eq(mcr_keyed_u64(meminfo, "MemTotal", &v), 0);
	ck_assert_uint_eq(v, 16384);
	ck_assert_int_eq(mcr_keyed_u64(meminfo, "MemAvailable", &v), 0);
	ck_assert_uint_eq(v, 99);
}
END_TEST

START_TEST(reading_takes_off_one_newline)
{
	char buf[16];

	put_file(temp_fd, "f", "123\n");
	ck_assert_int_eq(mcr_read_at(temp_fd, "f", buf, sizeof(buf)), 3);
	ck_assert_str_eq(buf, "123");
	put_file(temp_fd, "f", "1\n\n");
	ck_assert_int_eq(mcr_read_at(temp_fd, "f", buf, sizeof(buf)), 2);
	ck_assert_str_eq(buf, "1\n");
	put_file(temp_fd, "f", "");
	ck_assert_int_eq(mcr_read_at(temp_fd, "f", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(a_file_that_does_not_fit_is_too_big)
{
	char buf[8];

	put_file(temp_fd, "f", "1234567");
	ck_assert_int_eq(mcr_read_at(temp_fd, "f", buf, sizeof(buf)), 7);
	ck_assert_str_eq(buf, "1234567");
	put_file(temp_fd, "f", "12345678");
	ck_assert_int_eq(mcr_read_at(temp_fd, "f", buf, sizeof(buf)), -E2BIG);
	put_file(temp_fd, "f", "123456789");
	ck_assert_int_eq(mcr_read_at(temp_fd, "f", buf, sizeof(buf)), -E2BIG);
}
END_TEST

START_TEST(what_cannot_be_read_says_why)
{
	uint64_t v = UNTOUCHED;
	char buf[8], *text = (char *)buf;

	ck_assert_int_eq(mcr_read_at(temp_fd, "none", buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(mcr_read_at(temp_fd, ".", buf, sizeof(buf)), -EISDIR);
	ck_assert_int_eq(mcr_read_all_at(temp_fd, "none", &text), -ENOENT);
	ck_assert_int_eq(mcr_read_all_at(temp_fd, ".", &text), -EISDIR);
	ck_assert_int_eq(mcr_read_u64_at(temp_fd, "none", &v), -ENOENT);
	ck_assert_ptr_eq(text, buf);
	ck_assert_uint_eq(v, UNTOUCHED);
}
END_TEST

START_TEST(a_file_of_any_size_is_read_whole)
{
	static const size_t sizes[] = { 0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 100000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		auto_(freep) char *data = malloc(sizes[i] + 1), *text = NULL;

		memset(data, 'x', sizes[i]);
		data[sizes[i]] = '\0';
		put_file(temp_fd, "f", data);
		ck_assert_int_eq(mcr_read_all_at(temp_fd, "f", &text), 0);
		ck_assert_str_eq(text, data);
	}
}
END_TEST

START_TEST(a_number_is_read_from_a_file)
{
	uint64_t v = UNTOUCHED;

	put_file(temp_fd, "f", "x\n");
	ck_assert_int_eq(mcr_read_u64_at(temp_fd, "f", &v), -EINVAL);
	ck_assert_uint_eq(v, UNTOUCHED);
	put_file(temp_fd, "f", "4096\n");
	ck_assert_int_eq(mcr_read_u64_at(temp_fd, "f", &v), 0);
	ck_assert_uint_eq(v, 4096);
	put_file(temp_fd, "f", "max\n");
	ck_assert_int_eq(mcr_read_u64_at(temp_fd, "f", &v), 0);
	ck_assert_uint_eq(v, UINT64_MAX);
}
END_TEST

START_TEST(writing_never_makes_a_file)
{
	ck_assert_int_eq(mcr_write_at(temp_fd, "none", "1"), -ENOENT);
	ck_assert(!exists(temp_fd, "none"));
	put_file(temp_fd, "f", "");
	ck_assert_int_eq(mcr_write_at(temp_fd, "f", "max"), 0);
	assert_file(temp_fd, "f", "max");
}
END_TEST

START_TEST(replacing_makes_a_file_with_the_mode_asked_for)
{
	struct stat st;

	umask(077);
	ck_assert_int_eq(mcr_replace_at(temp_fd, "f", "new", 3, 0644), 0);
	assert_file(temp_fd, "f", "new");
	ck_assert_int_eq(fstatat(temp_fd, "f", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(entries_in_temp(), 1);
}
END_TEST

START_TEST(whoever_has_the_old_file_open_keeps_all_of_it)
{
	char buf[16] = "";
	int fd;

	put_file(temp_fd, "f", "old");
	fd = openat(temp_fd, "f", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(mcr_replace_at(temp_fd, "f", "newer", 5, 0600), 0);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 3);
	ck_assert_str_eq(buf, "old");
	assert_file(temp_fd, "f", "newer");
	close(fd);
}
END_TEST

START_TEST(a_replacement_that_fails_leaves_no_temporary_file)
{
	ck_assert_int_eq(mkdirat(temp_fd, "dir", 0700), 0);
	ck_assert_int_eq(mcr_replace_at(temp_fd, "dir", "new", 3, 0600), -EISDIR);
	ck_assert(exists(temp_fd, "dir"));
	ck_assert_uint_eq(entries_in_temp(), 1);
}
END_TEST

START_TEST(a_write_that_fails_keeps_the_old_file)
{
	struct rlimit before;
	int r;

	put_file(temp_fd, "f", "old");
	signal(SIGXFSZ, SIG_IGN);
	/* Check reports through a file: the limit must be gone before anything is asserted. */
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 2, before.rlim_max });
	r = mcr_replace_at(temp_fd, "f", "new", 3, 0600);
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_int_eq(r, -EFBIG);
	assert_file(temp_fd, "f", "old");
	ck_assert_uint_eq(entries_in_temp(), 1);
}
END_TEST

START_TEST(a_link_in_place_of_the_temporary_file_is_not_followed)
{
	put_file(temp_fd, "f", "old");
	put_file(temp_fd, "other", "theirs");
	ck_assert_int_eq(symlinkat("other", temp_fd, ".f.new"), 0);
	ck_assert_int_eq(mcr_replace_at(temp_fd, "f", "new", 3, 0600), -ELOOP);
	assert_file(temp_fd, "f", "old");
	assert_file(temp_fd, "other", "theirs");
}
END_TEST

START_TEST(what_a_killed_writer_left_is_written_over)
{
	put_file(temp_fd, ".f.new", "half of something longer");
	ck_assert_int_eq(mcr_replace_at(temp_fd, "f", "new", 3, 0600), 0);
	assert_file(temp_fd, "f", "new");
	ck_assert_uint_eq(entries_in_temp(), 1);
}
END_TEST

START_TEST(monotonic_time_does_not_go_back)
{
	uint64_t a = mcr_now_ns(), b = mcr_now_ns();

	ck_assert_uint_le(a, b);
	ck_assert_uint_gt(mcr_realtime_ns(), 1600000000ULL * MCR_NSEC_PER_SEC);
}
END_TEST

TEST_MAIN("fileio", a_number_is_all_digits_or_max, what_is_no_number_is_refused,
	  a_number_beyond_64_bits_is_out_of_range, a_key_is_found_by_its_whole_name,
	  a_key_is_found_only_where_a_line_begins, a_missing_key_leaves_ret_untouched,
	  a_key_whose_value_is_no_number_is_an_error, meminfo_has_colons_and_units,
	  reading_takes_off_one_newline, a_file_that_does_not_fit_is_too_big, what_cannot_be_read_says_why,
	  a_file_of_any_size_is_read_whole, a_number_is_read_from_a_file, writing_never_makes_a_file,
	  replacing_makes_a_file_with_the_mode_asked_for, whoever_has_the_old_file_open_keeps_all_of_it,
	  a_replacement_that_fails_leaves_no_temporary_file, a_write_that_fails_keeps_the_old_file,
	  a_link_in_place_of_the_temporary_file_is_not_followed, what_a_killed_writer_left_is_written_over,
	  monotonic_time_does_not_go_back)

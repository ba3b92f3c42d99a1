/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memfds stand in for objects: punching and writing back need no privilege.  Each test that is about dying does what was
 * done until then, and repairs.
 */
#include "chunklog.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "fileio.h"
#include "main.h"
#include "util.h"

#define PAGE 4096
#define PAGES 16
#define SIZE (PAGES * PAGE - 100)	/* the last page is not full */

struct mcr_hierarchy;
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);
int __wrap_mcr_tmpfs_size(int fd, uint64_t *ret_bytes);
int __wrap_mcr_tmpfs_resize(int fd, uint64_t bytes);

int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	char name[32];
	int fd;

	(void)h;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)id);
	fd = openat(temp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -ESTALE : fd;
}

/* A file system whose size is a number. */
static uint64_t fs_bytes;

int __wrap_mcr_tmpfs_size(int fd, uint64_t *ret_bytes)
{
	(void)fd;
	*ret_bytes = fs_bytes;
	return 0;
}

int __wrap_mcr_tmpfs_resize(int fd, uint64_t bytes)
{
	(void)fd;
	fs_bytes = bytes;
	return 0;
}

static char expected[PAGES * PAGE];

static int make_object(char **ret_map)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < SIZE; i++)
		expected[i] = i * 7 + i / PAGE;
	ck_assert_int_eq(pwrite(fd, expected, SIZE, 0), SIZE);
	*ret_map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(*ret_map, MAP_FAILED);
	return fd;
}

static struct mcr_chunk chunk_of(int fd, size_t n, const struct mcr_extent *extents)
{
	struct mcr_chunk c = { .n_extents = n };
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	c.dev = st.st_dev;
	c.ino = st.st_ino;
	memcpy(c.extents, extents, n * sizeof(*extents));
	return c;
}

static void punch(int fd, uint64_t offset, uint64_t len)
{
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len), 0);
}

static void assert_intact(int fd)
{
	static char got[PAGES * PAGE];

	ck_assert_int_eq(pread(fd, got, sizeof(got), 0), SIZE);
	ck_assert_int_eq(memcmp(got, expected, SIZE), 0);
}

static const struct mcr_extent two[] = { { PAGE, 3 * PAGE }, { 8 * PAGE, 8 * PAGE } };

static struct mcr_chunklog *log_with(int fd, char *map)
{
	const struct mcr_chunk c = chunk_of(fd, 2, two);
	struct mcr_chunklog *l;

	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	ck_assert_int_eq(mcr_chunklog_save(l, &c, map), 0);
	return l;
}

START_TEST(a_new_one_is_clean)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;
	auto_(mcr_chunklog_freep) struct mcr_chunklog *again = NULL;
	struct mcr_chunk c;

	ck_assert_int_eq(mcr_chunklog_new(100000, &l), 0);
	ck_assert(!mcr_chunklog_dirty(l));
	ck_assert_uint_ge(mcr_chunklog_capacity(l), 100000);
	ck_assert_int_eq(mcr_chunklog_chunk(l, &c), 0);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, -1), 0);
	ck_assert_int_eq(mcr_chunklog_open(mcr_chunklog_fd(l), &again), 0);
	ck_assert_uint_eq(mcr_chunklog_capacity(again), mcr_chunklog_capacity(l));
}
END_TEST

START_TEST(all_pages_of_a_store_are_there_before)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;
	struct stat st;

	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	ck_assert_int_eq(fstat(mcr_chunklog_fd(l), &st), 0);
	ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
	ck_assert_int_ge(st.st_blocks * 512, st.st_size);
	ck_assert_int_lt(ftruncate(mcr_chunklog_fd(l), 0), 0);
}
END_TEST

START_TEST(what_is_no_store_is_not_opened)
{
	struct mcr_chunklog *l = (void *)0x1;
	int fd = memfd_create("x", MFD_CLOEXEC);

	ck_assert_int_eq(mcr_chunklog_open(fd, &l), -EBADMSG);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_int_eq(mcr_chunklog_open(fd, &l), -EBADMSG);
	ck_assert_ptr_eq(l, (void *)0x1);
	ck_assert_int_eq(mcr_chunklog_open(-1, &l), -EBADF);
}
END_TEST

/* Killed before a byte was punched. */
START_TEST(repair_after_saving_changes_nothing)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

	ck_assert(mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert(!mcr_chunklog_dirty(l));
	assert_intact(fd);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 0);
}
END_TEST

START_TEST(repair_after_punching_brings_all_back)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *mine = NULL;
	struct stat st;

	punch(fd, two[0].offset, two[0].len);
	punch(fd, two[1].offset, two[1].len);
	ck_assert_int_eq(mcr_chunklog_open(mcr_chunklog_fd(l), &mine), 0);	/* by another process, as it were */
	ck_assert_int_eq(mcr_chunklog_repair(mine, NULL, fd), 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	assert_intact(fd);
	ck_assert_int_eq(st.st_size, SIZE);
}
END_TEST

/* Whatever was punched, and wherever writing back had come to. */
START_TEST(repair_at_any_point_in_between)
{
	for (unsigned int punched = 0; punched <= 11; punched++) {
		for (unsigned int back = 0; back <= punched; back++) {
			char *map;
			int fd = make_object(&map);
			auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

			for (unsigned int i = 0; i < punched; i++)
				punch(fd, (i < 3 ? 1 + i : 5 + i) * PAGE, PAGE);
			for (unsigned int i = 0; i < back; i++) {
				unsigned int page = i < 3 ? 1 + i : 5 + i;
				size_t len = page == PAGES - 1 ? PAGE - 100 : PAGE - 17 * i;

				memcpy(map + page * PAGE, expected + page * PAGE, len);
			}
			ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
			assert_intact(fd);
			munmap(map, PAGES * PAGE);
			close(fd);
		}
	}
}
END_TEST

START_TEST(what_is_done_is_not_written_again)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

	mcr_chunklog_done(l);
	map[PAGE] = expected[PAGE] = 'x';	/* its users went on */
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 0);
	assert_intact(fd);
}
END_TEST

/* Killed while saving: the word that makes it count is missing. */
START_TEST(a_torn_record_does_not_count)
{
	const struct mcr_extent beyond[] = { { PAGE, PAGE }, { PAGES * PAGE, PAGE } };
	char *map;
	int fd = make_object(&map);
	const struct mcr_chunk c = chunk_of(fd, 2, beyond);
	char *larger = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;

	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	ck_assert_int_eq(mcr_chunklog_save(l, &c, larger), -EFAULT);
	ck_assert(!mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 0);
	assert_intact(fd);
}
END_TEST

/* Changes a byte of the store from its end on. */
static void spoil(struct mcr_chunklog *l, off_t offset, int whence)
{
	int fd = mcr_chunklog_fd(l);
	off_t at = lseek(fd, offset, whence);
	char c;

	ck_assert_int_eq(pread(fd, &c, 1, at), 1);
	c ^= 0x40;
	ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
}

static void write_cgroup(const char *id, const char *freeze)
{
	int fd;

	mkdirat(temp_fd, id, 0700);
	fd = openat(temp_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(fd, "cgroup.freeze", freeze);
	close(fd);
}

static void assert_frozen(const char *id, const char *freeze)
{
	int fd = openat(temp_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_file(fd, "cgroup.freeze", freeze);
	close(fd);
}

START_TEST(bad_content_is_not_written_and_all_thawed_when_given_up)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);
	struct mcr_chunk c;
	struct stat st;

	write_cgroup("7", "1");
	ck_assert_int_eq(mcr_chunklog_freezing(l, 7), 0);
	fstat(mcr_chunklog_fd(l), &st);
	spoil(l, -(1 << 20) + 5000, SEEK_END);
	ck_assert_int_eq(mcr_chunklog_chunk(l, &c), -EBADMSG);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), -EBADMSG);
	assert_intact(fd);
	assert_frozen("7", "1");
	ck_assert(mcr_chunklog_dirty(l));	/* for a person to look at */
	ck_assert_int_eq(mcr_chunklog_give_up(l, NULL, fd), 0);
	assert_frozen("7", "0");
}
END_TEST

START_TEST(a_bad_record_is_not_followed)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);
	struct mcr_chunk c;

	/* In the extents, which are the largest part of the first page. */
	for (off_t at = 1200; at < 1240; at += 8)
		spoil(l, at, SEEK_SET);
	ck_assert_int_eq(mcr_chunklog_chunk(l, &c), -EBADMSG);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), -EBADMSG);
	assert_intact(fd);
}
END_TEST

START_TEST(another_object_is_not_touched_and_nobody_thawed)
{
	char *map, *other_map;
	int fd = make_object(&map), other = make_object(&other_map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

	write_cgroup("8", "1");
	ck_assert_int_eq(mcr_chunklog_freezing(l, 8), 0);
	punch(fd, PAGE, PAGE);
	punch(other, PAGE, PAGE);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, other), -ESTALE);
	ck_assert_int_eq(other_map[PAGE], 0);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, -1), -EBADF);
	assert_frozen("8", "1");
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	assert_frozen("8", "0");
	assert_intact(fd);
}
END_TEST

START_TEST(what_is_given_up_is_forgotten_and_all_are_thawed)
{
	char *map, *other_map;
	int fd = make_object(&map), other = make_object(&other_map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

	write_cgroup("9", "1");
	ck_assert_int_eq(mcr_chunklog_freezing(l, 9), 0);
	ck_assert_int_eq(mcr_chunklog_set_attributes(l, fd), 0);
	punch(fd, PAGE, PAGE);
	punch(other, PAGE, PAGE);
	ck_assert_int_eq(mcr_chunklog_give_up(l, NULL, other), 0);
	ck_assert_int_eq(map[PAGE], 0);
	ck_assert_int_eq(other_map[PAGE], 0);
	assert_frozen("9", "0");
	ck_assert(!mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, -1), 0);
}
END_TEST

START_TEST(all_that_were_noted_are_thawed_once_and_the_gone_passed_over)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;

	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	write_cgroup("11", "1");
	write_cgroup("12", "1");
	ck_assert_int_eq(mcr_chunklog_freezing(l, 11), 0);
	ck_assert_int_eq(mcr_chunklog_freezing(l, 99), 0);
	ck_assert_int_eq(mcr_chunklog_freezing(l, 12), 0);
	ck_assert_int_eq(mcr_chunklog_freezing(l, 11), 0);
	ck_assert_uint_eq(mcr_chunklog_n_frozen(l), 3);
	ck_assert(mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, -1), 1);
	assert_frozen("11", "0");
	assert_frozen("12", "0");
	write_cgroup("11", "1");	/* by somebody else */
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, -1), 0);
	assert_frozen("11", "1");
}
END_TEST

START_TEST(more_cgroups_than_fit_are_refused)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;

	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	for (uint64_t i = 0; i < MCR_CHUNKLOG_CGROUPS; i++)
		ck_assert_int_eq(mcr_chunklog_freezing(l, 100 + i), 0);
	ck_assert_int_eq(mcr_chunklog_freezing(l, 1), -ENOSPC);
	ck_assert_int_eq(mcr_chunklog_freezing(l, 100), 0);
	mcr_chunklog_thawed(l);
	ck_assert(!mcr_chunklog_dirty(l));
}
END_TEST

START_TEST(what_does_not_fit_is_refused_and_nothing_saved)
{
	char *map;
	int fd = make_object(&map);
	struct mcr_chunk c = chunk_of(fd, 2, two);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;

	ck_assert_int_eq(mcr_chunklog_new(2 * PAGE, &l), 0);
	ck_assert_int_eq(mcr_chunklog_save(l, &c, map), -E2BIG);
	c.n_extents = MCR_CHUNKLOG_EXTENTS + 1;
	ck_assert_int_eq(mcr_chunklog_save(l, &c, map), -E2BIG);
	ck_assert(!mcr_chunklog_dirty(l));
	c = chunk_of(fd, 1, (struct mcr_extent[]){ { 0, PAGE } });
	ck_assert_int_eq(mcr_chunklog_save(l, &c, map), 0);
	ck_assert_int_eq(mcr_chunklog_save(l, &c, map), -EBUSY);
}
END_TEST

START_TEST(a_file_that_was_cut_off_does_not_grow_again)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);
	struct stat st;
	char got[PAGE];

	punch(fd, two[0].offset, two[0].len);
	punch(fd, two[1].offset, two[1].len);
	ck_assert_int_eq(ftruncate(fd, 9 * PAGE + 10), 0);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 9 * PAGE + 10);
	ck_assert_int_eq(pread(fd, got, PAGE, 8 * PAGE), PAGE);
	ck_assert_int_eq(memcmp(got, expected + 8 * PAGE, PAGE), 0);
	ck_assert_int_eq(pread(fd, got, PAGE, 3 * PAGE), PAGE);
	ck_assert_int_eq(memcmp(got, expected + 3 * PAGE, PAGE), 0);
}
END_TEST

START_TEST(a_file_that_is_empty_now_is_left_alone)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 0);
}
END_TEST

START_TEST(comparing_sees_a_changed_byte)
{
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);

	ck_assert_int_eq(mcr_chunklog_compare(l, fd), 0);
	map[15 * PAGE + 3] ^= 1;
	ck_assert_int_eq(mcr_chunklog_compare(l, fd), -EILSEQ);
	map[15 * PAGE + 3] ^= 1;
	map[5 * PAGE] ^= 1;	/* not in the chunk */
	ck_assert_int_eq(mcr_chunklog_compare(l, fd), 0);
	ck_assert_int_eq(ftruncate(fd, 9 * PAGE), 0);
	ck_assert_int_eq(mcr_chunklog_compare(l, fd), -ENODATA);
}
END_TEST

START_TEST(times_and_mode_are_restored_last)
{
	const struct timespec times[] = { { 1000, 1 }, { 2000, 2 } };
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);
	struct stat st;

	fchmod(fd, 06750);
	ck_assert_int_eq(futimens(fd, times), 0);
	ck_assert_int_eq(mcr_chunklog_set_attributes(l, fd), 0);
	fchmod(fd, 0710);	/* by its owner, while writing took the rest */
	punch(fd, PAGE, PAGE);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 06710);
	ck_assert_int_eq(st.st_atim.tv_sec, 1000);
	ck_assert_int_eq(st.st_mtim.tv_sec, 2000);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 2);
	ck_assert(!mcr_chunklog_dirty(l));
	mcr_chunklog_done(l);
	ck_assert_int_eq(mcr_chunklog_set_attributes(l, fd), 0);	/* killed before it saved anything */
	ck_assert(mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert(!mcr_chunklog_dirty(l));
}
END_TEST

START_TEST(a_reserve_is_given_back_and_the_size_restored)
{
	const struct mcr_extent reserve = { 100 * PAGE, 8 * PAGE };
	char *map;
	int fd = make_object(&map);
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;
	struct stat before, after;

	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	ck_assert_int_eq(fstat(fd, &before), 0);
	ck_assert_int_eq(mcr_chunklog_set_attributes(l, fd), 0);
	mcr_chunklog_set_reserve(l, &reserve);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, reserve.offset, reserve.len), 0);
	fs_bytes = 1000;
	mcr_chunklog_set_fs_bytes(l, 900);
	ck_assert(mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, make_object(&map)), -ESTALE);
	ck_assert(mcr_chunklog_dirty(l));
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_eq(after.st_blocks, before.st_blocks);
	ck_assert_uint_eq(fs_bytes, 900);
	ck_assert(!mcr_chunklog_dirty(l));
}
END_TEST

/* A killed mover may end later than the one who repairs begins. */
START_TEST(repair_waits_for_who_writes)
{
	char *map, c;
	int fd = make_object(&map), fds[2], status;
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = log_with(fd, map);
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	punch(fd, PAGE, PAGE);
	pid = fork();
	if (pid == 0) {
		if (mcr_chunklog_lock(l, 0) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		usleep(200000);
		_exit(map[PAGE] != 0);	/* nobody has put it back yet */
	}
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	ck_assert_int_eq(mcr_chunklog_lock(l, 0), -EBUSY);
	ck_assert_int_eq(mcr_chunklog_repair(l, NULL, fd), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	assert_intact(fd);
}
END_TEST

TEST_MAIN("chunklog", a_new_one_is_clean, all_pages_of_a_store_are_there_before, what_is_no_store_is_not_opened,
	  repair_after_saving_changes_nothing, repair_after_punching_brings_all_back, repair_at_any_point_in_between,
	  what_is_done_is_not_written_again, a_torn_record_does_not_count, bad_content_is_not_written_and_all_thawed_when_given_up,
	  a_bad_record_is_not_followed, another_object_is_not_touched_and_nobody_thawed,
	  what_is_given_up_is_forgotten_and_all_are_thawed,
	  all_that_were_noted_are_thawed_once_and_the_gone_passed_over, more_cgroups_than_fit_are_refused,
	  what_does_not_fit_is_refused_and_nothing_saved, a_file_that_was_cut_off_does_not_grow_again,
	  a_file_that_is_empty_now_is_left_alone, comparing_sees_a_changed_byte,
	  times_and_mode_are_restored_last, a_reserve_is_given_back_and_the_size_restored, repair_waits_for_who_writes)

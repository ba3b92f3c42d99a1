/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unmapped.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "main.h"
#include "pins.h"
#include "util.h"

#define PAGE 4096UL

/* What was advised, of which inode. */
static uint64_t advised_bytes;
static ino_t advised_ino;

int __wrap_posix_fadvise(int fd, off_t offset, off_t len, int advice);
int __wrap_posix_fadvise(int fd, off_t offset, off_t len, int advice)
{
	struct stat st;

	(void)offset;
	ck_assert_int_eq(advice, POSIX_FADV_DONTNEED);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	advised_bytes += len;
	advised_ino = st.st_ino;
	return 0;
}

static unsigned int opened;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	opened++;
	return __real_open(path, flags);
}

/* Four pages in two runs, of which one is mapped. */
static struct mcr_range runs[] = { { 0, 2 * PAGE }, { 8 * PAGE, 2 * PAGE } };

static struct mcr_pin pin_of(const char *name)
{
	struct mcr_pin p = {
		.kind = MCR_PIN_FILE, .magic = EXT4_SUPER_MAGIC, .dev = makedev(8, 1), .bytes = 4 * PAGE, .mapped_bytes = PAGE,
		.ranges = runs, .n_ranges = ARRAY_SIZE(runs), .path = (char *)temp_path(name),
	};
	struct stat st;

	put_file(temp_fd, name, "content");
	ck_assert_int_eq(fstatat(temp_fd, name, &st, 0), 0);
	p.ino = st.st_ino;
	p.stat_dev = st.st_dev;
	return p;
}

static void drop(struct mcr_pin *p, uint64_t max_bytes)
{
	const struct mcr_pins pins = { .pins = p, .n = 1 };

	advised_bytes = advised_ino = opened = 0;
	mcr_unmapped_drop(&pins, max_bytes);
}

START_TEST(what_is_not_mapped_is_counted_and_all_its_file_is_advised)
{
	struct mcr_pin p = pin_of("file");
	const struct mcr_pins pins = { .pins = &p, .n = 1 };

	ck_assert_uint_eq(mcr_unmapped_bytes(&pins), 3 * PAGE);
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 4 * PAGE);
	ck_assert_uint_eq(advised_ino, p.ino);
	ck_assert_uint_eq(opened, 1);
}
END_TEST

START_TEST(no_more_than_the_bound_is_looked_at)
{
	struct mcr_pin p = pin_of("file");
	struct mcr_pin two[] = { p, p };
	const struct mcr_pins pins = { .pins = two, .n = 2 };

	drop(&p, 3 * PAGE);
	ck_assert_uint_eq(advised_bytes, 3 * PAGE);
	drop(&p, 0);
	ck_assert_uint_eq(advised_bytes, 0);
	mcr_unmapped_drop(&pins, 5 * PAGE);
	ck_assert_uint_eq(advised_bytes, 5 * PAGE);
}
END_TEST

START_TEST(what_is_mapped_or_no_file_of_a_disk_is_left_alone)
{
	struct mcr_pin p = pin_of("file");

	p.mapped_bytes = p.bytes;
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 0);
	p.mapped_bytes = 0;
	p.magic = NFS_SUPER_MAGIC;
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 0);
	p.magic = EXT4_SUPER_MAGIC;
	p.kind = MCR_PIN_TMPFS;
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 0);
}
END_TEST

START_TEST(another_file_in_its_place_is_not_touched)
{
	struct mcr_pin p = pin_of("file");

	put_file(temp_fd, "other", "other");
	ck_assert_int_eq(renameat(temp_fd, "other", temp_fd, "file"), 0);
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 0);
}
END_TEST

/* To open it, or a device, is to do something. */
START_TEST(a_fifo_in_its_place_is_not_even_opened)
{
	struct mcr_pin p = pin_of("file");
	struct stat st;

	ck_assert_int_eq(unlinkat(temp_fd, "file", 0), 0);
	ck_assert_int_eq(mkfifoat(temp_fd, "file", 0600), 0);
	ck_assert_int_eq(fstatat(temp_fd, "file", &st, 0), 0);
	p.ino = st.st_ino;
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(opened, 0);
}
END_TEST

START_TEST(no_symbolic_link_on_the_way_is_followed)
{
	struct mcr_pin p;

	ck_assert_int_eq(mkdirat(temp_fd, "dir", 0700), 0);
	p = pin_of("dir/file");
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 4 * PAGE);
	ck_assert_int_eq(renameat(temp_fd, "dir", temp_fd, "moved"), 0);
	ck_assert_int_eq(symlinkat("moved", temp_fd, "dir"), 0);
	drop(&p, UINT64_MAX);
	ck_assert_uint_eq(advised_bytes, 0);
}
END_TEST

TEST_MAIN("unmapped", what_is_not_mapped_is_counted_and_all_its_file_is_advised, no_more_than_the_bound_is_looked_at,
	  what_is_mapped_or_no_file_of_a_disk_is_left_alone, another_file_in_its_place_is_not_touched,
	  a_fifo_in_its_place_is_not_even_opened, no_symbolic_link_on_the_way_is_followed)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lostlog.h"

#include <errno.h>
#include <sys/mman.h>

#include "chunklog.h"
#include "fileio.h"
#include "main.h"
#include "util.h"

#define PAGE 4096

struct mcr_hierarchy;
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);

/* Nobody is to be thawed by what is here. */
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	(void)h;
	ck_abort_msg("cgroup %llu was looked for", (unsigned long long)id);
	return -ESTALE;
}

static char dir[256];

static void start(void)
{
	snprintf(dir, sizeof(dir), "%s", temp_path("lost"));
}

static int make_object(const char *text)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 4 * PAGE), 0);
	ck_assert_int_eq(pwrite(fd, text, strlen(text), PAGE), (ssize_t)strlen(text));
	return fd;
}

/* A journal with the object's second page in it, and somebody noted as frozen. */
static struct mcr_chunklog *make_log(int fd)
{
	struct mcr_chunk c = { .n_extents = 1, .extents = { { .offset = PAGE, .len = PAGE } } };
	char *map = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	struct mcr_chunklog *l;
	struct stat st;

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(fstat(fd, &st), 0);
	c.dev = st.st_dev;
	c.ino = st.st_ino;
	ck_assert_int_eq(mcr_chunklog_new(1 << 20, &l), 0);
	ck_assert_int_eq(mcr_chunklog_freezing(l, 7), 0);
	ck_assert_int_eq(mcr_chunklog_save(l, &c, map), 0);
	munmap(map, 4 * PAGE);
	return l;
}

static int open_copy(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_copy_brings_the_content_back_and_thaws_nobody)
{
	int fd = make_object("content");
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = make_log(fd);
	auto_(freep) char *path = NULL;
	char got[8] = "";
	struct stat st;
	int copy;

	start();
	ck_assert_int_eq(mcr_lost_save(mcr_chunklog_fd(l), dir, "bus-1", &path), 0);
	ck_assert_ptr_eq(strstr(path, dir), path);
	ck_assert_ptr_nonnull(strstr(path, "/bus-1-"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 19);	/* what was never used takes no room */
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE), 0);
	copy = open_copy(path);
	ck_assert_int_eq(mcr_lost_put_back(NULL, copy, fd), 1);
	ck_assert_int_eq(pread(fd, got, 7, PAGE), 7);
	ck_assert_str_eq(got, "content");
	ck_assert_int_eq(mcr_lost_put_back(NULL, copy, fd), 0);
	ck_assert_uint_eq(mcr_chunklog_n_frozen(l), 1);	/* of the journal itself */
}
END_TEST

START_TEST(another_file_is_not_written_to)
{
	int fd = make_object("content"), other = make_object("another");
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = make_log(fd);
	auto_(freep) char *path = NULL;
	char got[8] = "";

	start();
	ck_assert_int_eq(mcr_lost_save(mcr_chunklog_fd(l), dir, "bus-1", &path), 0);
	ck_assert_int_eq(mcr_lost_put_back(NULL, open_copy(path), other), -ESTALE);
	ck_assert_int_eq(pread(other, got, 7, PAGE), 7);
	ck_assert_str_eq(got, "another");
}
END_TEST

START_TEST(what_is_no_journal_is_saved_and_not_written)
{
	int fd = make_object("no journal");
	auto_(freep) char *path = NULL;

	start();
	ck_assert_int_eq(mcr_lost_save(fd, dir, "x", &path), 0);
	ck_assert_int_eq(mcr_lost_put_back(NULL, open_copy(path), fd), -EBADMSG);
}
END_TEST

START_TEST(copies_are_bounded)
{
	int fd = make_object("x");
	char *path = (char *)0x1;
	char file[sizeof(dir) + 32];

	start();
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	for (int i = 0; i < MCR_LOST_MAX; i++) {
		snprintf(file, sizeof(file), "%s/%d.journal", dir, i);
		ck_assert_int_ge(creat(file, 0600), 0);
	}
	ck_assert_int_eq(mcr_lost_save(fd, dir, "x", &path), -EDQUOT);
	ck_assert_ptr_eq(path, (char *)0x1);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mcr_lost_save(fd, dir, "x", &path), 0);
	free(path);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made)
{
	int fd = make_object("x");
	char *path = NULL;

	ck_assert_int_eq(mcr_lost_save(fd, "/proc/none/lost", "x", &path), -ENOENT);
}
END_TEST

START_TEST(a_note_is_read_back)
{
	const struct mcr_lost noted = { .file = (char *)"/var/lib/x/bus-1-a.journal", .path = (char *)"/a\xc3\xa4\n.service",
					.why = (char *)"it is so", .bytes = 5, .dev = 6, .ino = UINT64_MAX };
	struct mcr_lost got;

	ck_assert_int_eq(mcr_lost_note(temp_fd, &noted), 0);
	ck_assert(mcr_lost_is_note("bus-1-a.lost"));
	ck_assert(!mcr_lost_is_note("bus-1-a.result"));
	ck_assert(!mcr_lost_is_note(".lost"));
	ck_assert_int_eq(mcr_lost_read(temp_fd, "bus-1-a.lost", &got), 0);
	ck_assert_str_eq(got.file, noted.file);
	ck_assert_str_eq(got.path, noted.path);
	ck_assert_str_eq(got.why, noted.why);
	ck_assert_uint_eq(got.bytes, 5);
	ck_assert_uint_eq(got.ino, UINT64_MAX);
	mcr_lost_done(&got);
	ck_assert_int_eq(mcr_lost_read(temp_fd, "none.lost", &got), -ENOENT);
	ck_assert_int_eq(mcr_replace_at(temp_fd, "bad.lost", "[", 1, 0600), 0);
	ck_assert_int_eq(mcr_lost_read(temp_fd, "bad.lost", &got), -EBADMSG);
}
END_TEST

TEST_MAIN("lostlog", a_copy_brings_the_content_back_and_thaws_nobody, another_file_is_not_written_to,
	  what_is_no_journal_is_saved_and_not_written, copies_are_bounded, a_directory_that_cannot_be_made,
	  a_note_is_read_back)

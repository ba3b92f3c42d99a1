/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conffiles.h"

#include <errno.h>

#include "configs.h"
#include "main.h"
#include "util.h"

#define ETC "etc/memcg-reaper"
#define RUN "run/memcg-reaper"
#define LOCAL "usr/local/lib/memcg-reaper"
#define LIB "usr/lib/memcg-reaper"

/* With all directories above it. */
static void make_dirs(const char *path)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ck_assert(mkdirat(temp_fd, copy, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

/* A file with some text in it, and its directories. */
static void make(const char *path)
{
	make_dirs(path);
	put_file(temp_fd, path, "[Reaper]\n");
}

static void make_link(const char *target, const char *path)
{
	make_dirs(path);
	ck_assert_int_eq(symlinkat(target, temp_fd, path), 0);
}

/* Without the slash at its end. */
static const char *root_path(void)
{
	static char root[256];

	snprintf(root, sizeof(root), "%s", temp_path(""));
	root[strlen(root) - 1] = '\0';
	return root;
}

/* Fails unless these files count, in this order, by their paths below the root. */
static void assert_files(const char *expected)
{
	auto_(strv_freep) char **files = NULL;
	size_t len = strlen(root_path());

	ck_assert_int_eq(mcr_conf_files(root_path(), &files), 0);
	for (size_t i = 0; files[i]; i++) {
		ck_assert_int_eq(strncmp(files[i], root_path(), len), 0);
		memmove(files[i], files[i] + len + 1, strlen(files[i] + len));
	}
	assert_list(files, expected);
}

START_TEST(without_any_directory_there_are_no_files)
{
	assert_files("");
	ck_assert_int_eq(mkdirat(temp_fd, "etc", 0700), 0);
	assert_files("");
}
END_TEST

START_TEST(the_main_file_is_that_of_the_first_directory_that_has_one)
{
	make(LIB "/reaper.conf");
	assert_files(LIB "/reaper.conf");
	make(LOCAL "/reaper.conf");
	assert_files(LOCAL "/reaper.conf");
	make(RUN "/reaper.conf");
	assert_files(RUN "/reaper.conf");
	make(ETC "/reaper.conf");
	assert_files(ETC "/reaper.conf");
}
END_TEST

START_TEST(drop_ins_come_after_the_main_file_wherever_they_are)
{
	make(LIB "/reaper.conf.d/00-first.conf");
	make(ETC "/reaper.conf");
	assert_files(ETC "/reaper.conf " LIB "/reaper.conf.d/00-first.conf");
}
END_TEST

START_TEST(drop_ins_are_sorted_by_name_across_directories)
{
	make(ETC "/reaper.conf.d/30-c.conf");
	make(ETC "/reaper.conf.d/10-a.conf");
	make(LIB "/reaper.conf.d/20-b.conf");
	make(LIB "/reaper.conf.d/05-z.conf");
	make(RUN "/reaper.conf.d/40-d.conf");
	make(LOCAL "/reaper.conf.d/15-l.conf");
	assert_files(LIB "/reaper.conf.d/05-z.conf " ETC "/reaper.conf.d/10-a.conf " LOCAL "/reaper.conf.d/15-l.conf "
		     LIB "/reaper.conf.d/20-b.conf " ETC "/reaper.conf.d/30-c.conf " RUN "/reaper.conf.d/40-d.conf");
}
END_TEST

START_TEST(of_drop_ins_with_one_name_the_first_directory_has_it)
{
	make(LIB "/reaper.conf.d/a.conf");
	make(LOCAL "/reaper.conf.d/a.conf");
	assert_files(LOCAL "/reaper.conf.d/a.conf");
	make(RUN "/reaper.conf.d/a.conf");
	assert_files(RUN "/reaper.conf.d/a.conf");
	make(ETC "/reaper.conf.d/a.conf");
	assert_files(ETC "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(a_drop_in_may_be_named_like_the_main_file)
{
	make(ETC "/reaper.conf");
	make(LIB "/reaper.conf.d/reaper.conf");
	assert_files(ETC "/reaper.conf " LIB "/reaper.conf.d/reaper.conf");
}
END_TEST

START_TEST(an_empty_file_masks)
{
	make(LIB "/reaper.conf.d/a.conf");
	make(LIB "/reaper.conf.d/b.conf");
	make(LIB "/reaper.conf");
	make_dirs(ETC "/reaper.conf.d/");
	put_file(temp_fd, ETC "/reaper.conf.d/a.conf", "");
	assert_files(LIB "/reaper.conf " LIB "/reaper.conf.d/b.conf");
	put_file(temp_fd, ETC "/reaper.conf", "");
	assert_files(LIB "/reaper.conf.d/b.conf");
}
END_TEST

START_TEST(a_link_to_dev_null_masks)
{
	make(LIB "/reaper.conf.d/a.conf");
	make(LIB "/reaper.conf.d/b.conf");
	make(LIB "/reaper.conf");
	make_link("/dev/null", RUN "/reaper.conf.d/a.conf");
	make_link("/dev/null", ETC "/reaper.conf");
	assert_files(LIB "/reaper.conf.d/b.conf");
}
END_TEST

START_TEST(a_mask_further_down_hides_nothing)
{
	make(ETC "/reaper.conf.d/a.conf");
	make_link("/dev/null", LIB "/reaper.conf.d/a.conf");
	assert_files(ETC "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(another_device_is_no_mask)
{
	make_link("/dev/zero", ETC "/reaper.conf.d/a.conf");
	make(LIB "/reaper.conf.d/a.conf");
	assert_files(ETC "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(a_dangling_link_is_no_mask)
{
	make_link("nowhere", ETC "/reaper.conf");
	make_link("/nowhere/at/all", ETC "/reaper.conf.d/a.conf");
	make(LIB "/reaper.conf");
	make(LIB "/reaper.conf.d/a.conf");
	assert_files(ETC "/reaper.conf " ETC "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(a_dangling_link_is_complained_about_and_the_rest_read)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL;
	struct complaints complaints = { 0 };

	make_link("nowhere", ETC "/reaper.conf.d/a.conf");
	make(LIB "/reaper.conf.d/b.conf");
	put_file(temp_fd, LIB "/reaper.conf.d/b.conf", "[Reaper]\nHeldMax=7\n");
	ck_assert_int_eq(mcr_config_load(root_path(), NULL, note, &complaints, &c, NULL), 1);
	ck_assert_uint_eq(c->held_max, 7);
	ck_assert_uint_eq(complaints.n, 1);
	assert_complaint(&complaints, 0, "", "link");
	ck_assert_ptr_nonnull(strstr(complaints.file, "/a.conf"));
}
END_TEST

START_TEST(only_names_that_end_in_conf_count)
{
	make(ETC "/reaper.conf.d/a.conf");
	make(ETC "/reaper.conf.d/a.conf~");
	make(ETC "/reaper.conf.d/b.conf.dpkg-old");
	make(ETC "/reaper.conf.d/.hidden.conf");
	make(ETC "/reaper.conf.d/.conf");
	make(ETC "/reaper.conf.d/README");
	make(ETC "/reaper.conf.d/xconf");
	make(ETC "/other.conf");
	assert_files(ETC "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(a_file_in_place_of_a_directory_has_no_drop_ins)
{
	make(ETC "/reaper.conf.d");
	make(LIB "/reaper.conf.d/a.conf");
	assert_files(LIB "/reaper.conf.d/a.conf");
	make("run");
	assert_files(LIB "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(a_directory_that_cannot_be_read_is_an_error)
{
	char **files = (char **)ETC;

	make(LIB "/reaper.conf");
	make(LIB "/reaper.conf.d/a.conf");
	make_link("reaper.conf.d", ETC "/reaper.conf.d");	/* for root there is no other */
	ck_assert_int_eq(mcr_conf_files(root_path(), &files), -ELOOP);
	ck_assert_ptr_eq(files, ETC);
}
END_TEST

START_TEST(a_directory_may_be_a_link)
{
	make("elsewhere/a.conf");
	make_dirs(ETC "/x");
	make_link("../../elsewhere", ETC "/reaper.conf.d");
	assert_files(ETC "/reaper.conf.d/a.conf");
}
END_TEST

START_TEST(all_files_are_loaded_in_their_order)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL;
	struct complaints complaints = { 0 };

	make(ETC "/reaper.conf");
	make(ETC "/reaper.conf.d/10.conf");
	make(LIB "/reaper.conf.d/20.conf");
	put_file(temp_fd, ETC "/reaper.conf", "[Reaper]\nHeldMax=1\nRequestsMax=1\nSyncSec=1\n");
	put_file(temp_fd, ETC "/reaper.conf.d/10.conf", "[Reaper]\nHeldMax=2\nRequestsMax=2\n[Policy a]\nSlice=a\n");
	put_file(temp_fd, LIB "/reaper.conf.d/20.conf", "[Reaper]\nHeldMax=3\nWhat=1\n[Policy a]\nSlice=b\n");
	ck_assert_int_eq(mcr_config_load(root_path(), NULL, note, &complaints, &c, NULL), 1);
	assert_complaint(&complaints, 3, "What", "unknown");
	ck_assert_uint_eq(c->held_max, 3);
	ck_assert_uint_eq(c->requests_max, 2);
	ck_assert_uint_eq(c->sync_usec, MCR_USEC_PER_SEC);
	assert_list(c->policies[1]->slices, "a b");
	ck_assert_ptr_nonnull(strstr(c->files[0], ETC "/reaper.conf"));
	ck_assert_ptr_nonnull(strstr(c->files[2], "20.conf"));
	ck_assert_ptr_null(c->files[3]);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
	struct mcr_config *c = (void *)ETC;
	auto_(freep) char *path = NULL;

	make(ETC "/reaper.conf");
	make(LIB "/reaper.conf.d/20.conf/x");
	ck_assert_int_eq(mcr_config_load(root_path(), NULL, NULL, NULL, &c, &path), -EISDIR);
	ck_assert_ptr_eq(c, ETC);
	ck_assert_ptr_nonnull(strstr(path, LIB "/reaper.conf.d/20.conf"));
}
END_TEST

START_TEST(a_file_that_is_given_is_the_only_one)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL, *none = NULL;
	auto_(freep) char *path = (char *)ETC, *own = strdup(temp_path("own")), *missing = strdup(temp_path("none"));

	make(ETC "/reaper.conf");
	put_file(temp_fd, ETC "/reaper.conf", "[Reaper]\nHeldMax=1\n");
	put_file(temp_fd, "own", "[Reaper]\nSyncSec=1\n");
	ck_assert_int_eq(mcr_config_load(root_path(), own, NULL, NULL, &c, &path), 0);
	ck_assert_ptr_null(path);
	ck_assert_uint_eq(c->held_max, 1024);
	ck_assert_uint_eq(c->sync_usec, MCR_USEC_PER_SEC);
	ck_assert_int_eq(mcr_config_load(root_path(), missing, NULL, NULL, &none, NULL), 0);
	ck_assert_uint_eq(none->sync_usec, 5 * MCR_USEC_PER_SEC);
}
END_TEST

TEST_MAIN("conffiles", without_any_directory_there_are_no_files,
	  the_main_file_is_that_of_the_first_directory_that_has_one,
	  drop_ins_come_after_the_main_file_wherever_they_are, drop_ins_are_sorted_by_name_across_directories,
	  of_drop_ins_with_one_name_the_first_directory_has_it, a_drop_in_may_be_named_like_the_main_file,
	  an_empty_file_masks, a_link_to_dev_null_masks, a_mask_further_down_hides_nothing,
	  another_device_is_no_mask, a_dangling_link_is_no_mask,
	  a_dangling_link_is_complained_about_and_the_rest_read, only_names_that_end_in_conf_count,
	  a_file_in_place_of_a_directory_has_no_drop_ins, a_directory_that_cannot_be_read_is_an_error,
	  a_directory_may_be_a_link, all_files_are_loaded_in_their_order, a_file_that_cannot_be_read_is_named,
	  a_file_that_is_given_is_the_only_one)

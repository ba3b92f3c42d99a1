/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all unit tests share: the program around a suite, and temporary directories.  Every test
 * runs in its own process (Check's default), so a crash is the failure of one test.
 */
#pragma once

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a result must stay what it was: no function gives this by itself. */
#define UNTOUCHED 0xfeedf00dU

/* The directory of this test, made before it; all of them are removed at the end. */
static char temp_base[] = "/tmp/mcr-unit-XXXXXX";
static int temp_fd = -1;

static inline void temp_base_make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(temp_base));
}

static inline int temp_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void temp_base_remove(void)
{
	nftw(temp_base, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void temp_make(void)
{
	char path[sizeof(temp_base) + 16];

	snprintf(path, sizeof(path), "%s/%d", temp_base, getpid());
	ck_assert_int_eq(mkdir(path, 0700), 0);
	temp_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(temp_fd, 0);
}

/* The path of NAME in it, in a static buffer. */
static inline const char *temp_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%d/%s", temp_base, getpid(), name);
	return path;
}

/* A file of len bytes in an open directory. */
static inline void put_bytes(int dir_fd, const char *name, const void *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), len);
	close(fd);
}

static inline void put_file(int dir_fd, const char *name, const char *text)
{
	put_bytes(dir_fd, name, text, strlen(text));
}

static inline bool exists(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Fails unless the file has this content. */
static inline void assert_file(int dir_fd, const char *name, const char *text)
{
	char buf[4096] = "";
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	ck_assert_str_eq(buf, text);
}

static inline int run_tests(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_unchecked_fixture(tcase, temp_base_make, temp_base_remove);
	tcase_add_checked_fixture(tcase, temp_make, NULL);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Runs the named tests. */
#define TEST_MAIN(name, ...)							\
	int main(void)								\
	{									\
		const TTest *const tests[] = { __VA_ARGS__ };			\
										\
		return run_tests(name, tests, sizeof(tests) / sizeof(*tests));	\
	}

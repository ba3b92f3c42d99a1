/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner.h"

#include <errno.h>
#include <string.h>

#include "cgroup.h"
#include "config.h"
#include "main.h"
#include "policy.h"
#include "util.h"

int __wrap_mcr_cgroup_open_path(const struct mcr_hierarchy *h, const char *path);
int __wrap_mcr_cgroup_open_path(const struct mcr_hierarchy *h, const char *path)
{
	int fd = openat(temp_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)h;
	return fd < 0 ? -errno : fd;
}

static void assert_owner(const char *slice, const char *owner)
{
	auto_(freep) char *got = NULL;

	ck_assert_int_eq(mcr_owner_of_slice(slice, &got), 0);
	ck_assert_str_eq(got, owner);
	ck_assert(mcr_owner_is(got));
}

START_TEST(the_owner_group_of_a_slice_is_a_slice_in_it)
{
	assert_owner("system.slice", "system.slice/system-memcgowner.slice");
	assert_owner("a.slice/a-b.slice", "a.slice/a-b.slice/a-b-memcgowner.slice");
	assert_owner("/user.slice", "/user.slice/user-memcgowner.slice");
}
END_TEST

/* The path must be where systemd puts a slice of that name. */
START_TEST(systemd_puts_it_there_by_its_name)
{
	static const char *const slices[] = { "system.slice", "machine.slice", "a-b-c.slice" };

	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		auto_(freep) char *path = NULL, *owner = NULL, *where = NULL;

		ck_assert_int_eq(mcr_slice_path(slices[i], &path), 0);
		ck_assert_int_eq(mcr_owner_of_slice(path, &owner), 0);
		ck_assert_int_eq(mcr_slice_path(strrchr(owner, '/') + 1, &where), 0);
		ck_assert_str_eq(owner, where);
	}
}
END_TEST

START_TEST(what_is_no_slice_has_none)
{
	char *got = NULL, longest[300];

	ck_assert_int_eq(mcr_owner_of_slice("system.slice/cron.service", &got), -EINVAL);
	ck_assert_int_eq(mcr_owner_of_slice("", &got), -EINVAL);
	ck_assert_int_eq(mcr_owner_of_slice(".slice", &got), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	strcpy(longest + 249, ".slice");
	ck_assert_int_eq(mcr_owner_of_slice(longest, &got), -ENAMETOOLONG);
	ck_assert_ptr_null(got);
}
END_TEST

START_TEST(an_owner_group_is_known_by_its_name)
{
	ck_assert(mcr_owner_is("memcgowner.slice"));
	ck_assert(mcr_owner_is("/system.slice/system-memcgowner.slice"));
	ck_assert(!mcr_owner_is("/system.slice/system-memcgowner.slice/below"));
	ck_assert(!mcr_owner_is("/system.slice/xmemcgowner.slice"));
	ck_assert(!mcr_owner_is("/system.slice"));
	ck_assert(!mcr_owner_is(""));
}
END_TEST

static void assert_policy(char *owner, const char *expected, bool user)
{
	const struct mcr_policy p = { .owner = owner };
	auto_(freep) char *got = NULL;

	ck_assert_int_eq(mcr_owner_by_policy(&p, "system.slice", &got), 0);
	ck_assert_str_eq(got, expected);
	ck_assert(mcr_owner_is_user(&p) == user);
}

START_TEST(a_policy_names_it_or_leaves_it_to_the_slice)
{
	assert_policy(NULL, "system.slice/system-memcgowner.slice", false);
	assert_policy("", "system.slice/system-memcgowner.slice", false);
	assert_policy("slice", "system.slice/system-memcgowner.slice", false);
	assert_policy("user", "system.slice/system-memcgowner.slice", true);
	assert_policy("shared.slice", "shared.slice", false);
}
END_TEST

START_TEST(the_outermost_slice_lives_longest)
{
	auto_(freep) char *a = mcr_owner_top_slice("/system.slice/system-getty.slice/getty@tty1.service");
	auto_(freep) char *b = mcr_owner_top_slice("user.slice");

	ck_assert_str_eq(a, "system.slice");
	ck_assert_str_eq(b, "user.slice");
	ck_assert_ptr_null(mcr_owner_top_slice("/init.scope"));
	ck_assert_ptr_null(mcr_owner_top_slice("/"));
	ck_assert_ptr_null(mcr_owner_top_slice("/custom/a.slice"));
}
END_TEST

/* A cgroup below the temporary directory, with 100 bytes and a limit. */
static void make_limited(const char *path, const char *max, const char *high)
{
	int fd;

	ck_assert_int_eq(mkdirat(temp_fd, path, 0700), 0);
	fd = openat(temp_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(fd, "memory.current", "100\n");
	put_file(fd, "memory.max", max);
	put_file(fd, "memory.high", high);
	close(fd);
}

static uint64_t room(const char *owner, const char *path)
{
	uint64_t bytes = UNTOUCHED;

	ck_assert_int_eq(mcr_owner_room(NULL, owner, path, &bytes), 0);
	return bytes;
}

START_TEST(limits_above_both_leave_room_for_what_is_there_already)
{
	uint64_t bytes = UNTOUCHED;

	make_limited("a.slice", "110\n", "max\n");
	make_limited("a.slice/b.slice", "max\n", "5000\n");
	make_limited("a.slice/b.slice/o.slice", "7000\n", "max\n");
	ck_assert_uint_eq(room("a.slice/b.slice/o.slice", "/a.slice/b.slice/x.service"), 6900);
	ck_assert_uint_eq(room("/a.slice/b.slice/o.slice", "/a.slice/x.service"), 4900);
	ck_assert_uint_eq(room("a.slice/b.slice/o.slice", "/x.service"), 10);
	ck_assert_uint_eq(room("a.slice/b.slice", "/a.slice/b.slice/x.service"), UINT64_MAX);
	ck_assert_uint_eq(room("a.slice/b.slice/o.slice", "/a.slice/b.slice/o.slice.other"), 6900);
	ck_assert_int_eq(mcr_owner_room(NULL, "a.slice/gone.slice", "/a.slice/x", &bytes), -ENOENT);
	ck_assert_uint_eq(bytes, UNTOUCHED);
}
END_TEST

TEST_MAIN("owner", the_outermost_slice_lives_longest, the_owner_group_of_a_slice_is_a_slice_in_it, systemd_puts_it_there_by_its_name, what_is_no_slice_has_none,
	  an_owner_group_is_known_by_its_name, a_policy_names_it_or_leaves_it_to_the_slice,
	  limits_above_both_leave_room_for_what_is_there_already)

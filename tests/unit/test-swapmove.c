/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swapmove.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "drain.h"
#include "main.h"
#include "rewrite.h"
#include "util.h"

START_TEST(swap_stands_in_where_writing_or_freezing_is_refused)
{
	const enum mcr_refusal helped[] = {
		MCR_REFUSED_SEAL_WRITE, MCR_REFUSED_SEAL_FUTURE_WRITE, MCR_REFUSED_READ_ONLY, MCR_REFUSED_IMMUTABLE, MCR_REFUSED_TEXT_BUSY,
		MCR_REFUSED_MANAGERS, MCR_REFUSED_THREADED, MCR_REFUSED_UNFREEZABLE, MCR_REFUSED_ROOT_CGROUP, MCR_REFUSED_INIT,
		MCR_REFUSED_OWNER_IN_IT, MCR_REFUSED_NO_SPACE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(helped); i++)
		ck_assert_msg(mcr_swap_helps(helped[i]), "%s", mcr_refusal_name(helped[i]));
}
END_TEST

START_TEST(swap_is_no_way_round_pinned_pages_or_limits)
{
	const enum mcr_refusal not[] = {
		MCR_REFUSED_NOT, MCR_REFUSED_NOT_SHMEM, MCR_REFUSED_HUGETLB, MCR_REFUSED_DAX, MCR_REFUSED_PAGES_HELD, MCR_REFUSED_VFIO,
		MCR_REFUSED_RDMA, MCR_REFUSED_OWNER_LIMIT, MCR_REFUSED_OWNER_GONE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(not); i++)
		ck_assert_msg(!mcr_swap_helps(not[i]), "%s", mcr_refusal_name(not[i]));
}
END_TEST

/* A tree of directories stands for one of cgroups: the way up ends where there is no such file. */
static int make_cgroup(int parent, const char *name, const char *current, const char *max)
{
	int fd;

	ck_assert_int_eq(mkdirat(parent, name, 0700), 0);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	put_file(fd, "memory.swap.current", current);
	put_file(fd, "memory.swap.max", max);
	return fd;
}

START_TEST(the_nearest_limit_of_all_levels_counts)
{
	int slice = make_cgroup(temp_fd, "slice", "4096\n", "12288\n"), leaf = make_cgroup(slice, "leaf", "0\n", "max\n");
	int full = make_cgroup(slice, "full", "8192\n", "4096\n");
	uint64_t room = UNTOUCHED;

	ck_assert_int_eq(mcr_swap_room(leaf, &room), 0);
	/* Without swap there is room for nothing. */
	ck_assert_uint_eq(room, mcr_swap_is_on() ? 8192 : 0);
	ck_assert_int_eq(mcr_swap_room(full, &room), 0);
	ck_assert_uint_eq(room, 0);
}
END_TEST

START_TEST(a_quarter_of_swap_is_kept_for_others)
{
	int leaf = make_cgroup(temp_fd, "leaf", "0\n", "max\n");
	char text[8192];
	uint64_t room, total, left;
	FILE *f = fopen("/proc/meminfo", "re");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	ck_assert_int_eq(sscanf(strstr(text, "SwapTotal:"), "SwapTotal: %" SCNu64, &total), 1);
	ck_assert_int_eq(sscanf(strstr(text, "SwapFree:"), "SwapFree: %" SCNu64, &left), 1);
	ck_assert_int_eq(mcr_swap_room(leaf, &room), 0);
	ck_assert_uint_le(room, (total - total / 4) * 1024);
	if (left <= total / 4)
		ck_assert_uint_eq(room, 0);
}
END_TEST

START_TEST(a_directory_that_is_no_cgroup_takes_nothing)
{
	struct mcr_swap_out_result out;
	struct mcr_swap_in_result in;
	int r;

	ck_assert_int_eq(mcr_swap_out(temp_fd, 0, &out), -ENOENT);
	r = mcr_swap_in(temp_fd, -EBADF, NULL, 0, -1, &in);
	ck_assert_int_eq(r, 1);
	ck_assert_int_eq(in.refusal, MCR_REFUSED_OWNER_GONE);
	ck_assert_uint_eq(in.moved_bytes, 0);
}
END_TEST

START_TEST(strategies_have_names)
{
	ck_assert_str_eq(mcr_rewrite_strategy_name(MCR_REWRITE_SWAP), "swap");
	ck_assert_str_eq(mcr_rewrite_strategy_name(MCR_REWRITE_SWAP_IN), "swap-in");
}
END_TEST

TEST_MAIN("swapmove", swap_stands_in_where_writing_or_freezing_is_refused, swap_is_no_way_round_pinned_pages_or_limits,
	  the_nearest_limit_of_all_levels_counts, a_quarter_of_swap_is_kept_for_others, a_directory_that_is_no_cgroup_takes_nothing,
	  strategies_have_names)

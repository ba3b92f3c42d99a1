/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drain.h"

#include <errno.h>

#include "fileio.h"
#include "main.h"
#include "reclaim.h"
#include "util.h"

START_TEST(a_cgroup_without_user_pages_and_swap_is_empty)
{
	const struct mcr_charge nothing = { 0 };

	ck_assert(mcr_drain_is_empty(&nothing));
}
END_TEST

START_TEST(a_page_or_swap_entry_of_any_kind_is_not_empty)
{
	ck_assert(!mcr_drain_is_empty(&(struct mcr_charge){ .file_bytes = 4096 }));
	ck_assert(!mcr_drain_is_empty(&(struct mcr_charge){ .file_bytes = 4096, .shmem_bytes = 4096 }));
	ck_assert(!mcr_drain_is_empty(&(struct mcr_charge){ .anon_bytes = 4096 }));
	ck_assert(!mcr_drain_is_empty(&(struct mcr_charge){ .swap_bytes = 4096 }));
}
END_TEST

START_TEST(page_cache_is_worth_another_try)
{
	ck_assert(mcr_drain_worth_retry(&(struct mcr_charge){ .file_bytes = 4096 }));
	ck_assert(mcr_drain_worth_retry(&(struct mcr_charge){ .file_bytes = 8192, .shmem_bytes = 4096 }));
	ck_assert(mcr_drain_worth_retry(&(struct mcr_charge){ .file_bytes = 4096, .dirty_bytes = 4096,
							      .anon_bytes = 4096 }));
}
END_TEST

START_TEST(tmpfs_anonymous_memory_and_swap_are_not_worth_another_try)
{
	ck_assert(!mcr_drain_worth_retry(&(struct mcr_charge){ 0 }));
	ck_assert(!mcr_drain_worth_retry(&(struct mcr_charge){ .file_bytes = 4096, .shmem_bytes = 4096 }));
	ck_assert(!mcr_drain_worth_retry(&(struct mcr_charge){ .anon_bytes = 4096 }));
	ck_assert(!mcr_drain_worth_retry(&(struct mcr_charge){ .swap_bytes = 4096 }));
}
END_TEST

START_TEST(figures_read_at_different_moments_do_not_wrap)
{
	ck_assert(!mcr_drain_worth_retry(&(struct mcr_charge){ .file_bytes = 4096, .shmem_bytes = 8192 }));
}
END_TEST

/* A kernel of directories "1", "2"...: what reclaim was asked for, and what memory.swap.max was meanwhile. */
static struct {
	unsigned int calls, syncs;
	struct mcr_reclaim_opts opts[8];
	char swap_max[8][8];
	bool has_swappiness, swap;
	int error;		/* of the first */
} kernel;

int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	char name[] = "0";
	struct stat st;

	(void)h;
	while (++*name <= '9') {	/* by our number, or by the inode, as restore.c has it */
		if (fstatat(temp_fd, name, &st, 0) == 0 && (id == st.st_ino || id == (uint64_t)*name - '0'))
			return openat(temp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -ESTALE;
}

int __wrap_mcr_reclaim(int fd, const struct mcr_reclaim_opts *opts, struct mcr_reclaim_result *ret);
int __wrap_mcr_reclaim(int fd, const struct mcr_reclaim_opts *opts, struct mcr_reclaim_result *ret)
{
	ck_assert_uint_lt(kernel.calls, ARRAY_SIZE(kernel.opts));
	ck_assert_int_ge(mcr_read_at(fd, "memory.swap.max", kernel.swap_max[kernel.calls], 8), 0);
	kernel.opts[kernel.calls++] = *opts;
	ret->freed_bytes = 4096;
	return kernel.calls == 1 ? kernel.error : 0;
}

int __wrap_mcr_cgroup_charge(int fd, struct mcr_charge *ret);
int __wrap_mcr_cgroup_charge(int fd, struct mcr_charge *ret)
{
	(void)fd;
	*ret = (struct mcr_charge){ .anon_bytes = 8192 };
	return 0;
}

int __wrap_mcr_reclaim_has_swappiness(int fd);
int __wrap_mcr_reclaim_has_swappiness(int fd)
{
	(void)fd;
	return kernel.has_swappiness;
}

int __wrap_mcr_hierarchy_fd(const struct mcr_hierarchy *h);
int __wrap_mcr_hierarchy_fd(const struct mcr_hierarchy *h)
{
	(void)h;
	return temp_fd;
}

int __wrap_mcr_sync_filesystems(void);
int __wrap_mcr_sync_filesystems(void)
{
	kernel.syncs++;
	return 0;
}

int __real_mcr_read_at(int dir_fd, const char *name, char *buf, size_t size);
int __wrap_mcr_read_at(int dir_fd, const char *name, char *buf, size_t size);
int __wrap_mcr_read_at(int dir_fd, const char *name, char *buf, size_t size)
{
	if (strcmp(name, "/proc/meminfo") != 0)
		return __real_mcr_read_at(dir_fd, name, buf, size);
	return snprintf(buf, size, "SwapTotal: %d kB", kernel.swap);
}

/* Reports in the order of the items. */
struct reports {
	struct mcr_drain_report at[8];
	unsigned int n, last;
};

static int keep_report(const struct mcr_drain_report *report, void *userdata)
{
	struct reports *r = userdata;

	r->at[r->n++] = *report;
	return r->n == r->last ? -EPIPE : 0;
}

/* Three cgroups, the second of them in use; their memory.swap.max is 9. */
static int drain_three(bool sync, struct reports *ret)
{
	static const struct mcr_drain_item items[] = {
		{ .id = 1, .step_bytes = 4096, .max_bytes = 10 }, { .id = 2, .max_bytes = 20, .in_use = true }, { .id = 3 },
	};
	const struct mcr_drain_opts o = { .journal_dir_fd = temp_fd, .sync = sync };

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%zu", i + 1);
		mkdirat(temp_fd, name, 0700);
		snprintf(name, sizeof(name), "%zu/memory.swap.max", i + 1);
		put_file(temp_fd, name, "9");
	}
	return mcr_drain(&o, items, ARRAY_SIZE(items), keep_report, ret);
}

START_TEST(each_cgroup_is_drained_within_its_own_bounds)
{
	struct reports reports = { 0 };

	kernel.has_swappiness = true;
	ck_assert_int_eq(drain_three(true, &reports), 0);
	ck_assert_uint_eq(kernel.syncs, 1);
	ck_assert_uint_eq(kernel.calls, 3);
	ck_assert_uint_eq(kernel.opts[0].step_bytes, 4096);
	ck_assert_uint_eq(kernel.opts[0].max_bytes, 10);
	ck_assert_uint_eq(kernel.opts[1].max_bytes, 20);
	ck_assert(kernel.opts[0].only_empty && !kernel.opts[1].only_empty && kernel.opts[2].only_empty);
	ck_assert(kernel.opts[0].swappiness_key);
	ck_assert_uint_eq(reports.n, 3);
	ck_assert_uint_eq(reports.at[1].id, 2);
	ck_assert_uint_eq(reports.at[1].freed_bytes, 4096);
	ck_assert_uint_eq(reports.at[1].left.anon_bytes, 8192);
}
END_TEST

START_TEST(one_that_fails_does_not_keep_the_others)
{
	struct reports reports = { 0 };

	kernel.has_swappiness = true;
	kernel.error = -EBUSY;
	ck_assert_int_eq(drain_three(false, &reports), 0);
	ck_assert_uint_eq(kernel.syncs, 0);
	ck_assert_int_eq(reports.at[0].error, -EBUSY);
	ck_assert_uint_eq(reports.at[0].left.anon_bytes, 0);
	ck_assert_int_eq(reports.at[1].error, 0);
	ck_assert_int_eq(reports.at[2].error, 0);
}
END_TEST

START_TEST(one_that_is_gone_is_reported_so)
{
	const struct mcr_drain_item item = { .id = 77 };
	const struct mcr_drain_opts o = { .journal_dir_fd = temp_fd };
	struct reports reports = { 0 };

	kernel.swap = true;	/* even where swap is to be forbidden to it */
	ck_assert_int_eq(mcr_drain(&o, &item, 1, keep_report, &reports), 0);
	ck_assert_int_eq(reports.at[0].error, -ESTALE);
	ck_assert_uint_eq(kernel.calls, 0);
}
END_TEST

START_TEST(swap_is_forbidden_to_the_unused_and_allowed_again)
{
	struct reports reports = { 0 };

	kernel.swap = true;
	ck_assert_int_eq(drain_three(false, &reports), 0);
	ck_assert_str_eq(kernel.swap_max[0], "0");
	ck_assert_str_eq(kernel.swap_max[1], "9");	/* in use: it might meet its limit */
	ck_assert_str_eq(kernel.swap_max[2], "0");
	for (const char *name = "123"; *name; name++) {
		char path[] = "?/memory.swap.max";

		path[0] = *name;
		assert_file(temp_fd, path, "9");
	}
	ck_assert(!exists(temp_fd, MCR_DRAIN_JOURNAL));
}
END_TEST

START_TEST(swap_is_left_alone_where_there_is_none_or_the_kernel_can_be_told)
{
	struct reports reports = { 0 };

	ck_assert_int_eq(drain_three(false, &reports), 0);
	kernel.swap = kernel.has_swappiness = true;
	ck_assert_int_eq(drain_three(false, &reports), 0);
	for (unsigned int i = 0; i < kernel.calls; i++)
		ck_assert_str_eq(kernel.swap_max[i], "9");
}
END_TEST

START_TEST(swap_is_left_alone_where_all_are_in_use)
{
	const struct mcr_drain_item item = { .id = 1, .in_use = true };
	const struct mcr_drain_opts o = { .journal_dir_fd = -EBADF };	/* there is no journal */
	struct reports reports = { 0 };

	kernel.swap = true;
	mkdirat(temp_fd, "1", 0700);
	put_file(temp_fd, "1/memory.swap.max", "9");
	ck_assert_int_eq(mcr_drain(&o, &item, 1, keep_report, &reports), 0);
	ck_assert_str_eq(kernel.swap_max[0], "9");
}
END_TEST

START_TEST(a_report_nobody_hears_ends_it_and_puts_swap_back)
{
	struct reports reports = { .last = 1 };

	kernel.swap = true;
	ck_assert_int_eq(drain_three(false, &reports), -EPIPE);
	ck_assert_uint_eq(kernel.calls, 1);
	assert_file(temp_fd, "1/memory.swap.max", "9");
	assert_file(temp_fd, "3/memory.swap.max", "9");
	ck_assert(!exists(temp_fd, MCR_DRAIN_JOURNAL));
}
END_TEST

TEST_MAIN("drain", a_cgroup_without_user_pages_and_swap_is_empty,
	  a_page_or_swap_entry_of_any_kind_is_not_empty, page_cache_is_worth_another_try,
	  tmpfs_anonymous_memory_and_swap_are_not_worth_another_try,
	  figures_read_at_different_moments_do_not_wrap, each_cgroup_is_drained_within_its_own_bounds,
	  one_that_fails_does_not_keep_the_others, one_that_is_gone_is_reported_so,
	  swap_is_forbidden_to_the_unused_and_allowed_again,
	  swap_is_left_alone_where_there_is_none_or_the_kernel_can_be_told,
	  swap_is_left_alone_where_all_are_in_use, a_report_nobody_hears_ends_it_and_puts_swap_back)

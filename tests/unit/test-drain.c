/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drain.h"

#include "main.h"

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

TEST_MAIN("drain", a_cgroup_without_user_pages_and_swap_is_empty,
	  a_page_or_swap_entry_of_any_kind_is_not_empty, page_cache_is_worth_another_try,
	  tmpfs_anonymous_memory_and_swap_are_not_worth_another_try,
	  figures_read_at_different_moments_do_not_wrap)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reap.h"

#include "census.h"
#include "config.h"
#include "main.h"
#include "util.h"

#define ZOMBIE(zombie_id, zombie_path, id_of_anchor, anchor_path)			\
	{ .id = zombie_id, .path = (char *)zombie_path, .refs = 1,			\
	  .anchor_id = id_of_anchor, .anchor = anchor_path }

/* The plan for a census of these, under the default configuration. */
static int plan(struct mcr_zombie *zombies, size_t n, mcr_reap_filter filter, void *userdata,
		struct mcr_reap_anchor **ret)
{
	auto_(mcr_config_freep) struct mcr_config *config = NULL;
	const struct mcr_census census = { .zombies = zombies, .n = n, .named = true, .complete = true };

	ck_assert_int_eq(mcr_config_new(&config), 0);
	return mcr_reap_plan(&census, config, filter, userdata, ret);
}

static bool is_not(const struct mcr_zombie *z, void *userdata)
{
	return z->id != *(uint64_t *)userdata;
}

static bool count_calls(const struct mcr_zombie *z, void *userdata)
{
	(void)z;
	++*(unsigned int *)userdata;
	return true;
}

START_TEST(no_zombies_make_an_empty_plan)
{
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(NULL, 0, NULL, NULL, &anchors), 0);
}
END_TEST

START_TEST(zombies_are_grouped_by_their_live_ancestor)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a.service", 100, "/system.slice"),
		ZOMBIE(2, "/system.slice/a.service/kid", 100, "/system.slice"),
		ZOMBIE(3, "/user.slice/user-1.slice/b.scope", 200, "/user.slice/user-1.slice"),
		ZOMBIE(4, "/system.slice/c.service", 100, "/system.slice"),	/* not next to its like */
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 2);
	ck_assert_uint_eq(anchors[0].id, 100);
	ck_assert_uint_eq(anchors[0].zombies, 3);
	ck_assert_str_eq(anchors[0].path, "/system.slice");
	ck_assert_uint_eq(anchors[1].id, 200);
	ck_assert_uint_eq(anchors[1].zombies, 1);
	ck_assert_str_eq(anchors[1].path, "/user.slice/user-1.slice");
}
END_TEST

START_TEST(ancestors_with_one_path_are_told_apart_by_id)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a/x", 100, "/system.slice/a"),
		ZOMBIE(2, "/system.slice/a/y", 101, "/system.slice/a"),
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 2);
}
END_TEST

START_TEST(zombies_outside_of_policy_are_left_out)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/init.scope/x", 10, "/init.scope"),
		ZOMBIE(2, "/system.slice/docker-1.scope", 100, "/system.slice"),
		ZOMBIE(3, "/system.slice/docker-2.scope/kid", 30, "/system.slice/docker-2.scope"),
		ZOMBIE(4, "/machine.slice/vm.scope", 40, "/machine.slice"),
		ZOMBIE(5, "/system.slicex/a", 50, "/system.slicex"),
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 0);
}
END_TEST

START_TEST(an_ancestor_that_is_not_ours_is_not_opened)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice", 1, "/"),
		ZOMBIE(2, "/user.slice/user-1.slice/x", 1, "/"),
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 0);
}
END_TEST

START_TEST(a_zombie_without_a_known_ancestor_is_left_out)
{
	struct mcr_zombie zombies[] = { ZOMBIE(1, "/system.slice/a", 0, "/system.slice") };
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, 1, NULL, NULL, &anchors), 0);
}
END_TEST

START_TEST(the_filter_has_the_last_word)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a", 100, "/system.slice"),
		ZOMBIE(2, "/system.slice/b", 100, "/system.slice"),
		ZOMBIE(3, "/user.slice/c", 200, "/user.slice"),
	};
	auto_(freep) struct mcr_reap_anchor *one = NULL, *two = NULL;
	uint64_t unwanted = 3;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), is_not, &unwanted, &one), 1);
	ck_assert_uint_eq(one[0].zombies, 2);
	unwanted = 1;
	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), is_not, &unwanted, &two), 2);
	ck_assert_uint_eq(two[0].zombies, 1);
	ck_assert_uint_eq(two[1].id, 200);
}
END_TEST

START_TEST(the_filter_is_asked_only_about_what_policy_covers)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a", 100, "/system.slice"),
		ZOMBIE(2, "/init.scope/b", 300, "/init.scope"),
		ZOMBIE(3, "/system.slice/docker-1", 100, "/system.slice"),
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	unsigned int calls = 0;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), count_calls, &calls, &anchors), 1);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(counts_per_subtree_make_a_plan_as_well)
{
	struct mcr_dying_count at[] = {
		{ .path = (char *)"/", .id = 1, .dying = 1, .held_pages = 0 },
		{ .path = (char *)"/system.slice", .id = 100, .dying = 4, .held_pages = 0 },
		{ .path = (char *)"/system.slice/docker-1.scope", .id = 30, .dying = 4, .held_pages = 0 },
	};
	const struct mcr_count count = { .at = at, .n = ARRAY_SIZE(at), .dying = 9 };
	auto_(mcr_config_freep) struct mcr_config *config = NULL;
	auto_(mcr_census_freep) struct mcr_census *census = NULL;
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(mcr_config_new(&config), 0);
	ck_assert_int_eq(mcr_census_from_count(&count, &census), 0);
	ck_assert_int_eq(mcr_reap_plan(census, config, NULL, NULL, &anchors), 1);
	ck_assert_uint_eq(anchors[0].id, 100);
	ck_assert_str_eq(anchors[0].path, "/system.slice");
	ck_assert_uint_eq(anchors[0].zombies, 4);
}
END_TEST

START_TEST(a_plan_from_counts_knows_what_the_dead_hold)
{
	struct mcr_dying_count at[] = {
		{ .path = (char *)"/system.slice", .id = 100, .dying = 40, .held_pages = 7 },
		{ .path = (char *)"/user.slice", .id = 200, .dying = 2, .held_pages = 0 },
	};
	const struct mcr_count count = { .at = at, .n = ARRAY_SIZE(at), .dying = 42 };
	auto_(mcr_config_freep) struct mcr_config *config = NULL;
	auto_(mcr_census_freep) struct mcr_census *census = NULL;
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(mcr_config_new(&config), 0);
	ck_assert_int_eq(mcr_census_from_count(&count, &census), 0);
	ck_assert_int_eq(mcr_reap_plan(census, config, NULL, NULL, &anchors), 2);
	ck_assert_uint_eq(anchors[0].zombies, 40);
	ck_assert_uint_eq(anchors[0].bytes, 7 * sysconf(_SC_PAGESIZE));
	ck_assert_uint_eq(anchors[1].zombies, 2);
}
END_TEST

START_TEST(a_plan_from_names_adds_up_the_pages_of_the_dead)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a", 100, "/system.slice"),
		ZOMBIE(2, "/user.slice/b", 200, "/user.slice"),
		ZOMBIE(3, "/system.slice/c", 100, "/system.slice"),
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	zombies[0].lru_pages[MCR_LRU_INACTIVE_FILE] = 3;
	zombies[0].lru_pages[MCR_LRU_ACTIVE_ANON] = 2;
	zombies[0].refs = 9;			/* references of the one, not a number of zombies */
	zombies[2].lru_pages[MCR_LRU_ACTIVE_FILE] = 4;
	zombies[2].usage_bytes = 1 << 30;	/* kernel memory: reclaim has nothing of it */
	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 2);
	ck_assert_uint_eq(anchors[0].zombies, 2);
	ck_assert_uint_eq(anchors[0].bytes, 9 * sysconf(_SC_PAGESIZE));
	ck_assert_uint_eq(anchors[1].zombies, 1);
	ck_assert_uint_eq(anchors[1].bytes, 0);
}
END_TEST

TEST_MAIN("reap", no_zombies_make_an_empty_plan, zombies_are_grouped_by_their_live_ancestor,
	  ancestors_with_one_path_are_told_apart_by_id, zombies_outside_of_policy_are_left_out,
	  an_ancestor_that_is_not_ours_is_not_opened, a_zombie_without_a_known_ancestor_is_left_out,
	  the_filter_has_the_last_word, the_filter_is_asked_only_about_what_policy_covers,
	  counts_per_subtree_make_a_plan_as_well, a_plan_from_counts_knows_what_the_dead_hold,
	  a_plan_from_names_adds_up_the_pages_of_the_dead)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reap.h"

#include <errno.h>

#include "census.h"
#include "config.h"
#include "configs.h"
#include "main.h"
#include "policy.h"
#include "util.h"

#define ZOMBIE(zombie_id, zombie_path, id_of_anchor, anchor_path)			\
	{ .id = zombie_id, .path = (char *)zombie_path, .refs = 1,			\
	  .anchor_id = id_of_anchor, .anchor = anchor_path }

/* The plan for a census of these. */
static int plan_under(const struct mcr_config *config, struct mcr_zombie *zombies, size_t n, mcr_reap_chooser choose,
		      void *userdata, struct mcr_reap_anchor **ret)
{
	const struct mcr_census census = { .zombies = zombies, .n = n, .named = true, .complete = true };

	return mcr_reap_plan(&census, config, choose, userdata, ret);
}

/* Under the default configuration, by path. */
static int plan(struct mcr_zombie *zombies, size_t n, struct mcr_reap_anchor **ret)
{
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of("");
	int r = plan_under(config, zombies, n, NULL, NULL, ret);

	for (int i = 0; i < r; i++)
		(*ret)[i].policy = NULL;	/* gone with the configuration */
	return r;
}

/* What a chooser is told: everything has this policy, but for one zombie. */
struct choice {
	const struct mcr_policy *policy;
	uint64_t unwanted;
	unsigned int calls;
};

static const struct mcr_policy *choose(const struct mcr_zombie *z, void *userdata)
{
	struct choice *c = userdata;

	c->calls++;
	return z->id != c->unwanted ? c->policy : NULL;
}

START_TEST(no_zombies_make_an_empty_plan)
{
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(NULL, 0, &anchors), 0);
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

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), &anchors), 2);
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

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), &anchors), 2);
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

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), &anchors), 0);
}
END_TEST

START_TEST(an_ancestor_that_is_not_ours_is_not_opened)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice", 1, "/"),
		ZOMBIE(2, "/user.slice/user-1.slice/x", 1, "/"),
	};
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), &anchors), 0);
}
END_TEST

START_TEST(a_zombie_without_a_known_ancestor_is_left_out)
{
	struct mcr_zombie zombies[] = { ZOMBIE(1, "/system.slice/a", 0, "/system.slice") };
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan(zombies, 1, &anchors), 0);
}
END_TEST

START_TEST(the_chooser_says_which_zombie_and_which_policy)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a", 100, "/system.slice"),
		ZOMBIE(2, "/system.slice/b", 100, "/system.slice"),
		ZOMBIE(3, "/user.slice/c", 200, "/user.slice"),
	};
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of("");
	auto_(freep) struct mcr_reap_anchor *one = NULL, *two = NULL;
	struct choice choice = { .policy = config->policies[0], .unwanted = 3 };

	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), choose, &choice, &one), 1);
	ck_assert_uint_eq(choice.calls, 3);
	ck_assert_uint_eq(one[0].zombies, 2);
	choice.unwanted = 1;
	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), choose, &choice, &two), 2);
	ck_assert_uint_eq(two[0].zombies, 1);
	ck_assert_uint_eq(two[1].id, 200);
}
END_TEST

START_TEST(the_chooser_is_not_asked_about_a_zombie_without_a_known_ancestor)
{
	struct mcr_zombie zombies[] = { ZOMBIE(1, "/system.slice/a", 0, "/system.slice") };
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of("");
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	struct choice choice = { .policy = config->policies[0] };

	ck_assert_int_eq(plan_under(config, zombies, 1, choose, &choice, &anchors), 0);
	ck_assert_uint_eq(choice.calls, 0);
}
END_TEST

START_TEST(a_policy_without_shield_leaves_its_zombies_alone)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a", 100, "/system.slice"),
		ZOMBIE(2, "/system.slice/db.service/b", 101, "/system.slice"),
		ZOMBIE(3, "/vm.slice/c", 200, "/vm.slice"),
	};
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of(
		"[Policy vm]\nSlice=vm.slice\nShield=no\n[Policy db]\nSlice=system.slice\nMatch=db.*\nShield=no\n");
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;
	struct choice choice = { .policy = mcr_policy_named(config, "vm") };

	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 1);
	ck_assert_uint_eq(anchors[0].id, 100);
	ck_assert_int_eq(plan_under(config, zombies, 1, choose, &choice, &(struct mcr_reap_anchor *){ NULL }), 0);
}
END_TEST

START_TEST(an_ancestor_is_not_opened_against_its_own_policy)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/vm.slice/jobs.slice/a", 200, "/vm.slice"),
		ZOMBIE(2, "/vm.slice/jobs.slice/b", 300, "/vm.slice/jobs.slice"),
	};
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of(
		"[Policy vm]\nSlice=vm.slice\nShield=no\n[Policy jobs]\nSlice=vm.slice/jobs.slice\n");
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 1);
	ck_assert_uint_eq(anchors[0].id, 300);
	ck_assert_ptr_eq(anchors[0].policy, mcr_policy_named(config, "jobs"));
}
END_TEST

START_TEST(the_bounds_are_those_of_the_ancestor)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/system.slice/a.service/jobs/x", 100, "/system.slice"),
		ZOMBIE(2, "/system.slice/b.service", 100, "/system.slice"),
	};
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of(
		"[Policy jobs]\nSlice=system.slice/a.service/jobs\nStepBytes=1M\n");
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 1);
	ck_assert_uint_eq(anchors[0].zombies, 2);
	ck_assert_ptr_eq(anchors[0].policy, config->policies[0]);
}
END_TEST

START_TEST(the_slice_of_globs_is_opened_for_what_they_match)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/jobs.slice/batch-1.service", 100, "/jobs.slice"),
		ZOMBIE(2, "/jobs.slice/other.service", 100, "/jobs.slice"),	/* has no policy */
		ZOMBIE(3, "/jobs.slice/x.slice/batch-2.service", 101, "/jobs.slice/x.slice"),
		ZOMBIE(4, "/jobs.slicex/batch-3.service", 102, "/jobs.slicex"),
	};
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of(
		"[Policy batch]\nSlice=jobs.slice\nMatch=batch-*\n");
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 2);
	ck_assert_uint_eq(anchors[0].id, 100);
	ck_assert_uint_eq(anchors[0].zombies, 1);
	ck_assert_uint_eq(anchors[1].id, 101);
	ck_assert_ptr_eq(anchors[1].policy, mcr_policy_named(config, "batch"));
}
END_TEST

START_TEST(an_ancestor_above_the_slice_is_not_opened)
{
	struct mcr_zombie zombies[] = {
		ZOMBIE(1, "/jobs.slice/a.slice/x", 100, "/jobs.slice"),
		ZOMBIE(2, "/jobs.slice/a.slice/y", 1, "/"),
	};
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of("[Policy a]\nSlice=jobs.slice/a.slice\n");
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

	ck_assert_int_eq(plan_under(config, zombies, ARRAY_SIZE(zombies), NULL, NULL, &anchors), 0);
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
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of("");
	auto_(mcr_census_freep) struct mcr_census *census = NULL;
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

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
	auto_(mcr_config_unrefp) struct mcr_config *config = config_of("");
	auto_(mcr_census_freep) struct mcr_census *census = NULL;
	auto_(freep) struct mcr_reap_anchor *anchors = NULL;

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
	ck_assert_int_eq(plan(zombies, ARRAY_SIZE(zombies), &anchors), 2);
	ck_assert_uint_eq(anchors[0].zombies, 2);
	ck_assert_uint_eq(anchors[0].bytes, 9 * sysconf(_SC_PAGESIZE));
	ck_assert_uint_eq(anchors[1].zombies, 1);
	ck_assert_uint_eq(anchors[1].bytes, 0);
}
END_TEST

/* A shield that asks for all it may, and leaves one dying: what it was given, call by call. */
static struct {
	unsigned int calls, syncs, busy;
	uint64_t ids[16], max_bytes[16];
	uint64_t done_id, failing_id, stopping_id, patience_usec;
	int error;
} shield;

int __wrap_mcr_shield_reclaim(const struct mcr_hierarchy *h, uint64_t id, const struct mcr_shield_opts *o,
			      struct mcr_shield_result *ret);
int __wrap_mcr_shield_reclaim(const struct mcr_hierarchy *h, uint64_t id, const struct mcr_shield_opts *o,
			      struct mcr_shield_result *ret)
{
	(void)h;
	if (shield.busy) {
		shield.busy--;
		return -EBUSY;
	}
	ck_assert_uint_lt(shield.calls, ARRAY_SIZE(shield.ids));
	shield.ids[shield.calls] = id;
	shield.max_bytes[shield.calls++] = o->max_bytes;
	if (id == shield.failing_id)
		return shield.error;
	*ret = (struct mcr_shield_result){ .writes = o->max_bytes / o->step_bytes, .dying_after = id != shield.done_id,
					   .stopped = id == shield.stopping_id };
	return 0;
}

int __wrap_mcr_sync_filesystems(void);
int __wrap_mcr_sync_filesystems(void)
{
	shield.syncs++;
	return 0;
}

int __wrap_mcr_release_writeback(const struct mcr_hierarchy *h);
int __wrap_mcr_release_writeback(const struct mcr_hierarchy *h)
{
	(void)h;
	return 0;
}

int __wrap_usleep(useconds_t usec);
int __wrap_usleep(useconds_t usec)
{
	(void)usec;
	return 0;
}

static int count_reports(const struct mcr_reap_report *report, void *userdata)
{
	uint64_t *asked = userdata;

	asked[report->policy] += report->asked_bytes;
	return 0;
}

#define MIB (1ULL << 20)
#define TWO_POLICIES "[Policy default]\nStepBytes=1M\n[Policy vm]\nSlice=vm.slice\n"

/* Two anchors of the default policy, then one of vm, each with 3 MiB of zombies. */
static void make_anchors(const struct mcr_config *c, struct mcr_reap_anchor *anchors)
{
	for (unsigned int i = 0; i < 3; i++)
		anchors[i] = (struct mcr_reap_anchor){ .id = i + 1, .path = "/x", .zombies = 1, .bytes = 3 * MIB,
						       .policy = c->policies[i / 2] };
}

/* Reaps them; *asked by policy. */
static void reap_three(const struct mcr_config *c, uint64_t max_bytes, uint64_t *budgets, bool sync, uint64_t *asked)
{
	const struct mcr_reap_opts o = { .shield.max_bytes = max_bytes, .policy_budgets = budgets, .sync = sync,
					 .patience_usec = shield.patience_usec };
	struct mcr_reap_anchor anchors[3];

	make_anchors(c, anchors);
	asked[0] = asked[1] = 0;
	ck_assert_int_eq(mcr_reap(&o, anchors, 3, count_reports, asked), 0);
}

START_TEST(one_step_more_than_the_zombies_hold_is_asked_for)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t asked[2];

	reap_three(c, 100 * MIB, NULL, false, asked);
	ck_assert_uint_eq(shield.calls, 3);
	ck_assert_uint_eq(shield.max_bytes[0], 4 * MIB);
	ck_assert_uint_eq(asked[0], 8 * MIB);
	ck_assert_uint_eq(asked[1], 4 * MIB);
}
END_TEST

START_TEST(the_budget_of_a_policy_bounds_its_anchors_and_no_others)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t budgets[] = { 5 * MIB, 100 * MIB }, asked[2];

	reap_three(c, 100 * MIB, budgets, false, asked);
	ck_assert_uint_eq(shield.max_bytes[0], 4 * MIB);
	ck_assert_uint_eq(shield.max_bytes[1], MIB);
	ck_assert_uint_eq(shield.max_bytes[2], 4 * MIB);
	ck_assert_uint_eq(budgets[0], 0);
	ck_assert_uint_eq(budgets[1], 96 * MIB);
}
END_TEST

START_TEST(an_anchor_whose_policy_has_less_than_a_step_left_is_passed_over)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t budgets[] = { MIB - 1, 2 * MIB }, asked[2];

	reap_three(c, 100 * MIB, budgets, false, asked);
	ck_assert_uint_eq(shield.calls, 1);
	ck_assert_uint_eq(shield.ids[0], 3);
	ck_assert_uint_eq(asked[1], 2 * MIB);
	ck_assert_uint_eq(budgets[0], MIB - 1);
}
END_TEST

START_TEST(all_together_ask_for_no_more_than_the_bound)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t budgets[] = { 100 * MIB, 100 * MIB }, asked[2];

	reap_three(c, 6 * MIB + 1, budgets, true, asked);
	ck_assert_uint_eq(asked[0] + asked[1], 6 * MIB);
	ck_assert_uint_eq(shield.calls, 2);
}
END_TEST

START_TEST(what_is_left_is_tried_once_more_after_one_sync)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t asked[2];

	shield.done_id = 2;
	reap_three(c, 100 * MIB, NULL, true, asked);
	ck_assert_uint_eq(shield.syncs, 1);
	ck_assert_uint_eq(shield.calls, 5);
	ck_assert_uint_eq(shield.ids[3], 1);
	ck_assert_uint_eq(shield.ids[4], 3);
}
END_TEST

START_TEST(rising_pressure_ends_it_all)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t asked[2];

	shield.stopping_id = 1;
	reap_three(c, 100 * MIB, NULL, true, asked);
	ck_assert_uint_eq(shield.calls, 1);
	ck_assert_uint_eq(shield.syncs, 0);
}
END_TEST

START_TEST(only_an_error_of_more_than_one_anchor_ends_it_all)
{
	static const struct { int error; unsigned int calls; } cases[] = {
		{ -EAGAIN, 3 }, { -ESTALE, 3 }, { -ENODEV, 3 }, { -ENOENT, 3 }, { -EIO, 1 }, { -ENOSPC, 1 },
	};
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t asked[2];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		shield.calls = 0;
		shield.failing_id = 1;
		shield.error = cases[i].error;
		reap_three(c, 100 * MIB, NULL, false, asked);
		ck_assert_uint_eq(shield.calls, cases[i].calls);
	}
}
END_TEST

START_TEST(a_shield_of_somebody_else_is_waited_for_but_not_forever)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(TWO_POLICIES);
	uint64_t asked[2];

	shield.busy = 50;
	reap_three(c, 100 * MIB, NULL, false, asked);
	ck_assert_uint_eq(shield.calls, 3);
	shield.calls = 0;
	shield.busy = 51;
	reap_three(c, 100 * MIB, NULL, false, asked);
	ck_assert_uint_eq(shield.calls, 0);
	shield.patience_usec = 20 * MCR_USEC_PER_SEC;
	shield.busy = 200;
	reap_three(c, 100 * MIB, NULL, false, asked);
	ck_assert_uint_eq(shield.calls, 3);
}
END_TEST

TEST_MAIN("reap", no_zombies_make_an_empty_plan, zombies_are_grouped_by_their_live_ancestor,
	  ancestors_with_one_path_are_told_apart_by_id, zombies_outside_of_policy_are_left_out,
	  an_ancestor_that_is_not_ours_is_not_opened, a_zombie_without_a_known_ancestor_is_left_out,
	  the_chooser_says_which_zombie_and_which_policy,
	  the_chooser_is_not_asked_about_a_zombie_without_a_known_ancestor,
	  a_policy_without_shield_leaves_its_zombies_alone, an_ancestor_is_not_opened_against_its_own_policy,
	  the_bounds_are_those_of_the_ancestor, the_slice_of_globs_is_opened_for_what_they_match,
	  an_ancestor_above_the_slice_is_not_opened,
	  counts_per_subtree_make_a_plan_as_well, a_plan_from_counts_knows_what_the_dead_hold,
	  a_plan_from_names_adds_up_the_pages_of_the_dead, one_step_more_than_the_zombies_hold_is_asked_for,
	  the_budget_of_a_policy_bounds_its_anchors_and_no_others,
	  an_anchor_whose_policy_has_less_than_a_step_left_is_passed_over,
	  all_together_ask_for_no_more_than_the_bound, what_is_left_is_tried_once_more_after_one_sync,
	  rising_pressure_ends_it_all, only_an_error_of_more_than_one_anchor_ends_it_all,
	  a_shield_of_somebody_else_is_waited_for_but_not_forever)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon that knows zombies, without a kernel and without memcg-recharge. */
#include "refault.h"

#include "census.h"
#include "config.h"
#include "coverage.h"
#include "fileio.h"
#include "main.h"
#include "manager.h"
#include "pinning.h"
#include "reap.h"
#include "recharge.h"
#include "util.h"

#define OVERDUE_NSEC (601 * MCR_NSEC_PER_SEC)
#define MANY (4 << 20)

static struct {
	bool wanted, shields;		/* what is asked for has yet to be answered; a request for a live one is under way */
	uint64_t asked_anchor;		/* below this one it is asked for already; 0: nowhere */
	unsigned int looks, asked;
	size_t rounds;
} world;

static const struct mcr_policy policy = { .step_bytes = 1 };

const struct mcr_policy *__wrap_mcr_reap_policy(const struct mcr_config *c, const struct mcr_zombie *z,
						const struct mcr_policy *p);
bool __wrap_zombie_worth_trying(const struct known *k, const struct mcr_zombie *z, const struct zombie_times *t, uint64_t now);

const struct mcr_policy *coverage_policy(const struct manager *m, uint64_t id, const char *path, const char **why)
{
	(void)m, (void)id, (void)path, (void)why;
	return &policy;
}

const struct mcr_policy *__wrap_mcr_reap_policy(const struct mcr_config *c, const struct mcr_zombie *z,
						const struct mcr_policy *p)
{
	(void)c, (void)z;
	return p;
}

bool recharge_is_wanted(const struct manager *m, const struct mcr_policy *p, const char *path)
{
	(void)m, (void)p, (void)path;
	return true;
}

uint64_t recharge_evict_max(struct manager *m, const struct mcr_policy *p, bool dead)
{
	(void)m, (void)p, (void)dead;
	return MANY;
}

bool recharge_wanted(struct manager *m, struct known *k, const struct mcr_zombie *z)
{
	(void)m, (void)k, (void)z;
	world.asked++;
	return world.wanted;
}

bool recharge_is_asked(const struct manager *m, uint64_t anchor_id)
{
	(void)m;
	return world.asked_anchor == anchor_id;
}

bool recharge_shields(const struct manager *m)
{
	(void)m;
	return world.shields;
}

bool __wrap_zombie_worth_trying(const struct known *k, const struct mcr_zombie *z, const struct zombie_times *t, uint64_t now)
{
	(void)k, (void)z, (void)t, (void)now;
	return true;
}

struct zombie_times cycle_times(const struct manager *m)
{
	(void)m;
	return (struct zombie_times){ 0 };
}

void cycle_now(struct manager *m)
{
	(void)m;
	world.rounds++;
}

void pinning_start(struct manager *m)
{
	(void)m;
	world.looks++;
}

/* Zombies 1 and 2 are below anchor 10, 3 and 4 below 20; each has page cache. */
static struct mcr_zombie zombies[4];
static struct mcr_census census = { .zombies = zombies, .n = ARRAY_SIZE(zombies), .named = true };
static struct known known[4];
static struct manager manager;

static void prepare(bool looked)
{
	for (size_t i = 0; i < census.n; i++) {
		zombies[i] = (struct mcr_zombie){ .id = i + 1, .anchor_id = i < 2 ? 10 : 20 };
		zombies[i].lru_pages[MCR_LRU_INACTIVE_FILE] = MANY / 4096;
		known[i] = (struct known){ .id = i + 1, .wanted_known = looked, .wanted_bytes = looked ? MANY : 0 };
	}
	manager = (struct manager){
		.bus_ready = true, .walker = (void *)&manager, .census = &census,
		.zombies = { .at = known, .n = ARRAY_SIZE(known) },
	};
	world.wanted = true;
}

static struct refault_waits plan(void)
{
	struct refault_waits w = { 0 };

	ck_assert_int_eq(refault_plan(&manager, &w), 0);
	return w;
}

static void assert_waits(bool below_10, bool below_20)
{
	struct refault_waits w = plan();

	ck_assert_int_eq(refault_waits_for(&w, 10), below_10);
	ck_assert_int_eq(refault_waits_for(&w, 20), below_20);
	ck_assert(!refault_waits_for(&w, 30));
	refault_waits_done(&w);
}

static void overdue(struct known *k)
{
	k->waits_since_ns = mcr_now_ns() - OVERDUE_NSEC;
}

START_TEST(what_nobody_has_looked_at_waits_to_be_looked_at)
{
	prepare(false);
	assert_waits(true, true);
	ck_assert_uint_eq(world.looks, 1);
	ck_assert_uint_eq(world.asked, 0);
	ck_assert(known[0].wants_look);
}
END_TEST

START_TEST(what_is_wanted_waits_until_that_is_answered)
{
	prepare(true);
	assert_waits(true, true);
	ck_assert_uint_eq(world.looks, 0);
	ck_assert_uint_eq(world.asked, 4);
	world.wanted = false;
	assert_waits(false, false);
}
END_TEST

START_TEST(what_nobody_wants_waits_for_nothing)
{
	prepare(true);
	for (size_t i = 0; i < census.n; i++)
		known[i].wanted_bytes = 0;
	assert_waits(false, false);
	ck_assert_uint_eq(world.asked, 0);
}
END_TEST

START_TEST(nothing_waits_where_zombies_have_no_names)
{
	prepare(true);
	census.named = false;
	assert_waits(false, false);
	census.named = true;
	manager.walker = NULL;
	assert_waits(false, false);
}
END_TEST

START_TEST(one_that_has_waited_too_long_lets_all_below_its_ancestor_go)
{
	prepare(true);
	overdue(&known[1]);
	assert_waits(false, true);
	ck_assert(known[1].refaulted);
	ck_assert(!known[0].refaulted);
}
END_TEST

START_TEST(one_that_was_late_is_not_late_again)
{
	prepare(true);
	overdue(&known[1]);
	assert_waits(false, true);
	assert_waits(true, true);
}
END_TEST

START_TEST(new_ones_below_the_same_ancestor_put_nothing_off)
{
	prepare(true);
	assert_waits(true, true);
	overdue(&known[0]);
	overdue(&known[2]);
	known[1].waits_since_ns = 0;
	known[3].waits_since_ns = 0;
	assert_waits(false, false);
}
END_TEST

START_TEST(what_is_being_answered_is_waited_for_however_long_it_takes)
{
	prepare(true);
	overdue(&known[0]);
	overdue(&known[2]);
	world.asked_anchor = 10;
	assert_waits(true, false);
	ck_assert(!known[0].refaulted);
}
END_TEST

START_TEST(nothing_waits_once_it_was_recharged)
{
	prepare(true);
	refault_ended(&manager, 10, 0);
	ck_assert_uint_eq(world.rounds, 1);
	assert_waits(false, true);
	refault_ended(&manager, 20, 3);
	assert_waits(false, true);
	refault_ended(&manager, 20, 4);
	assert_waits(false, false);
}
END_TEST

START_TEST(all_wait_for_a_request_that_shields_and_for_our_name)
{
	prepare(true);
	world.wanted = false;
	world.shields = true;
	assert_waits(true, true);
	world.shields = false;
	manager.bus_ready = false;
	assert_waits(true, true);
	manager.bus_ready = true;
	assert_waits(false, false);
}
END_TEST

TEST_MAIN("refault", what_nobody_has_looked_at_waits_to_be_looked_at, what_is_wanted_waits_until_that_is_answered,
	  what_nobody_wants_waits_for_nothing, nothing_waits_where_zombies_have_no_names,
	  one_that_has_waited_too_long_lets_all_below_its_ancestor_go, one_that_was_late_is_not_late_again,
	  new_ones_below_the_same_ancestor_put_nothing_off, what_is_being_answered_is_waited_for_however_long_it_takes,
	  nothing_waits_once_it_was_recharged, all_wait_for_a_request_that_shields_and_for_our_name)

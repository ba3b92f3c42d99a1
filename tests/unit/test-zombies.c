/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "zombies.h"

#include "census.h"
#include "main.h"
#include "util.h"

static const struct zombie_times times = { .grace_ns = 100, .pinned_retry_ns = 1000 };

/* Takes over a census of these ids, none of which was watched; returns how many are gone. */
static size_t update(struct zombie_table *t, uint64_t now_ns, size_t n, const uint64_t *ids)
{
	struct mcr_zombie *z = calloc(n + 1, sizeof(*z));
	const struct mcr_census census = { .zombies = z, .n = n };
	size_t gone = UNTOUCHED;

	for (size_t i = 0; i < n; i++)
		z[i] = (struct mcr_zombie){ .id = ids[i], .refs = 1 };
	ck_assert_int_eq(zombies_update(t, &census, &times, now_ns, &gone), 0);
	free(z);
	return gone;
}

#define UPDATE(t, now_ns, ...)								\
	update(t, now_ns, ARRAY_SIZE(((const uint64_t[]){ __VA_ARGS__ })), (const uint64_t[]){ __VA_ARGS__ })

START_TEST(nothing_is_known_before_the_first_census)
{
	struct zombie_table t = { 0 };

	ck_assert_ptr_null(zombies_find(&t, 1));
	ck_assert_uint_eq(update(&t, 5, 0, NULL), 0);
	ck_assert_ptr_null(zombies_find(&t, 1));
	zombies_clear(&t);
}
END_TEST

START_TEST(zombies_are_found_in_whatever_order_they_came)
{
	struct zombie_table t = { 0 };

	UPDATE(&t, 5, 30, 10, UINT64_MAX, 20);
	ck_assert_uint_eq(t.n, 4);
	ck_assert_uint_eq(zombies_find(&t, 10)->id, 10);
	ck_assert_uint_eq(zombies_find(&t, 20)->id, 20);
	ck_assert_uint_eq(zombies_find(&t, 30)->id, 30);
	ck_assert_uint_eq(zombies_find(&t, UINT64_MAX)->id, UINT64_MAX);
	ck_assert_ptr_null(zombies_find(&t, 15));
	zombies_clear(&t);
}
END_TEST

START_TEST(a_zombie_is_known_since_it_was_first_seen)
{
	struct zombie_table t = { 0 };

	UPDATE(&t, 500, 1);
	UPDATE(&t, 600, 1, 2);
	ck_assert_uint_eq(zombies_find(&t, 1)->since_ns, 500);
	ck_assert(!zombies_find(&t, 1)->since_exact);
	ck_assert_uint_eq(zombies_find(&t, 2)->since_ns, 600);
	zombies_clear(&t);
}
END_TEST

START_TEST(a_zombie_whose_removal_was_watched_is_known_since_then)
{
	struct mcr_zombie z = { .id = 1, .since_ns = 123 };
	const struct mcr_census census = { .zombies = &z, .n = 1 };
	struct zombie_table t = { 0 };
	size_t gone;

	ck_assert_int_eq(zombies_update(&t, &census, &times, 500, &gone), 0);
	ck_assert_uint_eq(zombies_find(&t, 1)->since_ns, 123);
	ck_assert(zombies_find(&t, 1)->since_exact);
	zombies_clear(&t);
}
END_TEST

START_TEST(what_was_tried_is_remembered_over_a_census)
{
	const struct mcr_zombie z = { .id = 2, .refs = 9 };
	struct zombie_table t = { 0 };

	UPDATE(&t, 500, 1, 2, 3);
	zombie_survived(zombies_find(&t, 2), &z, 700);
	zombies_find(&t, 2)->trying = true;
	UPDATE(&t, 800, 3, 2);
	ck_assert_uint_eq(zombies_find(&t, 2)->tries, 1);
	ck_assert_uint_eq(zombies_find(&t, 2)->tried_ns, 700);
	ck_assert_uint_eq(zombies_find(&t, 2)->refs, 9);
	ck_assert(zombies_find(&t, 2)->trying);
	ck_assert_uint_eq(zombies_find(&t, 3)->tries, 0);
	zombies_clear(&t);
}
END_TEST

START_TEST(only_what_was_a_zombie_counts_when_it_is_gone)
{
	struct zombie_table t = { 0 };

	UPDATE(&t, 1000, 1, 2);
	UPDATE(&t, 1050, 1, 2, 3, 4);
	ck_assert_uint_eq(UPDATE(&t, 1100, 2, 4), 1);	/* 1 past its grace, 3 not */
	ck_assert_ptr_null(zombies_find(&t, 1));
	ck_assert_ptr_null(zombies_find(&t, 3));
	ck_assert_uint_eq(update(&t, 2000, 0, NULL), 2);
	ck_assert_uint_eq(t.n, 0);
	ck_assert_uint_eq(update(&t, 3000, 0, NULL), 0);	/* counted once */
	zombies_clear(&t);
}
END_TEST

START_TEST(many_zombies_come_and_go)
{
	struct zombie_table t = { 0 };
	uint64_t ids[3000];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = (i * 7919) % 100003 + 1;
	ck_assert_uint_eq(update(&t, 1000, ARRAY_SIZE(ids), ids), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ck_assert_ptr_nonnull(zombies_find(&t, ids[i]));
	ck_assert_uint_eq(update(&t, 2000, 1000, ids), 2000);
	ck_assert_ptr_nonnull(zombies_find(&t, ids[999]));
	ck_assert_ptr_null(zombies_find(&t, ids[1000]));
	zombies_clear(&t);
}
END_TEST

START_TEST(what_is_dying_is_a_zombie_after_the_grace_period)
{
	const struct known k = { .since_ns = 1000 };

	ck_assert(!zombie_is_due(&k, &times, 1000));
	ck_assert(!zombie_is_due(&k, &times, 1099));
	ck_assert(zombie_is_due(&k, &times, 1100));
	ck_assert(zombie_is_due(&k, &times, UINT64_MAX));
}
END_TEST

START_TEST(what_was_removed_after_now_is_not_due)
{
	const struct known k = { .since_ns = 1000 };

	ck_assert(!zombie_is_due(&k, &times, 999));
	ck_assert(!zombie_is_due(&k, &times, 0));
}
END_TEST

START_TEST(no_grace_makes_zombies_at_once)
{
	const struct zombie_times none = { 0 };
	const struct known k = { .since_ns = 1000 };

	ck_assert(zombie_is_due(&k, &none, 1000));
}
END_TEST

START_TEST(a_zombie_is_tried_again_until_it_is_pinned)
{
	const struct mcr_zombie z = { .refs = 5 };
	struct known k = { .since_ns = 1000 };

	ck_assert(!zombie_worth_trying(&k, &z, &times, 1099));
	for (unsigned int i = 1; i <= ZOMBIE_TRIES_MAX; i++) {
		ck_assert(zombie_worth_trying(&k, &z, &times, 1100 + i));
		zombie_survived(&k, &z, 1100 + i);
		ck_assert_uint_eq(k.tries, i);
		ck_assert_int_eq(k.pinned, i == ZOMBIE_TRIES_MAX);
	}
	ck_assert(!zombie_worth_trying(&k, &z, &times, 1200));
}
END_TEST

static struct known pinned_at(uint64_t tried_ns, uint64_t refs)
{
	const struct mcr_zombie z = { .refs = refs };
	struct known k = { .since_ns = 0 };

	for (unsigned int i = 0; i < ZOMBIE_TRIES_MAX; i++)
		zombie_survived(&k, &z, tried_ns);
	ck_assert(k.pinned);
	return k;
}

START_TEST(a_pinned_zombie_is_tried_again_after_a_long_pause)
{
	const struct mcr_zombie z = { .refs = 5 };
	struct known k = pinned_at(2000, 5);

	ck_assert(!zombie_worth_trying(&k, &z, &times, 2999));
	ck_assert(zombie_worth_trying(&k, &z, &times, 3000));
	zombie_survived(&k, &z, 3000);
	ck_assert(k.pinned);
	ck_assert(!zombie_worth_trying(&k, &z, &times, 3999));
}
END_TEST

START_TEST(a_pinned_zombie_is_tried_again_when_its_references_change)
{
	const struct mcr_zombie fewer = { .refs = 4 }, more = { .refs = 6 };
	struct known k = pinned_at(2000, 5);

	ck_assert(zombie_worth_trying(&k, &fewer, &times, 2001));
	ck_assert(zombie_worth_trying(&k, &more, &times, 2001));
	zombie_survived(&k, &fewer, 2001);
	ck_assert(!k.pinned);
	ck_assert_uint_eq(k.tries, 1);
	ck_assert_uint_eq(k.refs, 4);
	ck_assert(zombie_worth_trying(&k, &fewer, &times, 2002));
}
END_TEST

static void assert_reason(struct mcr_zombie z, bool tried, const char *part)
{
	const char *reason = zombie_reason(&z, tried);

	ck_assert_msg(strstr(reason, part) != NULL, "'%s' has no '%s'", reason, part);
}

START_TEST(the_reason_names_what_is_hardest_to_move)
{
	struct mcr_zombie z = { .refs = 1 };

	assert_reason(z, true, "references");
	z.lru_pages[MCR_LRU_ACTIVE_FILE] = 1;
	assert_reason(z, true, "page cache");
	z.swap_bytes = 4096;
	assert_reason(z, true, "swap");
	z.lru_pages[MCR_LRU_INACTIVE_ANON] = 1;
	assert_reason(z, true, "tmpfs");
	z.lru_pages[MCR_LRU_UNEVICTABLE] = 1;
	assert_reason(z, true, "unevictable");
}
END_TEST

START_TEST(page_cache_is_called_busy_only_after_a_try)
{
	struct mcr_zombie z = { .refs = 1 };

	z.lru_pages[MCR_LRU_INACTIVE_FILE] = 1;
	ck_assert_ptr_null(strstr(zombie_reason(&z, false), "busy"));
	assert_reason(z, true, "busy");
}
END_TEST

TEST_MAIN("zombies", nothing_is_known_before_the_first_census,
	  zombies_are_found_in_whatever_order_they_came, a_zombie_is_known_since_it_was_first_seen,
	  a_zombie_whose_removal_was_watched_is_known_since_then,
	  what_was_tried_is_remembered_over_a_census, only_what_was_a_zombie_counts_when_it_is_gone,
	  many_zombies_come_and_go, what_is_dying_is_a_zombie_after_the_grace_period,
	  what_was_removed_after_now_is_not_due, no_grace_makes_zombies_at_once,
	  a_zombie_is_tried_again_until_it_is_pinned, a_pinned_zombie_is_tried_again_after_a_long_pause,
	  a_pinned_zombie_is_tried_again_when_its_references_change,
	  the_reason_names_what_is_hardest_to_move, page_cache_is_called_busy_only_after_a_try)

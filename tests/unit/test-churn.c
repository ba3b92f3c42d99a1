/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "churn.h"

#include "main.h"
#include "util.h"

#define MIN (60 * 1000000000ULL)
#define HOUR (60 * MIN)
#define SLOT CHURN_SLOT_NSEC

/* A time on the border of two slots, long after the clock began. */
#define T0 (1000 * HOUR)

_Static_assert(CHURN_SLOTS * CHURN_SLOT_NSEC == HOUR, "slots together are an hour");

static struct churn_maker *note(struct churn *c, const char *path, uint64_t now_ns)
{
	struct churn_maker *m = churn_note(c, path, CHURN_HELD, now_ns);

	ck_assert_ptr_nonnull(m);
	return m;
}

static struct churn_maker *note_often(struct churn *c, const char *path, unsigned int times, uint64_t now_ns)
{
	struct churn_maker *m = NULL;

	for (unsigned int i = 0; i < times; i++)
		m = note(c, path, now_ns);
	return m;
}

static uint64_t held(const struct churn_maker *m, uint64_t now_ns)
{
	return churn_per_hour(m, CHURN_HELD, now_ns);
}

static void assert_advice(const struct churn_maker *m, const char *part)
{
	ck_assert_msg(strstr(churn_advice(m), part) != NULL, "'%s' has no '%s'", churn_advice(m), part);
}

START_TEST(nobody_makes_zombies_at_first)
{
	const struct churn_maker *top[4];
	struct churn c = { 0 };

	ck_assert_uint_eq(churn_top(&c, T0, top, ARRAY_SIZE(top)), 0);
	churn_clear(&c);
}
END_TEST

START_TEST(units_of_one_kind_are_counted_together)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	note(&c, "/system.slice/job@a.service", T0);
	note(&c, "/system.slice/cron.service", T0);
	m = note(&c, "/batch.slice/job@b.service/below", T0);
	ck_assert_uint_eq(c.n, 2);
	ck_assert_str_eq(m->pattern, "job@*.service");
	ck_assert_str_eq(m->unit, "job@b.service");
	ck_assert_int_eq(m->kind, MCR_UNIT_TEMPLATE);
	ck_assert_uint_eq(held(m, T0), 2);
	churn_clear(&c);
}
END_TEST

START_TEST(held_ones_and_zombies_are_counted_apart)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	churn_note(&c, "/a.service", CHURN_HELD, T0);
	churn_note(&c, "/a.service", CHURN_ZOMBIE, T0);
	m = churn_note(&c, "/a.service", CHURN_ZOMBIE, T0);
	ck_assert_uint_eq(churn_per_hour(m, CHURN_HELD, T0), 1);
	ck_assert_uint_eq(churn_per_hour(m, CHURN_ZOMBIE, T0), 2);
	churn_clear(&c);
}
END_TEST

START_TEST(what_was_held_and_became_a_zombie_is_one)
{
	const struct churn_maker *top[4];
	struct churn c = { 0 };

	for (int i = 0; i < 3; i++) {
		churn_note(&c, "/a.service", CHURN_HELD, T0);
		churn_note(&c, "/a.service", CHURN_ZOMBIE, T0);
	}
	for (int i = 0; i < 4; i++)
		churn_note(&c, "/b.service", CHURN_ZOMBIE, T0);
	ck_assert_uint_eq(churn_top(&c, T0, top, ARRAY_SIZE(top)), 2);
	ck_assert_str_eq(top[0]->pattern, "b.service");
	churn_clear(&c);
}
END_TEST

START_TEST(after_an_hour_it_is_forgotten)
{
	struct churn c = { 0 };
	struct churn_maker *m = note(&c, "/a.service", T0);

	ck_assert_uint_eq(held(m, T0), 1);
	ck_assert_uint_eq(held(m, T0 + HOUR - 1), 1);
	ck_assert_uint_eq(held(m, T0 + HOUR), 0);
	ck_assert_uint_eq(held(m, T0 + 10 * HOUR), 0);
	ck_assert_uint_eq(held(m, UINT64_MAX), 0);
	churn_clear(&c);
}
END_TEST

START_TEST(the_hour_slides_by_slots)
{
	struct churn c = { 0 };
	struct churn_maker *m = NULL;

	for (unsigned int i = 0; i < CHURN_SLOTS; i++)
		m = note_often(&c, "/a.service", i + 1, T0 + i * SLOT + SLOT / 2);
	for (unsigned int i = 0, sum = CHURN_SLOTS * (CHURN_SLOTS + 1) / 2; i <= CHURN_SLOTS; i++) {
		ck_assert_uint_eq(held(m, T0 + (CHURN_SLOTS - 1 + i) * SLOT), sum);
		sum -= i + 1;
	}
	churn_clear(&c);
}
END_TEST

START_TEST(a_slot_that_comes_round_again_begins_anew)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	note_often(&c, "/a.service", 5, T0);
	m = note_often(&c, "/a.service", 2, T0 + HOUR);
	ck_assert_uint_eq(held(m, T0 + HOUR), 2);
	note_often(&c, "/a.service", 3, T0 + 2 * HOUR - SLOT);
	ck_assert_uint_eq(held(m, T0 + 2 * HOUR - 1), 5);
	note(&c, "/a.service", T0 + 50 * HOUR);
	ck_assert_uint_eq(held(m, T0 + 50 * HOUR), 1);
	churn_clear(&c);
}
END_TEST

START_TEST(slots_that_were_skipped_are_empty)
{
	struct churn c = { 0 };
	struct churn_maker *m = NULL;

	for (unsigned int i = 0; i < CHURN_SLOTS; i++)
		m = note(&c, "/a.service", T0 + i * SLOT);
	note(&c, "/a.service", T0 + HOUR + 5 * SLOT);	/* 6 of those before are older than an hour */
	ck_assert_uint_eq(held(m, T0 + HOUR + 5 * SLOT), CHURN_SLOTS - 6 + 1);
	churn_clear(&c);
}
END_TEST

START_TEST(a_machine_may_have_been_started_just_now)
{
	struct churn c = { 0 };
	struct churn_maker *m = note(&c, "/a.service", 0);

	ck_assert_uint_eq(held(m, 0), 1);
	note(&c, "/a.service", SLOT);
	ck_assert_uint_eq(held(m, HOUR - 1), 2);
	ck_assert_uint_eq(held(m, HOUR), 1);
	churn_clear(&c);
}
END_TEST

START_TEST(a_clock_that_goes_back_loses_nothing)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	note(&c, "/a.service", T0);
	m = note(&c, "/a.service", T0 - 3 * SLOT);
	ck_assert_uint_eq(held(m, T0 - 3 * SLOT), 2);
	ck_assert_uint_eq(held(m, T0), 2);
	churn_clear(&c);
}
END_TEST

/* Fills the table, one pattern each SLOT / 1000. Their names have no digits. */
static void fill(struct churn *c)
{
	char path[32];

	for (unsigned int i = 0; i < CHURN_PATTERNS_MAX; i++) {
		snprintf(path, sizeof(path), "/x%c%c.service", 'a' + i / 16, 'a' + i % 16);
		note(c, path, T0 + i * SLOT / 1000);
	}
	ck_assert_uint_eq(c->n, CHURN_PATTERNS_MAX);
}

static bool knows(const struct churn *c, const char *pattern)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->at[i].pattern, pattern) == 0)
			return true;
	return false;
}

START_TEST(the_pattern_that_was_quiet_for_longest_makes_room)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	fill(&c);
	note(&c, "/xaa.service", T0 + SLOT);		/* the first one is heard of again */
	m = note(&c, "/new.service", T0 + SLOT);
	ck_assert_uint_eq(c.n, CHURN_PATTERNS_MAX);
	ck_assert_str_eq(m->pattern, "new.service");
	ck_assert(knows(&c, "new.service"));
	ck_assert(knows(&c, "xaa.service"));
	ck_assert(!knows(&c, "xab.service"));
	ck_assert(knows(&c, "xac.service"));
	churn_clear(&c);
}
END_TEST

START_TEST(who_takes_a_place_begins_with_nothing)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	note_often(&c, "/old@1.service", 100, T0)->timer = true;
	c.at[0].pin = "something";
	fill(&c);					/* its last one takes the place */
	m = &c.at[0];
	ck_assert_str_eq(m->pattern, "xhp.service");
	ck_assert_uint_eq(held(m, T0 + SLOT / 2), 1);
	ck_assert_uint_eq(m->same_unit, 1);
	ck_assert_int_eq(m->kind, MCR_UNIT_PLAIN);
	ck_assert(!m->timer);
	ck_assert_ptr_null(m->pin);
	churn_clear(&c);
}
END_TEST

START_TEST(each_new_maker_is_counted_also_in_the_place_of_another)
{
	struct churn c = { 0 };

	note(&c, "/job@1.service", T0);
	ck_assert_uint_eq(c.made, 1);
	note(&c, "/job@2.service", T0);
	ck_assert_uint_eq(c.made, 1);
	fill(&c);
	ck_assert_uint_eq(c.made, 1 + CHURN_PATTERNS_MAX);
	note(&c, "/new.service", T0 + SLOT);
	ck_assert_uint_eq(c.made, 2 + CHURN_PATTERNS_MAX);
	churn_clear(&c);
}
END_TEST

START_TEST(the_table_is_bounded)
{
	struct churn c = { 0 };
	char path[32];

	for (unsigned int i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/%c%c%c%c.x", 'g' + i % 20, 'g' + i / 20 % 20, 'g' + i / 400 % 20, 'g' + i / 8000);
		note(&c, path, T0 + i);
	}
	ck_assert_uint_eq(c.n, CHURN_PATTERNS_MAX);
	churn_clear(&c);
	ck_assert_uint_eq(c.n, 0);
	ck_assert_ptr_null(c.at);
}
END_TEST

START_TEST(the_top_is_by_number_most_first)
{
	const struct churn_maker *top[8];
	struct churn c = { 0 };

	note_often(&c, "/few.service", 2, T0);
	note_often(&c, "/most.service", 9, T0);
	note_often(&c, "/some.service", 4, T0);
	churn_note(&c, "/few.service", CHURN_ZOMBIE, T0);
	churn_note(&c, "/zombies.service", CHURN_ZOMBIE, T0);
	ck_assert_uint_eq(churn_top(&c, T0, top, ARRAY_SIZE(top)), 4);
	ck_assert_str_eq(top[0]->pattern, "most.service");
	ck_assert_str_eq(top[1]->pattern, "some.service");
	ck_assert_str_eq(top[2]->pattern, "few.service");
	ck_assert_str_eq(top[3]->pattern, "zombies.service");
	churn_clear(&c);
}
END_TEST

START_TEST(of_equals_who_came_first_is_first)
{
	const struct churn_maker *top[3];
	struct churn c = { 0 };

	note(&c, "/a.service", T0);
	note(&c, "/b.service", T0);
	note(&c, "/c.service", T0);
	ck_assert_uint_eq(churn_top(&c, T0, top, ARRAY_SIZE(top)), 3);
	ck_assert_str_eq(top[0]->pattern, "a.service");
	ck_assert_str_eq(top[2]->pattern, "c.service");
	churn_clear(&c);
}
END_TEST

START_TEST(a_short_top_has_the_most_and_no_more_room_is_used)
{
	const struct churn_maker *top[3] = { (void *)UNTOUCHED, (void *)UNTOUCHED, (void *)UNTOUCHED };
	struct churn c = { 0 };
	char path[32];

	for (unsigned int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/x%c.service", 'a' + i);
		note_often(&c, path, (i * 7) % 20 + 1, T0);
	}
	ck_assert_uint_eq(churn_top(&c, T0, top, 0), 0);
	ck_assert_ptr_eq(top[0], (void *)UNTOUCHED);
	ck_assert_uint_eq(churn_top(&c, T0, top, 2), 2);
	ck_assert_uint_eq(held(top[0], T0), 20);
	ck_assert_uint_eq(held(top[1], T0), 19);
	ck_assert_ptr_eq(top[2], (void *)UNTOUCHED);
	churn_clear(&c);
}
END_TEST

START_TEST(who_made_none_in_the_last_hour_is_not_in_the_top)
{
	const struct churn_maker *top[3];
	struct churn c = { 0 };

	note_often(&c, "/old.service", 50, T0);
	note(&c, "/new.service", T0 + HOUR);
	ck_assert_uint_eq(churn_top(&c, T0 + HOUR, top, ARRAY_SIZE(top)), 1);
	ck_assert_str_eq(top[0]->pattern, "new.service");
	ck_assert_uint_eq(churn_top(&c, T0 + 3 * HOUR, top, ARRAY_SIZE(top)), 0);
	churn_clear(&c);
}
END_TEST

START_TEST(the_same_unit_again_and_again_is_a_loop)
{
	struct churn c = { 0 };
	struct churn_maker *m = note_often(&c, "/a.service", 4, T0);

	assert_advice(m, "nothing to do");
	note(&c, "/a.service", T0 + MIN);
	ck_assert_uint_eq(m->same_unit, 5);
	assert_advice(m, "Restart=");
	churn_clear(&c);
}
END_TEST

START_TEST(a_unit_that_runs_once_a_day_is_in_no_loop)
{
	struct churn c = { 0 };
	struct churn_maker *m = NULL;

	for (unsigned int day = 0; day < 30; day++)
		m = note(&c, "/a.service", T0 + day * 24 * HOUR);
	ck_assert_uint_eq(m->same_unit, 1);
	assert_advice(m, "nothing to do");
	for (unsigned int i = 0; i < 30; i++)
		m = note(&c, "/b.service", T0 + i * 20 * MIN);
	assert_advice(m, "nothing to do");
	churn_clear(&c);
}
END_TEST

START_TEST(another_unit_of_the_kind_ends_the_row)
{
	struct churn c = { 0 };
	struct churn_maker *m = note_often(&c, "/job-1.service", 7, T0);

	ck_assert_uint_eq(m->same_unit, 7);
	note(&c, "/job-2.service", T0);
	ck_assert_uint_eq(m->same_unit, 1);
	note(&c, "/job-1.service", T0);
	ck_assert_uint_eq(m->same_unit, 1);
	churn_clear(&c);
}
END_TEST

START_TEST(the_advice_is_by_kind)
{
	struct churn c = { 0 };

	assert_advice(note(&c, "/job@1.service", T0), "each instance");
	assert_advice(note(&c, "/run-u1.scope", T0), "systemd-run");
	assert_advice(note(&c, "/session-1.scope", T0), "many of one kind");
	assert_advice(note(&c, "/user.slice/user-1000.slice", T0), "a slice");
	assert_advice(note(&c, "/docker/x", T0), "not a unit of systemd's");
	assert_advice(note(&c, "/a.service", T0), "nothing to do");
	note(&c, "/a.service", T0)->timer = true;
	assert_advice(note(&c, "/a.service", T0), "OnCalendar=");
	churn_clear(&c);
}
END_TEST

START_TEST(what_was_found_out_about_a_pattern_is_kept)
{
	struct churn c = { 0 };
	struct churn_maker *m = note(&c, "/job@1.service", T0);

	m->timer = true;
	m->pin = "swap entries";
	m = note(&c, "/job@2.service", T0 + 5 * HOUR);
	ck_assert(m->timer);
	ck_assert_str_eq(m->pin, "swap entries");
	churn_clear(&c);
}
END_TEST

START_TEST(paths_without_a_unit_are_counted_by_name)
{
	struct churn c = { 0 };
	struct churn_maker *m;

	note(&c, "/lxc/worker-1", T0);
	m = note(&c, "/lxc/worker-2", T0);
	ck_assert_str_eq(m->pattern, "worker-*");
	ck_assert_int_eq(m->kind, MCR_UNIT_NONE);
	ck_assert_uint_eq(held(m, T0), 2);
	ck_assert_str_eq(note(&c, "", T0)->pattern, "");
	ck_assert_uint_eq(held(note(&c, "/", T0), T0), 2);
	churn_clear(&c);
}
END_TEST

START_TEST(long_names_keep_their_kind)
{
	char path[300] = "/", *name = path + 1;
	struct churn c = { 0 };
	struct churn_maker *m;

	memset(name, 'x', 255);
	strcpy(name + 255 - strlen(".service"), ".service");
	m = note(&c, path, T0);
	ck_assert_int_eq(m->kind, MCR_UNIT_PLAIN);
	ck_assert_str_eq(m->unit, name);
	ck_assert_str_eq(m->pattern, name);
	name[0] = 'y';
	ck_assert_ptr_ne(note(&c, path, T0), m);
	name[200] = '@';
	note(&c, path, T0);
	name[201] = 'z';
	m = note(&c, path, T0);
	ck_assert_int_eq(m->kind, MCR_UNIT_TEMPLATE);
	ck_assert_uint_eq(held(m, T0), 2);
	ck_assert_uint_eq(m->same_unit, 1);
	churn_clear(&c);
}
END_TEST

START_TEST(names_longer_than_any_are_cut)
{
	static char path[5000];
	struct churn c = { 0 };

	memset(path, 'x', sizeof(path) - 1);
	ck_assert_uint_eq(strlen(note(&c, path, T0)->unit), sizeof(c.at->unit) - 1);
	ck_assert_uint_eq(held(note(&c, path, T0), T0), 2);
	churn_clear(&c);
}
END_TEST

START_TEST(odd_names_are_counted_as_they_are)
{
	struct churn c = { 0 };

	ck_assert_str_eq(note(&c, "/a\n\x1b[31m\xff.service", T0)->pattern, "a\n\x1b[*m\xff.service");
	ck_assert_str_eq(note(&c, "/%s%n.service", T0)->pattern, "%s%n.service");
	ck_assert_str_eq(note(&c, "/ .service", T0)->pattern, " .service");
	churn_clear(&c);
}
END_TEST

TEST_MAIN("churn", nobody_makes_zombies_at_first, units_of_one_kind_are_counted_together,
	  held_ones_and_zombies_are_counted_apart, what_was_held_and_became_a_zombie_is_one, after_an_hour_it_is_forgotten, the_hour_slides_by_slots,
	  a_slot_that_comes_round_again_begins_anew, slots_that_were_skipped_are_empty,
	  a_machine_may_have_been_started_just_now, a_clock_that_goes_back_loses_nothing,
	  the_pattern_that_was_quiet_for_longest_makes_room, who_takes_a_place_begins_with_nothing,
	  each_new_maker_is_counted_also_in_the_place_of_another, the_table_is_bounded, the_top_is_by_number_most_first, of_equals_who_came_first_is_first,
	  a_short_top_has_the_most_and_no_more_room_is_used, who_made_none_in_the_last_hour_is_not_in_the_top,
	  the_same_unit_again_and_again_is_a_loop, a_unit_that_runs_once_a_day_is_in_no_loop,
	  another_unit_of_the_kind_ends_the_row, the_advice_is_by_kind,
	  what_was_found_out_about_a_pattern_is_kept, paths_without_a_unit_are_counted_by_name,
	  long_names_keep_their_kind, names_longer_than_any_are_cut, odd_names_are_counted_as_they_are)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tally.h"

#include <json-c/json.h>
#include <stdio.h>

#include "main.h"
#include "refusal.h"
#include "rewrite.h"

static struct recharge_tally *t;

static void start(void)
{
	static struct recharge_tally fresh;

	fresh = (struct recharge_tally){ 0 };
	t = &fresh;
}

static void add(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	ck_assert_msg(o != NULL, "no JSON: %s", text);
	tally_add(t, o);
	json_object_put(o);
}

static const struct tally_word *word(const struct tally_words *words, const char *name)
{
	for (size_t i = 0; i < words->n; i++)
		if (strcmp(words->at[i].word, name) == 0)
			return &words->at[i];
	ck_abort_msg("no '%s'", name);
	return NULL;
}

START_TEST(objects_count_by_the_strategy_that_moved_them)
{
	start();
	add("{\"moved_bytes\":300,\"longest_pause_usec\":7,\"objects\":["
	    "{\"bytes\":100,\"moved_bytes\":100,\"strategy\":\"lease\",\"chunks\":2},"
	    "{\"bytes\":200,\"moved_bytes\":200,\"strategy\":\"one of tomorrow\",\"chunks\":3,\"chunks_over\":1,"
	    "\"pause_usec\":12,\"longest_pause_usec\":7}]}");
	add("{\"moved_bytes\":50,\"objects\":[{\"bytes\":50,\"moved_bytes\":50,\"strategy\":\"lease\",\"chunks\":1}]}");
	ck_assert_uint_eq(t->answered, 2);
	ck_assert_uint_eq(t->moved_bytes, 350);
	ck_assert_uint_eq(t->moved.n, 2);
	ck_assert_uint_eq(word(&t->moved, "lease")->objects, 2);
	ck_assert_uint_eq(word(&t->moved, "lease")->bytes, 150);
	ck_assert_uint_eq(word(&t->moved, "one of tomorrow")->bytes, 200);
	ck_assert_uint_eq(t->parts, 6);
	ck_assert_uint_eq(t->parts_over, 1);
	ck_assert_uint_eq(t->pause_usec, 12);
	ck_assert_uint_eq(t->longest_pause_usec, 7);
	ck_assert_uint_eq(tally_refused(t), 0);
	ck_assert_ptr_null(tally_main_refusal(t));
}
END_TEST

START_TEST(what_is_left_counts_by_its_refusal)
{
	start();
	add("{\"objects\":[{\"bytes\":100,\"moved_bytes\":30,\"strategy\":\"frozen\",\"refusal\":\"pause\",\"why_not\":\"x\"},"
	    "{\"bytes\":5,\"strategy\":\"frozen\",\"refusal\":\"io-uring\",\"why_not\":\"x\"},"
	    "{\"bytes\":6,\"refusal\":\"io-uring\",\"why_not\":\"x\"},"
	    "{\"bytes\":7,\"refusal\":null,\"why_not\":\"no way to it\"}]}");
	ck_assert_uint_eq(word(&t->moved, "frozen")->objects, 1);
	ck_assert_uint_eq(word(&t->refused, "pause")->bytes, 70);
	ck_assert_uint_eq(word(&t->refused, "io-uring")->objects, 2);
	ck_assert_uint_eq(word(&t->refused, "io-uring")->bytes, 11);
	ck_assert_uint_eq(word(&t->refused, "other")->bytes, 7);
	ck_assert_uint_eq(tally_refused(t), 4);
	ck_assert_str_eq(tally_main_refusal(t), "io-uring");
}
END_TEST

START_TEST(a_request_that_reached_no_object_is_told_apart)
{
	start();
	add("{\"moved_bytes\":0,\"why_not\":\"no owner\"}");
	add("{\"moved_bytes\":0,\"why_not\":\"no owner\",\"objects\":[]}");
	add("{\"moved_bytes\":0,\"objects\":[]}");	/* there was nothing to be moved */
	ck_assert_uint_eq(t->answered, 3);
	ck_assert_uint_eq(t->not_served, 2);
}
END_TEST

START_TEST(repairs_are_summed)
{
	start();
	add("{\"repaired\":2,\"objects\":[]}");
	add("{\"repaired\":1,\"why_not\":\"it was stopped\"}");
	ck_assert_uint_eq(t->repairs, 3);
}
END_TEST

START_TEST(nonsense_counts_as_nothing)
{
	start();
	add("[]");
	add("7");
	add("{\"objects\":7,\"moved_bytes\":\"many\"}");
	add("{\"objects\":[7,null,[],{\"moved_bytes\":-4}]}");
	ck_assert_uint_eq(t->answered, 4);
	ck_assert_uint_eq(t->moved_bytes, 0);
	ck_assert_uint_eq(t->moved.n, 0);
	ck_assert_uint_eq(t->refused.n, 0);
}
END_TEST

START_TEST(words_are_bounded_and_none_is_lost)
{
	char text[128];

	start();
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "{\"objects\":[{\"refusal\":\"a-word-that-is-far-too-long-for-its-place\",\"why_not\":\"%d\"},"
			 "{\"refusal\":\"r%d\"}]}", i, i);
		add(text);
	}
	ck_assert_uint_eq(t->refused.n, TALLY_WORDS_MAX);
	ck_assert_uint_eq(tally_refused(t), 400);
	ck_assert_uint_eq(strlen(t->refused.at[0].word), TALLY_WORD_SIZE - 1);
	ck_assert_uint_ge(word(&t->refused, "other")->objects, 200 - TALLY_WORDS_MAX);
}
END_TEST

START_TEST(every_word_there_is_fits)
{
	ck_assert_int_lt(MCR_REFUSAL_MAX, TALLY_WORDS_MAX);
	for (int i = 0; i < MCR_REFUSAL_MAX; i++)
		ck_assert_uint_lt(strlen(mcr_refusal_name(i)), TALLY_WORD_SIZE);
	ck_assert_uint_lt(strlen(mcr_rewrite_strategy_name(MCR_REWRITE_FROZEN)), TALLY_WORD_SIZE);
}
END_TEST

START_TEST(it_is_told_as_json)
{
	struct json_object *o, *list;

	start();
	add("{\"moved_bytes\":4,\"objects\":[{\"bytes\":4,\"moved_bytes\":4,\"strategy\":\"lease\"},{\"bytes\":9,\"refusal\":\"loop\"}]}");
	t->unanswered = 3;
	o = tally_json(t);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(o, "unanswered")), 3);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(o, "refused_objects")), 1);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(o, "main_refusal")), "loop");
	list = json_object_object_get(o, "moved");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(json_object_array_get_idx(list, 0), "strategy")), "lease");
	list = json_object_object_get(o, "refused");
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(json_object_array_get_idx(list, 0), "bytes")), 9);
	json_object_put(o);
}
END_TEST

TEST_MAIN("tally", objects_count_by_the_strategy_that_moved_them, what_is_left_counts_by_its_refusal,
	  a_request_that_reached_no_object_is_told_apart, repairs_are_summed, nonsense_counts_as_nothing,
	  words_are_bounded_and_none_is_lost, every_word_there_is_fits, it_is_told_as_json)

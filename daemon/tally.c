/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tally.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static uint64_t number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

static const char *text(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

/* The last place is for all that find none. */
static struct tally_word *find(struct tally_words *words, const char *word)
{
	char cut[TALLY_WORD_SIZE];
	size_t i = 0;

	snprintf(cut, sizeof(cut), "%s", word);
	while (i < words->n && strcmp(words->at[i].word, cut) != 0)
		i++;
	if (i == words->n && i == TALLY_WORDS_MAX) {
		snprintf(words->at[--i].word, TALLY_WORD_SIZE, "other");
	} else if (i == words->n) {
		words->n++;
		snprintf(words->at[i].word, TALLY_WORD_SIZE, "%s", cut);
	}
	return &words->at[i];
}

static void count(struct tally_words *words, const char *word, uint64_t bytes)
{
	struct tally_word *w = find(words, word);

	w->objects++;
	w->bytes += bytes;
}

static void add_object(struct recharge_tally *t, struct json_object *o)
{
	uint64_t moved = number(o, "moved_bytes"), bytes = number(o, "bytes"), longest = number(o, "longest_pause_usec");
	const char *strategy = text(o, "strategy"), *refusal = text(o, "refusal");

	if (moved)
		count(&t->moved, strategy ? strategy : "other", moved);
	if (refusal || text(o, "why_not"))
		count(&t->refused, refusal ? refusal : "other", bytes > moved ? bytes - moved : 0);
	t->parts += number(o, "chunks");
	t->parts_over += number(o, "chunks_over");
	t->pause_usec += number(o, "pause_usec");
	if (longest > t->longest_pause_usec)
		t->longest_pause_usec = longest;
}

void tally_add(struct recharge_tally *t, struct json_object *answer)
{
	struct json_object *objects = json_object_object_get(answer, "objects");
	size_t n = json_object_is_type(objects, json_type_array) ? json_object_array_length(objects) : 0;
	uint64_t longest = number(answer, "longest_pause_usec");

	t->answered++;
	t->not_served += n == 0 && text(answer, "why_not");
	t->repairs += number(answer, "repaired");
	t->moved_bytes += number(answer, "moved_bytes");
	t->left_bytes += number(answer, "left_bytes");
	if (longest > t->longest_pause_usec)
		t->longest_pause_usec = longest;
	for (size_t i = 0; i < n; i++)
		add_object(t, json_object_array_get_idx(objects, i));
}

uint64_t tally_refused(const struct recharge_tally *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->refused.n; i++)
		n += t->refused.at[i].objects;
	return n;
}

const char *tally_main_refusal(const struct recharge_tally *t)
{
	const struct tally_word *most = NULL;

	for (size_t i = 0; i < t->refused.n; i++)
		if (!most || t->refused.at[i].objects > most->objects)
			most = &t->refused.at[i];
	return most ? most->word : NULL;
}

static struct json_object *words_json(const struct tally_words *words, const char *key)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < words->n; i++) {
		struct json_object *o = json_object_new_object();

		add_str(o, key, words->at[i].word);
		add_u64(o, "objects", words->at[i].objects);
		add_u64(o, "bytes", words->at[i].bytes);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *tally_json(const struct recharge_tally *t)
{
	struct json_object *o = json_object_new_object();

	add_u64(o, "answered", t->answered);
	add_u64(o, "unanswered", t->unanswered);
	add_u64(o, "not_served", t->not_served);
	add_u64(o, "repairs", t->repairs);
	add_u64(o, "moved_bytes", t->moved_bytes);
	add_u64(o, "left_bytes", t->left_bytes);
	add_u64(o, "parts", t->parts);
	add_u64(o, "parts_over", t->parts_over);
	add_u64(o, "pause_usec", t->pause_usec);
	add_u64(o, "longest_pause_usec", t->longest_pause_usec);
	add_u64(o, "refused_objects", tally_refused(t));
	add_str(o, "main_refusal", tally_main_refusal(t));
	json_object_object_add(o, "moved", words_json(&t->moved, "strategy"));
	json_object_object_add(o, "refused", words_json(&t->refused, "refusal"));
	return o;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What came of recharging since the daemon was started, summed up from the answers of memcg-recharge. Strategies and refusals are
 * known by the words it uses for them: a new one needs no change here. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct json_object;

/* Different words that are counted apart; all further ones together as "other". */
#define TALLY_WORDS_MAX 64
#define TALLY_WORD_SIZE 32

struct tally_word {
	char word[TALLY_WORD_SIZE];
	uint64_t objects, bytes;
};

struct tally_words {
	struct tally_word at[TALLY_WORDS_MAX];
	size_t n;
};

struct recharge_tally {
	uint64_t answered;		/* requests, dry runs apart */
	uint64_t unanswered;		/* given up, or never served */
	uint64_t not_served;		/* answered without a look at any object: no owner, BPF refused */
	uint64_t repairs;		/* something interrupted that was put right */
	uint64_t moved_bytes, left_bytes;
	uint64_t parts, parts_over;	/* and those whose pause was longer than it may be */
	uint64_t pause_usec, longest_pause_usec;	/* all together, and the longest */
	struct tally_words moved;	/* by strategy: objects of which something was moved */
	struct tally_words refused;	/* by refusal: objects of which something was not; bytes: that were left */
};

/* Adds one answer, as mcr_recharge_run() makes it. Fields that are not there count as 0. */
void tally_add(struct recharge_tally *t, struct json_object *answer);

/* Objects that were refused, in all. */
uint64_t tally_refused(const struct recharge_tally *t);

/* The refusal that was met most often; NULL: none was. */
const char *tally_main_refusal(const struct recharge_tally *t);

/* As "recharges" of the status file; the caller puts it back. */
struct json_object *tally_json(const struct recharge_tally *t);

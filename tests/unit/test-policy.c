/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <fnmatch.h>

#include "bpf/glob.h"
#include "configs.h"
#include "main.h"
#include "util.h"

/* Fails unless this policy (NULL: none) decides for the path, because of this slice. */
static void assert_policy(const struct mcr_config *c, const char *path, const char *policy, const char *slice)
{
	const char *why = "untouched";
	const struct mcr_policy *p = mcr_policy_for(c, path, &why);

	ck_assert_msg(!p == !policy, "'%s' has the policy %s", path, p ? p->name : "none");
	if (!policy) {
		ck_assert_str_eq(why, "untouched");
		return;
	}
	ck_assert_msg(strcmp(p->name, policy) == 0, "'%s' has the policy %s, not %s", path, p->name, policy);
	ck_assert_str_eq(why, slice);
	ck_assert_ptr_eq(mcr_policy_for(c, path, NULL), p);
}

static void assert_none(const struct mcr_config *c, const char *path)
{
	assert_policy(c, path, NULL, NULL);
}

START_TEST(everything_below_a_slice_has_its_policy)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("");

	assert_policy(c, "/system.slice/cron.service", "default", "system.slice");
	assert_policy(c, "/user.slice/user-1000.slice/session-1.scope", "default", "user.slice");
	assert_policy(c, "system.slice/cron.service", "default", "system.slice");
	assert_policy(c, "/system.slice", "default", "system.slice");
}
END_TEST

START_TEST(what_only_begins_like_a_slice_has_none)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("");

	assert_none(c, "/system.slicex");
	assert_none(c, "/system.slicex/a.service");
	assert_none(c, "/system.slic");
	assert_none(c, "/init.scope");
	assert_none(c, "/other/system.slice/a.service");
}
END_TEST

START_TEST(the_root_has_no_policy)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("");

	assert_none(c, "/");
	assert_none(c, "//");
	assert_none(c, "");
}
END_TEST

START_TEST(slashes_around_a_path_and_its_names_do_not_matter)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy a]\nSlice=x/y\n[Policy b]\nSlice=jobs\nMatch=b-*\n");

	assert_policy(c, "//system.slice/a", "default", "system.slice");
	assert_policy(c, "/system.slice/", "default", "system.slice");
	assert_policy(c, "/system.slice//", "default", "system.slice");
	assert_policy(c, "///system.slice///a///b///", "default", "system.slice");
	assert_policy(c, "/x/y//z/", "a", "x/y");
	assert_policy(c, "//jobs//x//b-1//", "b", "jobs");
	assert_none(c, "/jobs//");
	assert_none(c, "/system.slice//docker-1//");
}
END_TEST

START_TEST(without_slices_nothing_has_a_policy)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy default]\nSlice=\n[Policy vm]\nSelectable=yes\n");

	ck_assert_uint_eq(c->n_slots, 0);
	assert_none(c, "/system.slice/a.service");
	assert_none(c, "/");
}
END_TEST

START_TEST(the_deepest_slice_decides_in_any_order)
{
	static const char *const texts[] = {
		"[Policy a]\nSlice=s\n[Policy b]\nSlice=s/t/u\n", "[Policy b]\nSlice=s/t/u\n[Policy a]\nSlice=s\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		auto_(mcr_config_unrefp) struct mcr_config *c = config_of(texts[i]);

		assert_policy(c, "/s", "a", "s");
		assert_policy(c, "/s/t", "a", "s");
		assert_policy(c, "/s/t/u", "b", "s/t/u");
		assert_policy(c, "/s/t/u/v/w", "b", "s/t/u");
		assert_policy(c, "/s/t/uu", "a", "s");
	}
}
END_TEST

START_TEST(of_two_policies_for_a_slice_the_one_read_last_decides)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy z]\nSlice=s\n[Policy a]\nSlice=s\n[Policy m]\nSlice=other\n");

	assert_policy(c, "/s/x", "a", "s");
}
END_TEST

START_TEST(a_section_that_goes_on_later_counts_as_later)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy z]\nSlice=s\n[Policy a]\nSlice=s\n[Policy z]\nGate=no\n");

	assert_policy(c, "/s/x", "z", "s");
}
END_TEST

START_TEST(the_policy_default_is_the_last_resort_wherever_it_stands)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy a]\nSlice=system.slice\n[Policy default]\nGate=no\nSlice=system.slice\n");

	assert_policy(c, "/system.slice/x", "a", "system.slice");
	assert_policy(c, "/user.slice/x", "default", "user.slice");
}
END_TEST

START_TEST(a_policy_with_globs_is_for_what_matches_and_all_below)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy db]\nSlice=system.slice\nMatch=postgres* my?ql.service\n");

	assert_policy(c, "/system.slice/postgresql.service", "db", "system.slice");
	assert_policy(c, "/system.slice/postgresql.service/a/b", "db", "system.slice");
	assert_policy(c, "/system.slice/x.slice/mysql.service", "db", "system.slice");
	assert_policy(c, "/system.slice/mysql.service.x", "default", "system.slice");
	assert_policy(c, "/system.slice/cron.service", "default", "system.slice");
	assert_policy(c, "/system.slice", "default", "system.slice");	/* its own name is not compared */
	assert_policy(c, "/user.slice/postgresql.service", "default", "user.slice");
}
END_TEST

START_TEST(of_globs_that_match_the_policy_read_last_decides)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy a]\nSlice=s\nMatch=x*\n[Policy b]\nSlice=s\nMatch=*y\n[Policy c]\nSlice=s\nMatch=z\n");

	assert_policy(c, "/s/xy", "b", "s");
	assert_policy(c, "/s/x/y", "b", "s");
	assert_policy(c, "/s/xx", "a", "s");
	assert_none(c, "/s/other");
}
END_TEST

START_TEST(where_no_glob_of_the_deepest_slice_matches_the_next_one_decides)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy outer]\nSlice=s\n[Policy inner]\nSlice=s/t\nMatch=x*\n");

	assert_policy(c, "/s/t/x1", "inner", "s/t");
	assert_policy(c, "/s/t/y1", "outer", "s");
	assert_policy(c, "/s/x1", "outer", "s");
}
END_TEST

START_TEST(an_excepted_name_below_the_slice_is_left_alone)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("");

	assert_none(c, "/system.slice/docker-0123.scope");
	assert_none(c, "/system.slice/docker.service");
	assert_none(c, "/system.slice/containerd.service/kid");
	assert_none(c, "/user.slice/user-1000.slice/user@1000.service/libpod-1.scope/x/y");
	assert_policy(c, "/system.slice/my-docker.service", "default", "system.slice");
	assert_policy(c, "/system.slice/libpod.service", "default", "system.slice");
	assert_policy(c, "/system.slice/docke", "default", "system.slice");
}
END_TEST

START_TEST(names_of_the_slice_itself_are_not_excepted)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("[Policy vm]\nSlice=machine.slice s/docker-x\n"
								  "[Policy s]\nSlice=s\n");

	assert_policy(c, "/machine.slice/vm.scope", "vm", "machine.slice");
	assert_none(c, "/machine.slice/libpod-1.scope");
	assert_policy(c, "/s/docker-x/k", "vm", "s/docker-x");
	assert_policy(c, "/s/k", "s", "s");
	assert_none(c, "/s/docker-y/k");
	assert_none(c, "/s/docker-x/docker-y");
}
END_TEST

START_TEST(an_excepted_name_is_not_handed_to_a_slice_further_up)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy outer]\nSlice=s\n[Policy inner]\nSlice=s/t\n[Policy glob]\nSlice=s/t\nMatch=docker-*\n");

	assert_none(c, "/s/t/docker-1");
	assert_none(c, "/s/t/docker-1/x");
}
END_TEST

START_TEST(an_empty_except_excepts_nothing)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("[Reaper]\nExcept=\n");

	assert_policy(c, "/system.slice/docker-1", "default", "system.slice");
}
END_TEST

START_TEST(a_name_longer_than_any_cgroup_has_matches_no_glob)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("[Policy a]\nSlice=s\nMatch=*\n");
	char path[600];

	snprintf(path, sizeof(path), "/s/%0255d", 0);
	assert_policy(c, path, "a", "s");
	snprintf(path, sizeof(path), "/s/%0256d", 0);
	assert_none(c, path);
	snprintf(path, sizeof(path), "/s/%0256d/x", 0);
	assert_policy(c, path, "a", "s");
}
END_TEST

START_TEST(a_policy_holds_only_with_gate_and_drain_and_in_earnest)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy a]\nSlice=a\nGate=no\n[Policy b]\nSlice=b\nDrain=no\n[Policy c]\nSlice=c\nDryRun=yes\n"
		"[Policy d]\nSlice=d\nShield=no\nDrainMaxBytes=0\n");

	ck_assert(mcr_policy_holds(mcr_policy_named(c, "default")));
	ck_assert(mcr_policy_holds(mcr_policy_named(c, "d")));
	ck_assert(!mcr_policy_holds(mcr_policy_named(c, "a")));
	ck_assert(!mcr_policy_holds(mcr_policy_named(c, "b")));
	ck_assert(!mcr_policy_holds(mcr_policy_named(c, "c")));
	ck_assert_uint_eq(mcr_policy_drain_max(mcr_policy_named(c, "a")), 1 << 30);
	ck_assert_uint_eq(mcr_policy_drain_max(mcr_policy_named(c, "b")), 0);
	ck_assert_uint_ge(mcr_policy_drain_max(mcr_policy_named(c, "d")), INT64_MAX);
	ck_assert_ptr_null(mcr_policy_named(c, "e"));
	ck_assert_ptr_null(mcr_policy_named(c, ""));
}
END_TEST

START_TEST(globs_have_stars_and_question_marks)
{
	static const struct { const char *glob, *text; bool matches; } cases[] = {
		{ "", "", true }, { "", "a", false }, { "a", "", false }, { "*", "", true }, { "**", "", true },
		{ "*", "anything/at all", true }, { "?", "", false }, { "?", "a", true }, { "?", "ab", false },
		{ "a*c", "abc", true }, { "a*c", "ac", true }, { "a*c", "abcd", false }, { "*.service", ".service", true },
		{ "a*b*c", "axbxbxc", true }, { "a*b*c", "axcxb", false }, { "*a?", "aaab", true }, { "*a?", "aa", true },
		{ "*a?", "a", false }, { "[a]", "a", false }, { "\\*", "*", false }, { "\\*", "\\x", true },
		{ "A", "a", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(mcr_glob_matches(cases[i].glob, cases[i].text) == cases[i].matches, "'%s' on '%s'",
			      cases[i].glob, cases[i].text);
}
END_TEST

START_TEST(a_glob_or_text_that_is_too_long_does_not_match)
{
	char glob[GLOB_MAX + 1], text[GLOB_TEXT_MAX + 1];

	memset(glob, '*', sizeof(glob));
	memset(text, 'a', sizeof(text));
	glob[GLOB_MAX - 1] = text[GLOB_TEXT_MAX - 1] = '\0';
	ck_assert(mcr_glob_matches(glob, text));
	glob[GLOB_MAX - 1] = '*';
	glob[GLOB_MAX] = '\0';
	ck_assert(!mcr_glob_matches(glob, text));
	text[GLOB_TEXT_MAX - 1] = 'a';
	text[GLOB_TEXT_MAX] = '\0';
	ck_assert(!mcr_glob_matches("*", text));
}
END_TEST

/* A fixed sequence: a failure can be repeated. */
static unsigned int next_random(void)
{
	static unsigned int state = 2463534242U;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void random_word(char *word, size_t max, const char *letters)
{
	size_t len = next_random() % max, n = strlen(letters);

	for (size_t i = 0; i < len; i++)
		word[i] = letters[next_random() % n];
	word[len] = '\0';
}

START_TEST(a_million_globs_match_what_fnmatch_says)
{
	char glob[12], text[16];
	unsigned int both = 0;

	for (unsigned int i = 0; i < 1000000; i++) {
		bool expected;

		random_word(glob, sizeof(glob), "**?abab");
		random_word(text, sizeof(text), i % 2 ? "ab" : "ab/.");
		expected = fnmatch(glob, text, 0) == 0;
		ck_assert_msg(mcr_glob_matches(glob, text) == expected, "'%s' on '%s'", glob, text);
		both += expected;
	}
	ck_assert_uint_gt(both, 50000);		/* it was no test of mismatches alone */
	ck_assert_uint_lt(both, 950000);
}
END_TEST

START_TEST(the_longest_glob_takes_steps_in_proportion_to_both_lengths)
{
	char glob[GLOB_MAX], text[GLOB_TEXT_MAX];
	struct glob_match m = { 0 };
	unsigned int steps = 0;

	for (size_t i = 0; i < GLOB_MAX - 1; i++)
		glob[i] = i % 2 ? 'a' : '*';
	memcpy(glob + GLOB_MAX - 3, "*b", 3);
	memset(text, 'a', sizeof(text));
	text[GLOB_TEXT_MAX - 1] = '\0';
	while (glob_step(glob, text, &m) == GLOB_GOES_ON)
		steps++;
	ck_assert_uint_lt(steps, GLOB_MAX * GLOB_TEXT_MAX);
	ck_assert(!mcr_glob_matches(glob, text));
}
END_TEST

/* ---- How the cost grows: comparisons of strings are counted, and of characters in them ---- */

static struct {
	uint64_t calls, chars;
} cost;

static size_t common_prefix(const char *a, const char *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i] && a[i])
		i++;
	return i < n ? i + 1 : n;
}

int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b)
{
	cost.calls++;
	cost.chars += common_prefix(a, b, SIZE_MAX);
	return __real_strcmp(a, b);
}

int __real_strncmp(const char *a, const char *b, size_t n);
int __wrap_strncmp(const char *a, const char *b, size_t n);
int __wrap_strncmp(const char *a, const char *b, size_t n)
{
	cost.calls++;
	cost.chars += common_prefix(a, b, n);
	return __real_strncmp(a, b, n);
}

/* Of n policies every fourth has globs, in slices of two levels; the sections of default make one more. */
static struct mcr_config *many_policies(unsigned int n)
{
	auto_(freep) char *text = malloc(n * 96 + 1);
	char *end = text;

	*text = '\0';
	for (unsigned int i = 1; i < n; i++) {
		end += sprintf(end, "[Policy p%u]\nSlice=s%u.slice/t%u.slice\n", i, i % 16, i);
		if (i % 4 == 0)
			end += sprintf(end, "Match=batch-* job-?%u\n", i);
	}
	return config_of(text);
}

/* The average over every policy's slice of resolving a path of this depth below the root. */
static uint64_t calls_for(unsigned int policies, unsigned int depth, uint64_t *ret_chars)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = many_policies(policies);

	memset(&cost, 0, sizeof(cost));
	for (unsigned int i = 0; i < policies; i++) {
		char path[1024], *end = path;

		for (unsigned int d = 0; d < depth; d++)
			end += sprintf(end, d == 0 ? "/s%u.slice" : d == 1 ? "/t%u.slice" : "/n%u.service",
				       d == 0 ? i % 16 : i);
		mcr_policy_for(c, path, NULL);
	}
	*ret_chars = cost.chars / policies;
	return cost.calls / policies;
}

START_TEST(the_cost_of_a_policy_is_linear_in_depth)
{
	uint64_t calls[33], chars;

	for (unsigned int depth = 1; depth <= 32; depth *= 2) {
		calls[depth] = calls_for(200, depth, &chars);
		printf("200 policies, depth %2u: %3lu comparisons of strings, %4lu of characters\n", depth, calls[depth],
		       chars);
	}
	ck_assert_uint_le(calls[32] * 10, calls[16] * 22);
	ck_assert_uint_le(calls[16] * 10, calls[8] * 22);
}
END_TEST

START_TEST(the_cost_of_a_policy_hardly_grows_with_their_number)
{
	static const unsigned int numbers[] = { 1, 10, 100, 200 };
	uint64_t calls[ARRAY_SIZE(numbers)], chars;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		calls[i] = calls_for(numbers[i], 8, &chars);
		printf("%3u policies, depth 8: %3lu comparisons of strings, %4lu of characters\n", numbers[i], calls[i],
		       chars);
	}
	ck_assert_uint_le(calls[3], calls[1] * 2);
	ck_assert_uint_le(calls[3] * 4, calls[2] * 5);
}
END_TEST

TEST_MAIN("policy", everything_below_a_slice_has_its_policy, what_only_begins_like_a_slice_has_none,
	  the_root_has_no_policy, slashes_around_a_path_and_its_names_do_not_matter,
	  without_slices_nothing_has_a_policy,
	  the_deepest_slice_decides_in_any_order, of_two_policies_for_a_slice_the_one_read_last_decides,
	  a_section_that_goes_on_later_counts_as_later, the_policy_default_is_the_last_resort_wherever_it_stands,
	  a_policy_with_globs_is_for_what_matches_and_all_below, of_globs_that_match_the_policy_read_last_decides,
	  where_no_glob_of_the_deepest_slice_matches_the_next_one_decides,
	  an_excepted_name_below_the_slice_is_left_alone, names_of_the_slice_itself_are_not_excepted,
	  an_excepted_name_is_not_handed_to_a_slice_further_up, an_empty_except_excepts_nothing,
	  a_name_longer_than_any_cgroup_has_matches_no_glob,
	  a_policy_holds_only_with_gate_and_drain_and_in_earnest, globs_have_stars_and_question_marks,
	  a_glob_or_text_that_is_too_long_does_not_match, a_million_globs_match_what_fnmatch_says,
	  the_longest_glob_takes_steps_in_proportion_to_both_lengths,
	  the_cost_of_a_policy_is_linear_in_depth, the_cost_of_a_policy_hardly_grows_with_their_number)

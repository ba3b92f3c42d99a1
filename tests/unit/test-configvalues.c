/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a value may be, and a list; the files they come from are test-config.c's subject. */
#include "config.h"

#include <errno.h>

#include "complaints.h"
#include "configs.h"
#include "main.h"
#include "policy.h"
#include "util.h"

#define SEC MCR_USEC_PER_SEC
#define DEFAULT_EXCEPT "kubepods machine.slice docker libpod- crio- cri-containerd- containerd buildkit"

START_TEST(a_bad_value_keeps_the_one_before)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHeldMax=7\nHeldMax=many\n", &complaints), 1);
	assert_complaint(&complaints, 3, "HeldMax", "not understood");
	ck_assert_uint_eq(c->held_max, 7);
	ck_assert_str_eq(reaper_said(c, "HeldMax")->text, "7");
	ck_assert_uint_eq(reaper_said(c, "HeldMax")->line, 2);
}
END_TEST

START_TEST(a_bad_value_of_any_type_is_reported)
{
	static const char *const reaper[] = {
		"IntervalSec=often", "IntervalSec=", "HeldMax=-1", "HeldMax=", "BudgetBytes=1k", "PressureMaxPct=10",
		"PressureMaxPct=", "Sync=yes # remark", "Sync=",
	};
	static const char *const policy[] = { "StepBytes=1k", "Gate=maybe", "Gate=", "HoldMaxSec=x", "DryRun=2" };

	for (size_t i = 0; i < ARRAY_SIZE(reaper); i++)
		assert_bad("Reaper", reaper[i], "not understood");
	for (size_t i = 0; i < ARRAY_SIZE(policy); i++)
		assert_bad("Policy default", policy[i], "not understood");
}
END_TEST

START_TEST(a_value_below_its_minimum_is_out_of_range)
{
	static const char *const reaper[] = {
		"IntervalSec=999ms", "HeartbeatMaxSec=1999ms", "ReuseGraceSec=0", "WorkerMaxSec=99ms",
		"BudgetSec=0.5", "PinnedRetrySec=0", "SyncSec=0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(reaper); i++)
		assert_bad("Reaper", reaper[i], "out of range");
	assert_bad("Policy default", "HoldMaxSec=99ms", "out of range");
	assert_bad("Policy default", "StepBytes=4095", "out of range");
}
END_TEST

START_TEST(a_value_that_does_not_fit_is_out_of_range)
{
	assert_bad("Reaper", "HeldMax=18446744073709551616", "out of range");
	assert_bad("Reaper", "PressureMaxPct=101%", "out of range");
	assert_bad("Policy default", "DrainMaxBytes=99999999T", "out of range");
}
END_TEST

START_TEST(a_time_of_more_than_a_year_is_out_of_range)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("[Policy default]\nHoldMaxSec=366d\n"
								  "[Reaper]\nBudgetBytes=1000T\n");

	ck_assert_uint_eq(default_of(c)->hold_max_usec, 366 * 86400 * SEC);
	ck_assert_uint_le(default_of(c)->hold_max_usec, UINT64_MAX / 1000);	/* fits as nanoseconds */
	assert_bad("Policy default", "HoldMaxSec=366d 1us", "out of range");
	assert_bad("Reaper", "IntervalSec=213504d", "out of range");
}
END_TEST

START_TEST(a_value_at_its_minimum_is_taken)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Reaper]\nIntervalSec=1s\nHeartbeatMaxSec=2s\nHeldMax=0\nGraceSec=0\nBudgetBytes=0\n"
		"[Policy default]\nStepBytes=4K\nHoldMaxSec=100ms\n");

	ck_assert_uint_eq(c->interval_usec, SEC);
	ck_assert_uint_eq(c->held_max, 0);
	ck_assert_uint_eq(c->grace_usec, 0);
	ck_assert_uint_eq(c->budget_bytes, 0);
	ck_assert_uint_eq(default_of(c)->step_bytes, 4096);
	ck_assert_uint_eq(default_of(c)->hold_max_usec, SEC / 10);
}
END_TEST

START_TEST(words_of_a_list_add_up_over_lines_and_sections)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy default]\nSlice=x.slice  b/c\n[Reaper]\nExcept=one two\n[Policy default]\nSlice=\td\n");

	assert_list(default_of(c)->slices, "system.slice user.slice x.slice b/c d");
	ck_assert_str_eq(said_of(default_of(c), "Slice")->text, "system.slice user.slice x.slice b/c d");
	ck_assert_uint_eq(said_of(default_of(c), "Slice")->line, 6);
	assert_list(c->except, DEFAULT_EXCEPT " one two");
}
END_TEST

START_TEST(an_empty_assignment_begins_a_list_anew)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy default]\nSlice=x.slice\nSlice=\nSlice=y.slice\nMatch=a\nMatch=\n[Reaper]\nExcept=\n");

	assert_list(default_of(c)->slices, "y.slice");
	assert_list(default_of(c)->match, "");
	assert_list(c->except, "");
}
END_TEST

START_TEST(one_bad_word_leaves_the_list_as_it_was)
{
	assert_bad("Policy default", "Slice=a.slice ../b", "not understood");
	assert_bad("Policy default", "Match=a* b[0-9]", "not understood");
}
END_TEST

START_TEST(a_prefix_of_names_has_no_slash)
{
	assert_bad("Reaper", "Except=a b/", "not understood");
	assert_bad("Reaper", "Except=/a", "not understood");
	assert_bad("Reaper", "Except=a/b", "not understood");
}
END_TEST

START_TEST(a_slice_is_a_path_or_expanded_as_units_name_it)
{
	static const struct { const char *name, *path; } good[] = {
		{ "a.slice", "a.slice" },
		{ "a-b.slice", "a.slice/a-b.slice" },
		{ "a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice" },
		{ "system-getty.slice", "system.slice/system-getty.slice" },
		{ "/a-b.slice/", "a.slice/a-b.slice" },
		{ "a.slice/a-b.slice", "a.slice/a-b.slice" },
		{ "a-b.slice/c", "a-b.slice/c" },
		{ "//a.slice/b-c//", "a.slice/b-c" },
		{ "a-b", "a-b" },
		{ "a-b.service", "a-b.service" },
		{ ".slice", ".slice" },
		{ "...", "..." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		auto_(freep) char *path = NULL;

		ck_assert_int_eq(mcr_slice_path(good[i].name, &path), 0);
		ck_assert_str_eq(path, good[i].path);
	}
}
END_TEST

START_TEST(a_slice_that_is_no_path_below_the_root_is_refused)
{
	static const char *const bad[] = {
		"", "/", "//", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a//b", "-.slice", "-a.slice", "a-.slice",
		"a--b.slice",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *path = (char *)bad;

		ck_assert_msg(mcr_slice_path(bad[i], &path) == -EINVAL, "'%s' is taken", bad[i]);
		ck_assert_ptr_eq(path, bad);
	}
}
END_TEST

START_TEST(an_owner_is_a_rule_or_one_path)
{
	static const struct { const char *value, *owner; } good[] = {
		{ "slice", "slice" }, { "user", "user" }, { "", "" }, { "a-b.slice", "a.slice/a-b.slice" },
		{ "/system.slice/x.service", "system.slice/x.service" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[Policy default]\nOwner=old\nOwner=%s\n", good[i].value);
		auto_(mcr_config_unrefp) struct mcr_config *c = config_of(text);
		ck_assert_str_eq(default_of(c)->owner, good[i].owner);
	}
	assert_bad("Policy default", "Owner=a.slice b.slice", "not understood");
	assert_bad("Policy default", "Owner=../a", "not understood");
	assert_bad("Policy default", "Owner=/", "not understood");
}
END_TEST

START_TEST(a_glob_is_short_and_has_neither_slash_nor_bracket)
{
	char text[256];

	assert_bad("Policy default", "Match=a/b", "not understood");
	assert_bad("Policy default", "Match=[ab]", "not understood");
	snprintf(text, sizeof(text), "Match=%064d", 0);
	assert_bad("Policy default", text, "not understood");
	snprintf(text, sizeof(text), "[Policy default]\nMatch=%063d * ?\\]\n", 0);
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(text);
	ck_assert_uint_eq(strlen(default_of(c)->match[0]), 63);
	ck_assert_str_eq(default_of(c)->match[2], "?\\]");
}
END_TEST

TEST_MAIN("configvalues", a_bad_value_keeps_the_one_before, a_bad_value_of_any_type_is_reported,
	  a_value_below_its_minimum_is_out_of_range, a_value_that_does_not_fit_is_out_of_range,
	  a_time_of_more_than_a_year_is_out_of_range, a_value_at_its_minimum_is_taken,
	  words_of_a_list_add_up_over_lines_and_sections, an_empty_assignment_begins_a_list_anew,
	  one_bad_word_leaves_the_list_as_it_was, a_prefix_of_names_has_no_slash,
	  a_slice_is_a_path_or_expanded_as_units_name_it, a_slice_that_is_no_path_below_the_root_is_refused,
	  an_owner_is_a_rule_or_one_path, a_glob_is_short_and_has_neither_slash_nor_bracket)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies of a configuration: what they inherit, how they are named, how many there may be. */
#include "config.h"

#include "complaints.h"
#include "configs.h"
#include "main.h"
#include "policy.h"
#include "util.h"

#define SEC MCR_USEC_PER_SEC
#define MIB (1ULL << 20)

START_TEST(a_policy_inherits_what_it_does_not_say)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy vm]\nSlice=vm.slice\nDryRun=no\n"
		"[Policy default]\nHoldMaxSec=3s\nDryRun=yes\nOwner=slice\nStepBytes=1M\n");	/* in any order */
	const struct mcr_policy *p = mcr_policy_named(c, "vm");

	ck_assert_uint_eq(c->n_policies, 2);
	ck_assert_uint_eq(p->index, 1);
	ck_assert_uint_eq(p->hold_max_usec, 3 * SEC);
	ck_assert_uint_eq(p->step_bytes, MIB);
	ck_assert_str_eq(p->owner, "slice");
	ck_assert(!p->dry_run && p->gate);
	ck_assert_uint_eq(p->drain_max_bytes, 1024 * MIB);
}
END_TEST

START_TEST(whose_policy_it_is_is_not_inherited)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy default]\nMatch=a*\nSelectable=yes\n[Policy vm]\nSlice=vm.slice\n");
	const struct mcr_policy *p = mcr_policy_named(c, "vm");

	assert_list(p->slices, "vm.slice");
	assert_list(p->match, "");
	ck_assert(!p->selectable);
	ck_assert_str_eq(said_of(p, "Match")->text, "");
	ck_assert(!said_of(p, "Match")->inherited);
}
END_TEST

START_TEST(a_value_knows_where_it_was_said)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"[Policy default]\nHoldMaxSec=1min 30s\n[Policy vm]\nSlice=a-b.slice\nGate=off\n");
	const struct mcr_policy *p = mcr_policy_named(c, "vm");

	ck_assert_str_eq(said_of(p, "Slice")->text, "a.slice/a-b.slice");
	ck_assert_str_eq(said_of(p, "Slice")->file, temp_path("reaper.conf"));
	ck_assert_uint_eq(said_of(p, "Slice")->line, 4);
	ck_assert_str_eq(said_of(p, "Gate")->text, "off");
	ck_assert(!said_of(p, "Gate")->inherited);
	ck_assert_str_eq(said_of(p, "HoldMaxSec")->text, "1min 30s");
	ck_assert_uint_eq(said_of(p, "HoldMaxSec")->line, 2);
	ck_assert(said_of(p, "HoldMaxSec")->inherited);
	ck_assert_str_eq(said_of(p, "StepBytes")->text, "32M");
	ck_assert_ptr_null(said_of(p, "StepBytes")->file);
	ck_assert_ptr_null(reaper_said(c, "HeldMax")->file);
}
END_TEST

START_TEST(settings_end_with_the_last_key)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("");
	struct mcr_setting s = { .key = "untouched" };

	ck_assert(!mcr_config_setting(c, MCR_GLOBAL_KEYS, &s));
	ck_assert(!mcr_policy_setting(default_of(c), MCR_POLICY_KEYS, &s));
	ck_assert_str_eq(s.key, "untouched");
}
END_TEST

START_TEST(a_policy_has_a_name_of_letters_digits_and_few_others)
{
	static const char *const good[] = { "a", "A9", "a.b_c:d-e", "1234567890123456789012345678901234567890" };
	static const char *const bad[] = { "", " a", "a b", "a/b", "a*", "\xc3\xa4", "12345678901234567890123456789012345678901" };
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "[Policy %s]\nSlice=x\n", good[i]);
		auto_(mcr_config_unrefp) struct mcr_config *c = config_of(text);
		ck_assert_ptr_nonnull(mcr_policy_named(c, good[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "Policy %s", bad[i]);
		assert_bad(text, "Slice=x", "name");
	}
}
END_TEST

START_TEST(there_are_256_policies_and_no_more)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	struct complaints complaints;
	char text[16384] = "", *end = text;

	for (unsigned int i = 1; i <= 256; i++)
		end += sprintf(end, "[Policy p%u]\nSlice=s%u\n", i, i);
	strcpy(end, "[Policy p1]\nGate=no\n");
	ck_assert_int_eq(read_text(c, text, &complaints), 1);
	assert_complaint(&complaints, 512, "Slice", "256 policies");
	ck_assert_int_eq(mcr_config_finish(c, note, &complaints), 0);
	ck_assert_uint_eq(c->n_policies, 256);
	ck_assert_ptr_nonnull(mcr_policy_named(c, "p255"));
	ck_assert_ptr_null(mcr_policy_named(c, "p256"));
	ck_assert(!mcr_policy_named(c, "p1")->gate);
}
END_TEST

START_TEST(a_policy_that_nothing_can_have_is_complained_about)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Policy a]\nGate=no\n[Policy b]\nSelectable=yes\n[Policy c]\nSlice=c\n"
				      "[Policy default]\nSlice=\n", &complaints), 0);
	ck_assert_int_eq(mcr_config_finish(c, note, &complaints), 1);
	assert_complaint(&complaints, 2, "a", "nothing ever has this policy");
	ck_assert_uint_eq(c->n_policies, 4);
}
END_TEST

TEST_MAIN("configpolicies", a_policy_inherits_what_it_does_not_say, whose_policy_it_is_is_not_inherited,
	  a_value_knows_where_it_was_said, settings_end_with_the_last_key,
	  a_policy_has_a_name_of_letters_digits_and_few_others, there_are_256_policies_and_no_more,
	  a_policy_that_nothing_can_have_is_complained_about)

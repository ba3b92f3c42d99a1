/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include "complaints.h"
#include "configs.h"
#include "main.h"
#include "policy.h"
#include "util.h"

#define SEC MCR_USEC_PER_SEC
#define MIB (1ULL << 20)
#define DEFAULT_EXCEPT "kubepods machine.slice docker libpod- crio- cri-containerd- containerd buildkit"

static const struct mcr_policy *default_of(const struct mcr_config *c)
{
	return c->policies[0];
}

static const struct mcr_said *said_of(const struct mcr_policy *p, const char *key)
{
	struct mcr_setting s;

	for (size_t i = 0; mcr_policy_setting(p, i, &s); i++)
		if (strcmp(s.key, key) == 0)
			return s.said;
	ck_abort_msg("no key %s", key);
	return NULL;
}

static const struct mcr_said *reaper_said(const struct mcr_config *c, const char *key)
{
	struct mcr_setting s;

	for (size_t i = 0; mcr_config_setting(c, i, &s); i++)
		if (strcmp(s.key, key) == 0)
			return s.said;
	ck_abort_msg("no key %s", key);
	return NULL;
}

/* Every value, said or not, of two configurations with the policy "default" alone. */
static void assert_same_values(const struct mcr_config *a, const struct mcr_config *b)
{
	struct mcr_setting x, y;

	ck_assert_mem_eq(a, b, offsetof(struct mcr_config, except));
	ck_assert_uint_eq(a->n_policies, b->n_policies);
	for (size_t i = 0; mcr_config_setting(a, i, &x); i++) {
		ck_assert(mcr_config_setting(b, i, &y));
		ck_assert_str_eq(x.said->text, y.said->text);
	}
	for (size_t i = 0; mcr_policy_setting(default_of(a), i, &x); i++) {
		ck_assert(mcr_policy_setting(default_of(b), i, &y));
		ck_assert_str_eq(x.said->text, y.said->text);
	}
}

START_TEST(the_defaults_of_the_section_reaper_are_these)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();

	ck_assert_uint_eq(c->interval_usec, 30 * SEC);
	ck_assert_uint_eq(c->grace_usec, 10 * SEC);
	ck_assert_uint_eq(c->heartbeat_max_usec, 5 * SEC);
	ck_assert_uint_eq(c->reuse_grace_usec, 5 * SEC);
	ck_assert_uint_eq(c->retry_usec, SEC);
	ck_assert_uint_eq(c->worker_max_usec, 20 * SEC);
	ck_assert_uint_eq(c->budget_usec, 300 * SEC);
	ck_assert_uint_eq(c->pinned_retry_usec, 600 * SEC);
	ck_assert_uint_eq(c->held_max, 1024);
	ck_assert_uint_eq(c->sync_usec, 5 * SEC);
	ck_assert_uint_eq(c->sync_max_bytes, 256 * MIB);
	ck_assert_uint_eq(c->budget_bytes, 1024 * MIB);
	ck_assert_uint_eq(c->requests_max, 256);
	ck_assert_uint_eq(c->requests_per_user, 16);
	ck_assert_uint_eq(c->pressure_max_centi, 1000);
	ck_assert_uint_eq(c->available_min_centi, 500);
	ck_assert(c->sync);
	assert_list(c->except, DEFAULT_EXCEPT);
}
END_TEST

START_TEST(the_policy_default_is_always_there_with_these_defaults)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	const struct mcr_policy *p = default_of(c);

	ck_assert_uint_eq(c->n_policies, 1);
	ck_assert_str_eq(p->name, "default");
	ck_assert_uint_eq(p->index, 0);
	assert_list(p->slices, "system.slice user.slice");
	assert_list(p->match, "");
	ck_assert(p->gate && p->drain && p->shield);
	ck_assert(!p->selectable && !p->recharge && !p->dry_run);
	ck_assert_str_eq(p->owner, "");
	ck_assert_uint_eq(p->hold_max_usec, 10 * SEC);
	ck_assert_uint_eq(p->hold_min_bytes, 0);
	ck_assert_uint_eq(p->step_bytes, 32 * MIB);
	ck_assert_uint_eq(p->drain_max_bytes, 1024 * MIB);
	ck_assert_uint_eq(p->budget_bytes, 1024 * MIB);
}
END_TEST

/* The keys of a section of the shipped file are commented out: "#Key=value", where remarks begin with "# ". */
static unsigned int uncomment(FILE *f, char *text)
{
	char line[512];
	unsigned int keys = 0;

	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "#[", 2) == 0)
			break;		/* from here on examples */
		if (line[0] == '[')
			strcat(text, line);
		if (line[0] != '#' || line[1] == ' ' || !strchr(line, '='))
			continue;
		if (strncmp(line, "#Slice=", 7) == 0 || strncmp(line, "#Except=", 8) == 0)
			sprintf(text + strlen(text), "%.*s\n", (int)strcspn(line + 1, "=") + 1, line + 1);
		strcat(text, line + 1);
		keys++;
	}
	return keys;
}

START_TEST(the_shipped_file_says_what_the_defaults_are)
{
	auto_(mcr_config_unrefp) struct mcr_config *built_in = new_config(), *read = new_config();
	struct complaints complaints;
	char text[8192] = "";
	FILE *f = fopen(SHIPPED_CONF, "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(uncomment(f, text), MCR_GLOBAL_KEYS + MCR_POLICY_KEYS);
	fclose(f);
	ck_assert_int_eq(read_text(read, text, &complaints), 0);
	assert_same_values(read, built_in);
}
END_TEST

START_TEST(a_good_file_changes_what_it_names_and_nothing_else)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of(
		"# remark\n; remark\n\n[Reaper]\nIntervalSec=2min\nHeldMax=7\nPressureMaxPct=0.5%\nBudgetBytes=2G\n"
		"\n[Policy default]\nStepBytes = 1M\nGate=no\nDryRun=yes ; remark\nBudgetBytes=3G\n");
	const struct mcr_policy *p = default_of(c);

	ck_assert_uint_eq(c->interval_usec, 120 * SEC);
	ck_assert_uint_eq(c->held_max, 7);
	ck_assert_uint_eq(c->pressure_max_centi, 50);
	ck_assert_uint_eq(c->budget_bytes, 2048 * MIB);
	ck_assert_uint_eq(p->budget_bytes, 3072 * MIB);
	ck_assert_uint_eq(p->step_bytes, MIB);
	ck_assert(!p->gate && p->dry_run);
	ck_assert(p->shield && c->sync);
	ck_assert_uint_eq(c->grace_usec, 10 * SEC);
	assert_list(p->slices, "system.slice user.slice");
}
END_TEST

START_TEST(the_last_of_two_assignments_counts)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("[Reaper]\nHeldMax=7\nHeldMax=8");

	ck_assert_uint_eq(c->held_max, 8);
}
END_TEST

START_TEST(an_unknown_key_is_reported_by_file_line_and_key)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\n\nHeldMux=7\nHeldMax=8\n", &complaints), 1);
	assert_complaint(&complaints, 3, "HeldMux", "unknown");
	ck_assert_uint_eq(c->held_max, 8);
	ck_assert_int_eq(read_text(c, "[Policy default]\nGate=no\nGates=yes\n", &complaints), 1);
	assert_complaint(&complaints, 3, "Gates", "unknown");
	ck_assert(!default_of(c)->gate);
}
END_TEST

START_TEST(keys_are_told_apart_by_case)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nheldmax=7\n[Policy default]\ngate=no\n", &complaints), 2);
	ck_assert_uint_eq(c->held_max, 1024);
	ck_assert(default_of(c)->gate);
}
END_TEST

START_TEST(a_key_in_the_wrong_section_is_told_where_it_belongs)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config(), *same = new_config();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nGate=no\n", &complaints), 1);
	assert_complaint(&complaints, 2, "Gate", "[Policy NAME]");
	ck_assert_int_eq(read_text(c, "[Policy default]\nHeldMax=7\n", &complaints), 1);
	assert_complaint(&complaints, 2, "HeldMax", "[Reaper]");
	assert_same_values(c, same);
}
END_TEST

START_TEST(other_sections_do_not_count)
{
	static const char text[] = "HeldMax=1\n[reaper]\nHeldMax=2\n[Other]\nHeldMax=3\n[]\nHeldMax=4\n"
				   "[Policy]\nGate=no\n[policy default]\nGate=no\n[Policydefault]\nGate=no\n";
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config(), *same = new_config();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, text, &complaints), 7);
	assert_complaint(&complaints, 13, "Gate", "neither in section [Reaper] nor in a [Policy NAME]");
	assert_same_values(c, same);
	ck_assert_int_eq(read_text(c, "[Other]\nx=1\n[Reaper]\nHeldMax=9\n", &complaints), 1);
	ck_assert_uint_eq(c->held_max, 9);
}
END_TEST

START_TEST(keys_below_a_broken_section_line_change_no_other_section)
{
	static const char *const broken[] = {
		"[Policy vm", "[Policy vm ; x]", "[Policy a-name-that-is-longer-than-inih-has-room-for-it]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
		struct complaints complaints;
		char text[256];

		snprintf(text, sizeof(text), "[Policy default]\nDryRun=yes\n%s\nGate=no\nSlice=\n", broken[i]);
		ck_assert_int_eq(read_text(c, text, &complaints), 3);
		ck_assert(default_of(c)->dry_run && default_of(c)->gate);
		assert_list(default_of(c)->slices, "system.slice user.slice");
		ck_assert_uint_eq(c->n_policies, 1);
	}
}
END_TEST

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

/* A single key after the head of its section is complained about, and changes nothing. */
static void assert_bad(const char *section, const char *assignment, const char *what)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config(), *same = new_config();
	struct complaints complaints;
	char text[512], key[64];

	snprintf(text, sizeof(text), "[%s]\n%s\n", section, assignment);
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(assignment, "="), assignment);
	ck_assert_msg(read_text(c, text, &complaints) == 1, "%s is taken", assignment);
	assert_complaint(&complaints, 2, key, what);
	assert_same_values(c, same);
}

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

START_TEST(a_file_that_cannot_be_read_leaves_all_as_it_was)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config(), *same = new_config();
	struct complaints complaints = { 0 };

	ck_assert_int_eq(mkfifoat(temp_fd, "fifo", 0600), 0);
	ck_assert_int_eq(mcr_config_read(c, temp_path("none"), note, &complaints), -ENOENT);
	ck_assert_int_eq(mcr_config_read(c, temp_path("."), note, &complaints), -EISDIR);
	ck_assert_int_eq(mcr_config_read(c, temp_path("fifo"), note, &complaints), -EINVAL);
	ck_assert_int_eq(mcr_config_read(c, "/dev/null", note, &complaints), -EINVAL);
	ck_assert_uint_eq(complaints.n, 0);
	ck_assert_int_eq(mcr_config_finish(c, note, &complaints), 0);
	assert_same_values(c, same);
}
END_TEST

START_TEST(a_binary_file_is_no_configuration)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();
	struct complaints complaints = { 0 };
	unsigned char junk[65536];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = i * 2654435761U >> 13;
	put_bytes(temp_fd, "junk", junk, sizeof(junk));
	ck_assert_int_eq(mcr_config_read(c, temp_path("junk"), note, &complaints), -EBADMSG);
	ck_assert_uint_lt(complaints.n, 100);
	ck_assert_int_eq(mcr_config_finish(c, note, &complaints), 0);
}
END_TEST

START_TEST(complaints_may_go_unheard)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = new_config();

	put_file(temp_fd, "reaper.conf", "[Reaper]\nx=1\nwhat\n[Policy x]\nGate=no\n");
	ck_assert_int_eq(mcr_config_read(c, temp_path("reaper.conf"), NULL, NULL), 2);
	ck_assert_int_eq(mcr_config_finish(c, NULL, NULL), 1);
}
END_TEST

START_TEST(the_last_reference_ends_a_configuration)
{
	struct mcr_config *c = config_of("[Policy vm]\nSlice=vm.slice\n");

	ck_assert_ptr_eq(mcr_config_ref(c), c);
	ck_assert_ptr_null(mcr_config_unref(c));
	ck_assert_str_eq(c->policies[1]->name, "vm");	/* still there */
	ck_assert_ptr_null(mcr_config_unref(c));
	ck_assert_ptr_null(mcr_config_unref(NULL));
}
END_TEST

TEST_MAIN("config", the_defaults_of_the_section_reaper_are_these,
	  the_policy_default_is_always_there_with_these_defaults, the_shipped_file_says_what_the_defaults_are,
	  a_good_file_changes_what_it_names_and_nothing_else, the_last_of_two_assignments_counts,
	  an_unknown_key_is_reported_by_file_line_and_key, keys_are_told_apart_by_case,
	  a_key_in_the_wrong_section_is_told_where_it_belongs, other_sections_do_not_count,
	  keys_below_a_broken_section_line_change_no_other_section, a_bad_value_keeps_the_one_before,
	  a_bad_value_of_any_type_is_reported, a_value_below_its_minimum_is_out_of_range,
	  a_value_that_does_not_fit_is_out_of_range, a_time_of_more_than_a_year_is_out_of_range,
	  a_value_at_its_minimum_is_taken, words_of_a_list_add_up_over_lines_and_sections,
	  an_empty_assignment_begins_a_list_anew, one_bad_word_leaves_the_list_as_it_was, a_prefix_of_names_has_no_slash,
	  a_slice_is_a_path_or_expanded_as_units_name_it, a_slice_that_is_no_path_below_the_root_is_refused,
	  an_owner_is_a_rule_or_one_path, a_glob_is_short_and_has_neither_slash_nor_bracket,
	  a_policy_inherits_what_it_does_not_say, whose_policy_it_is_is_not_inherited,
	  a_value_knows_where_it_was_said, settings_end_with_the_last_key,
	  a_policy_has_a_name_of_letters_digits_and_few_others, there_are_256_policies_and_no_more,
	  a_policy_that_nothing_can_have_is_complained_about, a_file_that_cannot_be_read_leaves_all_as_it_was,
	  a_binary_file_is_no_configuration, complaints_may_go_unheard,
	  the_last_reference_ends_a_configuration)

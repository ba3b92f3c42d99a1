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
	  keys_below_a_broken_section_line_change_no_other_section, a_file_that_cannot_be_read_leaves_all_as_it_was,
	  a_binary_file_is_no_configuration, complaints_may_go_unheard, the_last_reference_ends_a_configuration)

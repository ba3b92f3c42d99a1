/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include "main.h"
#include "util.h"

#define SEC MCR_USEC_PER_SEC
#define MIB (1ULL << 20)
#define DEFAULT_EXCEPT "kubepods machine.slice docker libpod- crio- cri-containerd- containerd buildkit"

/* What was complained about last, and how often. */
struct complaints {
	unsigned int n, line;
	char file[256], key[256], what[256];
};

static void note(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	struct complaints *c = userdata;

	c->n++;
	c->line = line;
	snprintf(c->file, sizeof(c->file), "%s", file);
	snprintf(c->key, sizeof(c->key), "%s", key);
	snprintf(c->what, sizeof(c->what), "%s", what);
}

static struct mcr_config *defaults(void)
{
	struct mcr_config *c = NULL;

	ck_assert_int_eq(mcr_config_new(&c), 0);
	ck_assert_ptr_nonnull(c);
	return c;
}

/* Reads bytes as a file; the result and the complaints must agree on their number. */
static int read_bytes(struct mcr_config *c, const char *text, size_t len, struct complaints *ret)
{
	const char *path = temp_path("reaper.conf");
	int r;

	*ret = (struct complaints){ 0 };
	put_bytes(temp_fd, "reaper.conf", text, len);
	r = mcr_config_read(c, path, note, ret);
	ck_assert_int_eq(r, ret->n);
	if (ret->n)
		ck_assert_str_eq(ret->file, path);
	return r;
}

static int read_text(struct mcr_config *c, const char *text, struct complaints *ret)
{
	return read_bytes(c, text, strlen(text), ret);
}

static void assert_list(char **list, const char *words)
{
	char joined[1024] = "";

	for (size_t i = 0; list && list[i]; i++) {
		if (*list[i] && *joined)
			strcat(joined, " ");
		strcat(joined, list[i]);
	}
	ck_assert_str_eq(joined, words);
}

START_TEST(the_defaults_are_those_of_the_shipped_file)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();

	ck_assert_uint_eq(c->interval_usec, 30 * SEC);
	ck_assert_uint_eq(c->grace_usec, 10 * SEC);
	ck_assert_uint_eq(c->hold_max_usec, 10 * SEC);
	ck_assert_uint_eq(c->heartbeat_max_usec, 5 * SEC);
	ck_assert_uint_eq(c->reuse_grace_usec, 5 * SEC);
	ck_assert_uint_eq(c->retry_usec, SEC);
	ck_assert_uint_eq(c->worker_max_usec, 20 * SEC);
	ck_assert_uint_eq(c->budget_usec, 300 * SEC);
	ck_assert_uint_eq(c->pinned_retry_usec, 600 * SEC);
	ck_assert_uint_eq(c->held_max, 1024);
	ck_assert_uint_eq(c->step_bytes, 32 * MIB);
	ck_assert_uint_eq(c->drain_max_bytes, 1024 * MIB);
	ck_assert_uint_eq(c->sync_usec, 5 * SEC);
	ck_assert_uint_eq(c->sync_max_bytes, 256 * MIB);
	ck_assert_uint_eq(c->budget_bytes, 1024 * MIB);
	ck_assert_uint_eq(c->pressure_max_centi, 1000);
	ck_assert_uint_eq(c->available_min_centi, 500);
	ck_assert(c->gate && c->shield && c->sync && !c->dry_run);
	assert_list(c->cover, "system.slice user.slice");
	assert_list(c->except, DEFAULT_EXCEPT);
}
END_TEST

START_TEST(the_shipped_file_says_what_the_defaults_are)
{
	auto_(mcr_config_freep) struct mcr_config *built_in = defaults(), *read = defaults();
	char line[512], text[8192] = "Cover=\nExcept=\n", section[8300];
	struct complaints complaints;
	FILE *f = fopen(SHIPPED_CONF, "re");
	unsigned int keys = 0;

	ck_assert_ptr_nonnull(f);
	/* Its keys are commented out: "#Key=value", where remarks begin with "# ". */
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' && line[1] != ' ' && strchr(line, '=')) {
			strcat(text, line + 1);
			keys++;
		}
	}
	fclose(f);
	ck_assert_uint_eq(keys, 23);
	snprintf(section, sizeof(section), "[Reaper]\n%s", text);
	ck_assert_int_eq(read_text(read, section, &complaints), 0);
	ck_assert_mem_eq(read, built_in, offsetof(struct mcr_config, cover));
	assert_list(read->cover, "system.slice user.slice");
	assert_list(read->except, DEFAULT_EXCEPT);
}
END_TEST

START_TEST(a_good_file_changes_what_it_names_and_nothing_else)
{
	static const char text[] = "# remark\n; remark\n\n[Reaper]\nIntervalSec=2min\nStepBytes = 1M\n"
				   "HeldMax=7\nPressureMaxPct=0.5%\nGate=no\nDryRun=yes ; remark\n";
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, text, &complaints), 0);
	ck_assert_uint_eq(c->interval_usec, 120 * SEC);
	ck_assert_uint_eq(c->step_bytes, MIB);
	ck_assert_uint_eq(c->held_max, 7);
	ck_assert_uint_eq(c->pressure_max_centi, 50);
	ck_assert(!c->gate && c->dry_run);
	ck_assert(c->shield && c->sync);
	ck_assert_uint_eq(c->grace_usec, 10 * SEC);
	assert_list(c->cover, "system.slice user.slice");
}
END_TEST

START_TEST(a_file_from_windows_reads_the_same)
{
	static const char text[] = "\xef\xbb\xbf[Reaper]\r\nHeldMax=7\r\nCover=a.slice\r\n";
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, text, &complaints), 0);
	ck_assert_uint_eq(c->held_max, 7);
	assert_list(c->cover, "system.slice user.slice a.slice");
}
END_TEST

START_TEST(the_last_of_two_assignments_counts)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHeldMax=7\nHeldMax=8", &complaints), 0);
	ck_assert_uint_eq(c->held_max, 8);
}
END_TEST

START_TEST(an_unknown_key_is_reported_by_file_line_and_key)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\n\nHeldMux=7\nHeldMax=8\n", &complaints), 1);
	ck_assert_uint_eq(complaints.line, 3);
	ck_assert_str_eq(complaints.key, "HeldMux");
	ck_assert_ptr_nonnull(strstr(complaints.what, "unknown"));
	ck_assert_uint_eq(c->held_max, 8);
}
END_TEST

START_TEST(keys_are_told_apart_by_case)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nheldmax=7\n", &complaints), 1);
	ck_assert_uint_eq(c->held_max, 1024);
}
END_TEST

START_TEST(a_bad_value_keeps_the_one_before)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHeldMax=7\nHeldMax=many\n", &complaints), 1);
	ck_assert_uint_eq(complaints.line, 3);
	ck_assert_str_eq(complaints.key, "HeldMax");
	ck_assert_ptr_nonnull(strstr(complaints.what, "not understood"));
	ck_assert_uint_eq(c->held_max, 7);
}
END_TEST

START_TEST(a_bad_value_of_any_type_is_reported)
{
	static const char *const bad[] = {
		"IntervalSec=often", "IntervalSec=", "HeldMax=-1", "StepBytes=1k", "Gate=maybe", "Gate=",
		"PressureMaxPct=10", "PressureMaxPct=", "Sync=yes # remark",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_(mcr_config_freep) struct mcr_config *c = defaults(), *same = defaults();
		struct complaints complaints;
		char text[128];

		snprintf(text, sizeof(text), "[Reaper]\n%s\n", bad[i]);
		ck_assert_int_eq(read_text(c, text, &complaints), 1);
		ck_assert_uint_eq(complaints.line, 2);
		ck_assert_mem_eq(c, same, offsetof(struct mcr_config, cover));
	}
}
END_TEST

START_TEST(a_value_below_its_minimum_is_out_of_range)
{
	static const char *const low[] = {
		"IntervalSec=999ms", "HoldMaxSec=99ms", "HeartbeatMaxSec=1999ms", "ReuseGraceSec=0",
		"WorkerMaxSec=99ms", "BudgetSec=0.5", "PinnedRetrySec=0", "SyncSec=0", "StepBytes=4095",
	};

	for (size_t i = 0; i < ARRAY_SIZE(low); i++) {
		auto_(mcr_config_freep) struct mcr_config *c = defaults(), *same = defaults();
		struct complaints complaints;
		char text[128];

		snprintf(text, sizeof(text), "[Reaper]\n%s\n", low[i]);
		ck_assert_int_eq(read_text(c, text, &complaints), 1);
		ck_assert_ptr_nonnull(strstr(complaints.what, "out of range"));
		ck_assert_mem_eq(c, same, offsetof(struct mcr_config, cover));
	}
}
END_TEST

START_TEST(a_time_of_more_than_a_year_is_out_of_range)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHoldMaxSec=366d\n", &complaints), 0);
	ck_assert_uint_eq(c->hold_max_usec, 366 * 86400 * SEC);
	ck_assert_uint_le(c->hold_max_usec, UINT64_MAX / 1000);		/* fits as nanoseconds */
	ck_assert_int_eq(read_text(c, "[Reaper]\nHoldMaxSec=366d 1us\n", &complaints), 1);
	ck_assert_str_eq(complaints.key, "HoldMaxSec");
	ck_assert_ptr_nonnull(strstr(complaints.what, "value is out of range"));
	ck_assert_int_eq(read_text(c, "[Reaper]\nHoldMaxSec=213504d\n", &complaints), 1);
	ck_assert_ptr_nonnull(strstr(complaints.what, "value is out of range"));
	ck_assert_uint_eq(c->hold_max_usec, 366 * 86400 * SEC);
	/* Only times: a year in microseconds is a small number of bytes. */
	ck_assert_int_eq(read_text(c, "[Reaper]\nBudgetBytes=1000T\n", &complaints), 0);
}
END_TEST

START_TEST(a_value_at_its_minimum_is_taken)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nIntervalSec=1s\nHeartbeatMaxSec=2s\nStepBytes=4K\n"
				      "HeldMax=0\nGraceSec=0\nBudgetBytes=0\n", &complaints), 0);
	ck_assert_uint_eq(c->interval_usec, SEC);
	ck_assert_uint_eq(c->step_bytes, 4096);
	ck_assert_uint_eq(c->held_max, 0);
	ck_assert_uint_eq(c->grace_usec, 0);
	ck_assert_uint_eq(c->budget_bytes, 0);
}
END_TEST

START_TEST(a_value_that_does_not_fit_is_out_of_range)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHeldMax=18446744073709551616\n", &complaints), 1);
	ck_assert_ptr_nonnull(strstr(complaints.what, "out of range"));
	ck_assert_uint_eq(c->held_max, 1024);
}
END_TEST

START_TEST(only_the_section_reaper_counts)
{
	static const char text[] = "HeldMax=1\n[reaper]\nHeldMax=2\n[Other]\nHeldMax=3\n[]\nHeldMax=4\n";
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, text, &complaints), 4);
	ck_assert_uint_eq(complaints.line, 7);
	ck_assert_str_eq(complaints.key, "HeldMax");
	ck_assert_ptr_nonnull(strstr(complaints.what, "[Reaper]"));
	ck_assert_uint_eq(c->held_max, 1024);
	ck_assert_int_eq(read_text(c, "[Other]\nx=1\n[Reaper]\nHeldMax=9\n", &complaints), 1);
	ck_assert_uint_eq(c->held_max, 9);
}
END_TEST

START_TEST(a_line_that_is_no_assignment_is_reported)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHeldMax=7\nwhat is this\nRetrySec=3s\n", &complaints), 1);
	ck_assert_uint_eq(complaints.line, 3);
	ck_assert_str_eq(complaints.key, "");
	ck_assert_uint_eq(c->held_max, 7);
	ck_assert_uint_eq(c->retry_usec, 3 * SEC);
}
END_TEST

START_TEST(every_line_that_is_no_assignment_is_reported)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nfoo\nbar\n  baz\n[Half\nHeldMax=7\n", &complaints), 4);
	ck_assert_uint_eq(complaints.line, 5);
	ck_assert_str_eq(complaints.key, "");
	ck_assert_ptr_nonnull(strstr(complaints.what, "neither a section nor an assignment"));
	ck_assert_uint_eq(c->held_max, 7);
}
END_TEST

START_TEST(an_assignment_that_is_cut_off_by_a_remark_is_reported)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nHeldMax ;=7\n", &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
	ck_assert_int_eq(read_text(c, "[Reaper]\n[Oth ; er]\n", &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
	ck_assert_uint_eq(c->held_max, 1024);
}
END_TEST

START_TEST(an_indented_line_stands_for_itself)
{
	static const char text[] = "  [Reaper]\nCover=a.slice\n  DryRun=yes\n\tHeldMax=7\n \t\n  # Gate=no\n"
				   "Except=x\n\fShield=no\n\vSync=no\n";
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, text, &complaints), 0);
	ck_assert(c->dry_run && c->gate);
	ck_assert(!c->shield && !c->sync);
	ck_assert_uint_eq(c->held_max, 7);
	assert_list(c->cover, "system.slice user.slice a.slice");
}
END_TEST

START_TEST(a_line_with_a_nul_byte_is_reported_and_left_out)
{
	static const char first[] = "[Reaper]\n\0HeldMax=8\nRetrySec=3s\n";
	static const char within[] = "[Reaper]\n#x\0y\nHeldMax=7\n";
	static const char last[] = "[Reaper]\nHeldMax=9\0";
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_bytes(c, first, sizeof(first) - 1, &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
	ck_assert_ptr_nonnull(strstr(complaints.what, "NUL"));
	ck_assert_uint_eq(c->held_max, 1024);
	ck_assert_uint_eq(c->retry_usec, 3 * SEC);
	ck_assert_int_eq(read_bytes(c, within, sizeof(within) - 1, &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
	ck_assert_uint_eq(c->held_max, 7);		/* the next line is not swallowed */
	ck_assert_int_eq(read_bytes(c, last, sizeof(last) - 1, &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
	ck_assert_uint_eq(c->held_max, 7);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_left_out_whole)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;
	char text[1024] = "[Reaper]\nCover=", rest[] = "\nHeldMax=7\nHeldMax=x\n";

	memset(text + strlen(text), 'a', 600);
	strcat(text, rest);
	ck_assert_int_eq(read_text(c, text, &complaints), 2);
	ck_assert_uint_eq(complaints.line, 4);		/* lines are still counted right */
	ck_assert_str_eq(complaints.key, "HeldMax");
	assert_list(c->cover, "system.slice user.slice");
	ck_assert_uint_eq(c->held_max, 7);
}
END_TEST

START_TEST(a_line_of_198_characters_is_read_whole)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;
	char text[1024] = "[Reaper]\nCover=\nCover=", name[193];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	strcat(strcat(text, name), "\nHeldMax=7\n");
	ck_assert_int_eq(read_text(c, text, &complaints), 0);
	assert_list(c->cover, name);
	ck_assert_uint_eq(c->held_max, 7);
}
END_TEST

START_TEST(a_line_of_199_characters_is_refused)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;
	char text[1024] = "[Reaper]\nCover=", name[194];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	strcat(strcat(text, name), "\nHeldMax=7\n");
	ck_assert_int_eq(read_text(c, text, &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
	ck_assert_ptr_nonnull(strstr(complaints.what, "longer than 198 characters"));
	assert_list(c->cover, "system.slice user.slice");
	ck_assert_uint_eq(c->held_max, 7);
}
END_TEST

START_TEST(a_key_that_is_too_long_is_left_out)
{
	static const char text[] = "[Reaper]\nHeldMaxHeldMaxHeldMaxHeldMaxHeldMaxHeldMaxHeldMaxHeldMax=1\n";
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, text, &complaints), 1);
	ck_assert_uint_eq(complaints.line, 2);
}
END_TEST

START_TEST(lists_add_up_over_lines)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nCover=a.slice  b.slice\nCover=c.slice\n", &complaints), 0);
	assert_list(c->cover, "system.slice user.slice a.slice b.slice c.slice");
}
END_TEST

START_TEST(an_empty_assignment_begins_a_list_anew)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nCover=x.slice\nCover=\nCover=a.slice\nExcept=\n",
				   &complaints), 0);
	assert_list(c->cover, "a.slice");
	assert_list(c->except, "");
	ck_assert(mcr_config_covers(c, "/a.slice/docker-1.scope"));
	ck_assert(!mcr_config_covers(c, "/system.slice/a.service"));
}
END_TEST

START_TEST(an_empty_cover_covers_nothing)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nCover=\n", &complaints), 0);
	ck_assert(!mcr_config_covers(c, "/system.slice/a.service"));
	ck_assert(!mcr_config_covers(c, "/"));
	ck_assert(!mcr_config_covers(c, ""));
}
END_TEST

START_TEST(slashes_around_a_listed_path_do_not_matter)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nCover=\nCover=/a.slice/ //b.slice/c.slice//\n",
				   &complaints), 0);
	assert_list(c->cover, "a.slice b.slice/c.slice");
}
END_TEST

START_TEST(a_file_that_is_not_there_changes_nothing)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults(), *same = defaults();
	struct complaints complaints = { 0 };

	ck_assert_int_eq(mcr_config_read(c, temp_path("none"), note, &complaints), -ENOENT);
	ck_assert_uint_eq(complaints.n, 0);
	ck_assert_mem_eq(c, same, offsetof(struct mcr_config, cover));
}
END_TEST

START_TEST(a_directory_is_no_file)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults(), *same = defaults();
	struct complaints complaints = { 0 };

	ck_assert_int_lt(mcr_config_read(c, temp_path("."), note, &complaints), 0);
	ck_assert_mem_eq(c, same, offsetof(struct mcr_config, cover));
	assert_list(c->cover, "system.slice user.slice");
}
END_TEST

START_TEST(an_empty_file_is_a_good_file)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "", &complaints), 0);
	ck_assert_int_eq(read_text(c, "\n\n", &complaints), 0);
	ck_assert_int_eq(read_text(c, "[Reaper]", &complaints), 0);
}
END_TEST

START_TEST(a_binary_file_is_survived_and_complained_about)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults(), *same = defaults();
	struct complaints complaints = { 0 };
	unsigned char junk[65536];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = i * 2654435761U >> 13;
	put_bytes(temp_fd, "junk", junk, sizeof(junk));
	ck_assert_int_gt(mcr_config_read(c, temp_path("junk"), note, &complaints), 0);
	ck_assert_uint_gt(complaints.n, 0);
	ck_assert_mem_eq(c, same, offsetof(struct mcr_config, cover));
}
END_TEST

START_TEST(complaints_may_go_unheard)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();

	put_file(temp_fd, "reaper.conf", "[Reaper]\nx=1\n");
	ck_assert_int_eq(mcr_config_read(c, temp_path("reaper.conf"), NULL, NULL), 1);
}
END_TEST

START_TEST(everything_below_a_covered_slice_is_covered)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();

	ck_assert(mcr_config_covers(c, "/system.slice/cron.service"));
	ck_assert(mcr_config_covers(c, "/user.slice/user-1000.slice/session-1.scope"));
	ck_assert(mcr_config_covers(c, "system.slice/cron.service"));
	ck_assert(mcr_config_covers(c, "/system.slice"));
}
END_TEST

START_TEST(what_only_begins_like_a_slice_is_not_covered)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();

	ck_assert(!mcr_config_covers(c, "/system.slicex"));
	ck_assert(!mcr_config_covers(c, "/system.slicex/a.service"));
	ck_assert(!mcr_config_covers(c, "/system.slic"));
	ck_assert(!mcr_config_covers(c, "/init.scope"));
	ck_assert(!mcr_config_covers(c, "/other/system.slice/a.service"));
	ck_assert(!mcr_config_covers(c, "/"));
	ck_assert(!mcr_config_covers(c, ""));
}
END_TEST

START_TEST(an_excepted_name_anywhere_on_the_way_is_left_alone)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();

	ck_assert(!mcr_config_covers(c, "/system.slice/docker-0123.scope"));
	ck_assert(!mcr_config_covers(c, "/system.slice/docker.service"));
	ck_assert(!mcr_config_covers(c, "/system.slice/containerd.service/kid"));
	ck_assert(!mcr_config_covers(c, "/user.slice/user-1000.slice/user@1000.service/libpod-1.scope/x/y"));
}
END_TEST

START_TEST(an_excepted_name_counts_only_from_its_beginning)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();

	ck_assert(mcr_config_covers(c, "/system.slice/my-docker.service"));
	ck_assert(mcr_config_covers(c, "/system.slice/libpod.service"));
	ck_assert(mcr_config_covers(c, "/system.slice/docke"));
}
END_TEST

START_TEST(a_covered_slice_itself_may_have_an_excepted_name)
{
	auto_(mcr_config_freep) struct mcr_config *c = defaults();
	struct complaints complaints;

	ck_assert_int_eq(read_text(c, "[Reaper]\nCover=\nCover=machine.slice\n", &complaints), 0);
	ck_assert(mcr_config_covers(c, "/machine.slice/vm.scope"));
	ck_assert(!mcr_config_covers(c, "/machine.slice/libpod-1.scope"));
}
END_TEST

START_TEST(a_cover_within_a_cover_counts_in_any_order)
{
	static const char *const orders[] = { "s s/docker-x", "s/docker-x s" };

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		auto_(mcr_config_freep) struct mcr_config *c = defaults();
		struct complaints complaints;
		char text[128];

		snprintf(text, sizeof(text), "[Reaper]\nCover=\nCover=%s\n", orders[i]);
		ck_assert_int_eq(read_text(c, text, &complaints), 0);
		ck_assert(mcr_config_covers(c, "/s/docker-x/k"));
		ck_assert(mcr_config_covers(c, "/s/k"));
		ck_assert(!mcr_config_covers(c, "/s/docker-y/k"));
		ck_assert(!mcr_config_covers(c, "/s/docker-x/docker-y"));
	}
}
END_TEST

TEST_MAIN("config", the_defaults_are_those_of_the_shipped_file, the_shipped_file_says_what_the_defaults_are,
	  a_good_file_changes_what_it_names_and_nothing_else, a_file_from_windows_reads_the_same,
	  the_last_of_two_assignments_counts, an_unknown_key_is_reported_by_file_line_and_key,
	  keys_are_told_apart_by_case, a_bad_value_keeps_the_one_before,
	  a_bad_value_of_any_type_is_reported, a_value_below_its_minimum_is_out_of_range,
	  a_time_of_more_than_a_year_is_out_of_range,
	  a_value_at_its_minimum_is_taken, a_value_that_does_not_fit_is_out_of_range,
	  only_the_section_reaper_counts, a_line_that_is_no_assignment_is_reported,
	  every_line_that_is_no_assignment_is_reported,
	  an_assignment_that_is_cut_off_by_a_remark_is_reported, an_indented_line_stands_for_itself,
	  a_line_with_a_nul_byte_is_reported_and_left_out,
	  a_line_that_is_too_long_is_left_out_whole, a_line_of_198_characters_is_read_whole,
	  a_line_of_199_characters_is_refused,
	  a_key_that_is_too_long_is_left_out, lists_add_up_over_lines,
	  an_empty_assignment_begins_a_list_anew, an_empty_cover_covers_nothing,
	  slashes_around_a_listed_path_do_not_matter, a_file_that_is_not_there_changes_nothing,
	  a_directory_is_no_file, an_empty_file_is_a_good_file,
	  a_binary_file_is_survived_and_complained_about, complaints_may_go_unheard,
	  everything_below_a_covered_slice_is_covered, what_only_begins_like_a_slice_is_not_covered,
	  an_excepted_name_anywhere_on_the_way_is_left_alone,
	  an_excepted_name_counts_only_from_its_beginning, a_covered_slice_itself_may_have_an_excepted_name,
	  a_cover_within_a_cover_counts_in_any_order)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories with a file memory.min stand in for cgroups; mcr_cgroup_open_id() is replaced by a
 * search among them (--wrap), so no hierarchy is needed.
 */
#include "restore.h"

#include <errno.h>
#include <inttypes.h>

#include "cgroup.h"
#include "main.h"
#include "util.h"

#define JOURNAL "journal"
#define LOCK JOURNAL ".lock"

int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);

static const char *const cgroups[] = { "a", "b", "c" };
static int open_error;		/* when set: what opening by id says */

int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	(void)h;
	if (open_error)
		return open_error;
	for (size_t i = 0; i < ARRAY_SIZE(cgroups); i++) {
		uint64_t its_id;
		int fd = openat(temp_fd, cgroups[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (mcr_cgroup_id(fd, &its_id) == 0 && its_id == id)
			return fd;
		close(fd);
	}
	return -ESTALE;
}

static void make_cgroup(const char *name, const char *min)
{
	char path[64];

	ck_assert_int_eq(mkdirat(temp_fd, name, 0700), 0);
	snprintf(path, sizeof(path), "%s/memory.min", name);
	put_file(temp_fd, path, min);
}

static void remove_cgroup(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/memory.min", name);
	unlinkat(temp_fd, path, 0);
	ck_assert_int_eq(unlinkat(temp_fd, name, AT_REMOVEDIR), 0);
}

static uint64_t id_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(temp_fd, name, &st, 0), 0);
	return st.st_ino;
}

static int add(struct mcr_restore *r, const char *name, const char *knob, const char *value)
{
	auto_(closep) int fd = openat(temp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return mcr_restore_add(r, fd, knob, value);
}

static struct mcr_restore *journal(void)
{
	struct mcr_restore *r = NULL;

	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &r), 0);
	return r;
}

/* Writing fewer bytes makes a regular file no shorter: all values here have one length. */
static struct mcr_restore *shield_a_and_b(void)
{
	struct mcr_restore *r = journal();

	make_cgroup("a", "100");
	make_cgroup("b", "200");
	ck_assert_int_eq(add(r, "a", "memory.min", "max"), 0);
	ck_assert_int_eq(add(r, "b", "memory.min", "max"), 0);
	return r;
}

START_TEST(noting_a_knob_touches_nothing)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_uint_eq(mcr_restore_count(r), 2);
	assert_file(temp_fd, "a/memory.min", "100");
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(a_knob_that_has_the_value_already_is_not_noted)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = journal();

	make_cgroup("a", "max\n");
	ck_assert_int_eq(add(r, "a", "memory.min", "max"), 0);
	ck_assert_uint_eq(mcr_restore_count(r), 0);
}
END_TEST

START_TEST(a_knob_that_is_not_there_is_not_noted)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = journal();

	make_cgroup("a", "0");
	ck_assert_int_eq(add(r, "a", "memory.low", "max"), -ENOENT);
	ck_assert_uint_eq(mcr_restore_count(r), 0);
}
END_TEST

START_TEST(words_that_do_not_fit_the_journal_are_refused)
{
	static const char longer[] = "memory.aaaaaaaaaaaaaaaaaaaaaaaaa";
	auto_(mcr_restore_freep) struct mcr_restore *r = journal();

	make_cgroup("a", "00000000000000000000000000000000");
	ck_assert_int_eq(add(r, "a", longer, "max"), -EINVAL);
	ck_assert_int_eq(add(r, "a", "memory.min", longer), -EINVAL);
	ck_assert_int_eq(add(r, "a", "memory.min", "max"), -E2BIG);
	ck_assert_uint_eq(mcr_restore_count(r), 0);
}
END_TEST

START_TEST(applying_sets_every_knob_and_leaves_a_journal)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();
	char text[256];

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	assert_file(temp_fd, "a/memory.min", "max");
	assert_file(temp_fd, "b/memory.min", "max");
	snprintf(text, sizeof(text),
		 "%" PRIu64 " memory.min 100 max\n"
		 "%" PRIu64 " memory.min 200 max\n"
		 "end 2 0\n", id_of("a"), id_of("b"));
	assert_file(temp_fd, JOURNAL, text);
}
END_TEST

START_TEST(undoing_puts_every_knob_back_and_removes_the_journal)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(applying_nothing_writes_no_journal)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = journal();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	ck_assert(!exists(temp_fd, JOURNAL));
	ck_assert_int_eq(mcr_restore_undo(r), 0);
}
END_TEST

START_TEST(without_a_journal_no_knob_is_touched)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mkdirat(temp_fd, JOURNAL, 0700), 0);	/* in its way */
	ck_assert_int_lt(mcr_restore_apply(r), 0);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
}
END_TEST

START_TEST(a_successor_puts_back_what_a_killed_process_left)
{
	struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
	ck_assert(!exists(temp_fd, JOURNAL));
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 0);
}
END_TEST

START_TEST(a_knob_that_was_not_reached_is_left_alone)
{
	struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	mcr_restore_free(r);
	put_file(temp_fd, "b/memory.min", "200");	/* as if killed between the two */
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
}
END_TEST

START_TEST(a_knob_that_somebody_else_set_meanwhile_stays_theirs)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	put_file(temp_fd, "a/memory.min", "555");
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "a/memory.min", "555");
	assert_file(temp_fd, "b/memory.min", "200");
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(a_cgroup_that_is_gone_is_passed_over)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	remove_cgroup("a");
	ck_assert_int_eq(mcr_restore_apply(r), 0);
	assert_file(temp_fd, "b/memory.min", "max");
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "b/memory.min", "200");
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(a_controller_that_was_switched_off_is_passed_over)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	ck_assert_int_eq(unlinkat(temp_fd, "a/memory.min", 0), 0);
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "b/memory.min", "200");
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(a_knob_that_cannot_be_put_back_keeps_the_journal)
{
	struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	open_error = -EMFILE;
	ck_assert_int_eq(mcr_restore_undo(r), -EMFILE);
	ck_assert(exists(temp_fd, JOURNAL));
	open_error = 0;
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
}
END_TEST

START_TEST(many_knobs_are_put_back)
{
	struct mcr_restore *r = journal();
	char name[64];

	make_cgroup("a", "100");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "a/memory.k%d", i);
		put_file(temp_fd, name, "123");
		ck_assert_int_eq(add(r, "a", name + 2, "max"), 0);
	}
	ck_assert_uint_eq(mcr_restore_count(r), 1000);
	ck_assert_int_eq(mcr_restore_apply(r), 0);
	assert_file(temp_fd, "a/memory.k999", "max");
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	assert_file(temp_fd, "a/memory.k0", "123");
	assert_file(temp_fd, "a/memory.k999", "123");
}
END_TEST

START_TEST(no_journal_is_nothing_to_put_back)
{
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 0);
}
END_TEST

START_TEST(a_journal_of_no_knobs_is_removed)
{
	put_file(temp_fd, JOURNAL, "end 0 0\n");
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(a_journal_that_makes_no_sense_is_an_error_and_stays)
{
	static const char *const bad[] = {
		"",					/* empty */
		"\n",
		"junk\n",
		"end\n",
		"end 0\n",				/* no subject */
		"end 0 x\n",
		"7 memory.min 0 max\nend 1\n",
		"end 1 0\n",				/* fewer than it says */
		"7 memory.min 0 max\nend 2 0\n",
		"7 memory.min 0 max\n8 memory.min 0 max\nend 1 0\n",
		"7 memory.min 0 max\n",			/* cut off */
		"7 memory.min 0 max\nen",
		"7 memory.min 0\nend 1 0\n",
		"x memory.min 0 max\nend 1 0\n",
		"7 memory.min 0 max more\nend 1 0\n",
		"7 cgroup.procs 0 max\nend 1 0\n",	/* no knob of ours */
		"7 memory./../cgroup.procs 0 max\nend 1 0\n",
		"7 ../memory.min 0 max\nend 1 0\n",
		"7 memory.min 00000000000000000000000000000000000 max\nend 1 0\n",
	};

	open_error = -EMFILE;	/* were it taken for good, that is what it would say */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int r;

		put_file(temp_fd, JOURNAL, bad[i]);
		r = mcr_restore_recover(NULL, temp_fd, JOURNAL);
		ck_assert_msg(r == -EBADMSG, "'%s' returns %d", bad[i], r);
		assert_file(temp_fd, JOURNAL, bad[i]);
	}
}
END_TEST

START_TEST(a_bad_last_line_keeps_the_good_ones_from_being_used)
{
	char text[256];

	make_cgroup("a", "max");
	snprintf(text, sizeof(text), "%" PRIu64 " memory.min 100 max\nend 2 0\n", id_of("a"));
	put_file(temp_fd, JOURNAL, text);
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), -EBADMSG);
	assert_file(temp_fd, "a/memory.min", "max");
}
END_TEST

START_TEST(a_journal_has_one_user_at_a_time)
{
	struct mcr_restore *first = journal(), *second = NULL;

	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &second), -EBUSY);
	ck_assert_ptr_null(second);
	mcr_restore_free(first);
	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &second), 0);
	mcr_restore_free(second);
}
END_TEST

START_TEST(journals_of_other_names_are_not_in_the_way)
{
	auto_(mcr_restore_freep) struct mcr_restore *first = journal(), *second = NULL;

	ck_assert_ptr_nonnull(first);
	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, "other", &second), 0);
}
END_TEST

START_TEST(the_lock_is_for_its_owner_alone)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = NULL;
	struct stat st;

	umask(0);
	r = journal();
	ck_assert_int_eq(fstatat(temp_fd, LOCK, &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(a_lock_that_is_a_link_is_not_followed)
{
	struct mcr_restore *r = NULL;

	ck_assert_int_eq(symlinkat("elsewhere", temp_fd, LOCK), 0);
	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &r), -ELOOP);
	ck_assert_ptr_null(r);
	ck_assert(!exists(temp_fd, "elsewhere"));
}
END_TEST

START_TEST(a_lock_file_that_nobody_holds_is_not_in_the_way)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = NULL;

	put_file(temp_fd, LOCK, "");
	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &r), 0);
}
END_TEST

START_TEST(a_journal_that_was_left_is_not_written_over)
{
	struct mcr_restore *r = shield_a_and_b(), *next = NULL;

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &next), -EBUSY);
	ck_assert_ptr_null(next);
	/* The refusal keeps neither the lock nor the journal from who puts it back. */
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	assert_file(temp_fd, "a/memory.min", "100");
	ck_assert_int_eq(mcr_restore_new(NULL, temp_fd, JOURNAL, &next), 0);
	mcr_restore_free(next);
}
END_TEST

START_TEST(a_journal_in_use_is_not_put_back_by_others)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();
	struct mcr_restore *other = NULL;

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &other), -EBUSY);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), -EBUSY);
	assert_file(temp_fd, "a/memory.min", "max");
	ck_assert(exists(temp_fd, JOURNAL));
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "a/memory.min", "100");
}
END_TEST

START_TEST(what_is_loaded_is_put_back_and_removed)
{
	struct mcr_restore *r = shield_a_and_b(), *loaded = NULL, *other = NULL;

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &loaded), 1);
	ck_assert_uint_eq(mcr_restore_count(loaded), 2);
	assert_file(temp_fd, "a/memory.min", "max");	/* not by loading alone */
	ck_assert(exists(temp_fd, JOURNAL));
	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &other), -EBUSY);
	ck_assert_int_eq(mcr_restore_undo(loaded), 0);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
	ck_assert(!exists(temp_fd, JOURNAL));
	mcr_restore_free(loaded);
}
END_TEST

START_TEST(what_is_loaded_and_let_go_stays)
{
	struct mcr_restore *r = shield_a_and_b(), *loaded = NULL;

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &loaded), 1);
	mcr_restore_free(loaded);
	assert_file(temp_fd, "a/memory.min", "max");
	ck_assert_int_eq(mcr_restore_recover(NULL, temp_fd, JOURNAL), 1);
	assert_file(temp_fd, "a/memory.min", "100");
}
END_TEST

START_TEST(nothing_to_load_is_no_error_and_takes_no_lock)
{
	struct mcr_restore *r = NULL;

	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &r), 0);
	ck_assert_ptr_null(r);
	r = journal();
	mcr_restore_free(r);
}
END_TEST

START_TEST(a_journal_that_cannot_be_loaded_gives_the_lock_back)
{
	struct mcr_restore *r = NULL;

	put_file(temp_fd, JOURNAL, "junk\n");
	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &r), -EBADMSG);
	ck_assert_ptr_null(r);
	assert_file(temp_fd, JOURNAL, "junk\n");
	ck_assert_int_eq(unlinkat(temp_fd, JOURNAL, 0), 0);
	r = journal();
	mcr_restore_free(r);
}
END_TEST

START_TEST(one_knob_alone_can_be_put_back)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	put_file(temp_fd, "a/memory.low", "300");
	ck_assert_int_eq(add(r, "a", "memory.low", "max"), 0);
	ck_assert_int_eq(mcr_restore_apply(r), 0);
	ck_assert_int_eq(mcr_restore_undo_knob(r, "memory.min"), 0);
	assert_file(temp_fd, "a/memory.min", "100");
	assert_file(temp_fd, "b/memory.min", "200");
	assert_file(temp_fd, "a/memory.low", "max");
	ck_assert(exists(temp_fd, JOURNAL));
	ck_assert_int_eq(mcr_restore_undo_knob(r, "memory.m"), 0);	/* whole names */
	assert_file(temp_fd, "a/memory.low", "max");
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "a/memory.low", "300");
	assert_file(temp_fd, "a/memory.min", "100");
	ck_assert(!exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(one_knob_that_cannot_be_put_back_is_an_error)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	open_error = -EMFILE;
	ck_assert_int_eq(mcr_restore_undo_knob(r, "memory.low"), 0);
	ck_assert_int_eq(mcr_restore_undo_knob(r, "memory.min"), -EMFILE);
	ck_assert(exists(temp_fd, JOURNAL));
}
END_TEST

START_TEST(the_subject_is_kept_in_the_file)
{
	struct mcr_restore *r = shield_a_and_b(), *loaded = NULL;

	ck_assert_uint_eq(mcr_restore_subject(r), 0);
	mcr_restore_set_subject(r, UINT64_MAX - 1);
	ck_assert_uint_eq(mcr_restore_subject(r), UINT64_MAX - 1);
	ck_assert_int_eq(mcr_restore_apply(r), 0);
	mcr_restore_free(r);
	ck_assert_int_eq(mcr_restore_load(NULL, temp_fd, JOURNAL, &loaded), 1);
	ck_assert_uint_eq(mcr_restore_subject(loaded), UINT64_MAX - 1);
	mcr_restore_free(loaded);
}
END_TEST

START_TEST(undoing_what_was_never_applied_leaves_the_file_of_another)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();
	static const char theirs[] = "end 0 7\n";

	put_file(temp_fd, "a/memory.min", "max");	/* by somebody else, to what we would have set */
	put_file(temp_fd, JOURNAL, theirs);
	ck_assert_int_eq(mcr_restore_undo_knob(r, "memory.min"), 0);
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "a/memory.min", "max");
	assert_file(temp_fd, JOURNAL, theirs);
}
END_TEST

START_TEST(undoing_twice_leaves_the_file_of_a_successor)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = shield_a_and_b();

	ck_assert_int_eq(mcr_restore_apply(r), 0);
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	put_file(temp_fd, "a/memory.min", "max");
	put_file(temp_fd, JOURNAL, "end 0 7\n");
	ck_assert_int_eq(mcr_restore_undo(r), 0);
	assert_file(temp_fd, "a/memory.min", "max");
	ck_assert(exists(temp_fd, JOURNAL));
}
END_TEST

TEST_MAIN("restore", noting_a_knob_touches_nothing, a_knob_that_has_the_value_already_is_not_noted,
	  a_knob_that_is_not_there_is_not_noted, words_that_do_not_fit_the_journal_are_refused,
	  applying_sets_every_knob_and_leaves_a_journal,
	  undoing_puts_every_knob_back_and_removes_the_journal, applying_nothing_writes_no_journal,
	  without_a_journal_no_knob_is_touched, a_successor_puts_back_what_a_killed_process_left,
	  a_knob_that_was_not_reached_is_left_alone, a_knob_that_somebody_else_set_meanwhile_stays_theirs,
	  a_cgroup_that_is_gone_is_passed_over, a_controller_that_was_switched_off_is_passed_over,
	  a_knob_that_cannot_be_put_back_keeps_the_journal, many_knobs_are_put_back,
	  no_journal_is_nothing_to_put_back, a_journal_of_no_knobs_is_removed,
	  a_journal_that_makes_no_sense_is_an_error_and_stays,
	  a_bad_last_line_keeps_the_good_ones_from_being_used,
	  a_journal_has_one_user_at_a_time, journals_of_other_names_are_not_in_the_way,
	  the_lock_is_for_its_owner_alone, a_lock_that_is_a_link_is_not_followed,
	  a_lock_file_that_nobody_holds_is_not_in_the_way, a_journal_that_was_left_is_not_written_over,
	  a_journal_in_use_is_not_put_back_by_others, what_is_loaded_is_put_back_and_removed,
	  what_is_loaded_and_let_go_stays, nothing_to_load_is_no_error_and_takes_no_lock,
	  a_journal_that_cannot_be_loaded_gives_the_lock_back, one_knob_alone_can_be_put_back,
	  one_knob_that_cannot_be_put_back_is_an_error, the_subject_is_kept_in_the_file,
	  undoing_what_was_never_applied_leaves_the_file_of_another,
	  undoing_twice_leaves_the_file_of_a_successor)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories stand in for cgroups: cgroup.events says what the test wants it to. */
#include "freeze.h"

#include <errno.h>

#include "chunklog.h"
#include "main.h"
#include "util.h"

int __wrap_mcr_cgroup_open_path(const struct mcr_hierarchy *h, const char *path);

int __wrap_mcr_cgroup_open_path(const struct mcr_hierarchy *h, const char *path)
{
	int fd = openat(temp_fd, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)h;
	return fd < 0 ? -errno : fd;
}

static void make_cgroup(const char *name, const char *freeze, const char *events, const char *type)
{
	int fd;

	ck_assert_int_eq(mkdirat(temp_fd, name, 0700), 0);
	fd = openat(temp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(fd, "cgroup.freeze", freeze);
	put_file(fd, "cgroup.events", events);
	put_file(fd, "cgroup.type", type);
	close(fd);
}

static void assert_freeze(const char *name, const char *freeze)
{
	int fd = openat(temp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_file(fd, "cgroup.freeze", freeze);
	close(fd);
}

static struct mcr_chunklog *journal;

static struct mcr_freeze *new_set(void)
{
	struct mcr_freeze *f;

	ck_assert_int_eq(mcr_chunklog_new(4096, &journal), 0);
	ck_assert_int_eq(mcr_freeze_new(NULL, journal, "/system.slice/reaper.service", "/owner.slice", &f), 0);
	return f;
}

START_TEST(some_must_not_be_frozen)
{
	static const struct {
		const char *path, *own, *owner;
		enum mcr_refusal refusal;
	} cases[] = {
		{ "/", "/x", "/y", MCR_REFUSED_ROOT_CGROUP },
		{ "/init.scope", "/x", "/y", MCR_REFUSED_INIT },
		{ "/init.scope/sub", "/x", "/y", MCR_REFUSED_INIT },
		{ "/init.scoped", "/x", "/y", MCR_REFUSED_NOT },
		{ "/system.slice", "/system.slice/reaper.service", "/y", MCR_REFUSED_OWN_CGROUP },
		{ "/system.slice/reaper.service", "/system.slice/reaper.service", "/y", MCR_REFUSED_OWN_CGROUP },
		{ "/system.slice/reaper.service/w", "/system.slice/reaper.service", "/y", MCR_REFUSED_NOT },
		{ "/system.slice/reaper", "/system.slice/reaper.service", "/y", MCR_REFUSED_NOT },
		{ "/y", "/x", "/y", MCR_REFUSED_OWNER_IN_IT },
		{ "/y", "/x", "/y/z", MCR_REFUSED_OWNER_IN_IT },
		{ "/y/z", "/x", "/y", MCR_REFUSED_NOT },
		{ "/a", "/", "/y", MCR_REFUSED_NOT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(mcr_freeze_allowed(cases[i].path, cases[i].own, cases[i].owner) == cases[i].refusal, "%s",
			      cases[i].path);
}
END_TEST

START_TEST(freezing_is_noted_and_thawing_forgets_it)
{
	struct mcr_freeze *f = new_set();

	make_cgroup("a", "0", "populated 1\nfrozen 1\n", "domain");
	ck_assert_int_eq(mcr_freeze_add(f, "/a"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_freeze_add(f, "/a"), MCR_REFUSED_NOT);
	ck_assert_uint_eq(mcr_freeze_count(f), 1);
	ck_assert(!mcr_chunklog_dirty(journal));
	ck_assert_int_eq(mcr_freeze_all(f, 100000), 0);
	ck_assert_uint_eq(mcr_chunklog_n_frozen(journal), 1);
	ck_assert(mcr_freeze_lasts(f));
	assert_freeze("a", "1");
	ck_assert_int_eq(mcr_freeze_thaw(f), 0);
	assert_freeze("a", "0");
	ck_assert(!mcr_chunklog_dirty(journal));
	mcr_freeze_free(f);
}
END_TEST

START_TEST(who_was_frozen_by_others_stays_so)
{
	struct mcr_freeze *f = new_set();

	make_cgroup("a", "1", "frozen 1\n", "domain");
	ck_assert_int_eq(mcr_freeze_add(f, "/a"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_freeze_all(f, 100000), 0);
	ck_assert(!mcr_chunklog_dirty(journal));
	mcr_freeze_free(f);
	assert_freeze("a", "1");
}
END_TEST

START_TEST(who_does_not_freeze_in_time_thaws_all)
{
	struct mcr_freeze *f = new_set();

	make_cgroup("a", "0", "frozen 1\n", "domain");
	make_cgroup("b", "0", "frozen 0\n", "domain");
	ck_assert_int_eq(mcr_freeze_add(f, "/a"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_freeze_add(f, "/b"), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_freeze_all(f, 20000), -ETIMEDOUT);
	assert_freeze("a", "0");
	assert_freeze("b", "0");
	ck_assert(!mcr_chunklog_dirty(journal));
	ck_assert(!mcr_freeze_lasts(f));
	mcr_freeze_free(f);
}
END_TEST

START_TEST(the_gone_are_passed_over_and_the_threaded_refused)
{
	struct mcr_freeze *f = new_set();

	ck_assert_int_eq(mcr_freeze_add(f, "/gone"), MCR_REFUSED_NOT);
	ck_assert_uint_eq(mcr_freeze_count(f), 0);
	make_cgroup("t", "0", "frozen 0\n", "threaded");
	ck_assert_int_eq(mcr_freeze_add(f, "/t"), MCR_REFUSED_THREADED);
	ck_assert_int_eq(mcr_cgroup_frozen(NULL, "/t"), 0);
	ck_assert_int_eq(mcr_cgroup_frozen(NULL, "/gone"), -ENOENT);
	mcr_freeze_free(f);
}
END_TEST

START_TEST(no_more_than_the_journal_holds)
{
	struct mcr_freeze *f = new_set();
	char name[16], path[16];

	for (int i = 0; i <= MCR_CHUNKLOG_CGROUPS; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		snprintf(path, sizeof(path), "/c%d", i);
		make_cgroup(name, "0", "frozen 1\n", "domain");
		ck_assert_int_eq(mcr_freeze_add(f, path),
				 i < MCR_CHUNKLOG_CGROUPS ? MCR_REFUSED_NOT : MCR_REFUSED_TOO_MANY_CGROUPS);
	}
	mcr_freeze_free(f);
}
END_TEST

TEST_MAIN("freeze", some_must_not_be_frozen, freezing_is_noted_and_thawing_forgets_it, who_was_frozen_by_others_stays_so,
	  who_does_not_freeze_in_time_thaws_all, the_gone_are_passed_over_and_the_threaded_refused,
	  no_more_than_the_journal_holds)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unitname.h"

#include "main.h"
#include "util.h"

static void assert_unit(const char *path, const char *unit, enum mcr_unit_kind kind)
{
	char got[256];

	ck_assert_int_eq(mcr_unit_of(path, got, sizeof(got)), kind);
	ck_assert_str_eq(got, unit);
}

static void assert_pattern(const char *unit, const char *pattern, enum mcr_unit_kind kind)
{
	char got[256];
	enum mcr_unit_kind got_kind = mcr_unit_pattern(unit, got, sizeof(got));

	ck_assert_str_eq(got, pattern);
	ck_assert_msg(got_kind == kind, "%s: %s, not %s", unit, mcr_unit_kind_name(got_kind), mcr_unit_kind_name(kind));
}

START_TEST(a_cgroup_belongs_to_the_unit_in_its_path)
{
	assert_unit("/system.slice/cron.service", "cron.service", MCR_UNIT_PLAIN);
	assert_unit("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", MCR_UNIT_PLAIN);
	assert_unit("/system.slice/sshd.socket", "sshd.socket", MCR_UNIT_PLAIN);
	assert_unit("/system.slice/home.mount", "home.mount", MCR_UNIT_PLAIN);
	assert_unit("/system.slice/dev-sda2.swap", "dev-sda2.swap", MCR_UNIT_PLAIN);
}
END_TEST

START_TEST(what_a_unit_makes_below_itself_is_the_units)
{
	assert_unit("/system.slice/cron.service/a/b", "cron.service", MCR_UNIT_PLAIN);
	assert_unit("/system.slice/getty.slice/cron.service/x.slice", "cron.service", MCR_UNIT_PLAIN);
}
END_TEST

START_TEST(of_nested_units_it_is_the_innermost)
{
	assert_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "a.service", MCR_UNIT_PLAIN);
	assert_unit("/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", MCR_UNIT_PLAIN);
}
END_TEST

START_TEST(a_path_without_a_unit_is_known_by_its_last_name)
{
	assert_unit("/docker/3f4c", "3f4c", MCR_UNIT_NONE);
	assert_unit("/system.slice/system-getty.slice", "system-getty.slice", MCR_UNIT_NONE);
	assert_unit("plain", "plain", MCR_UNIT_NONE);
	assert_unit("/.service", ".service", MCR_UNIT_NONE);
	assert_unit("/a.timer", "a.timer", MCR_UNIT_NONE);
	assert_unit("/a.service.d", "a.service.d", MCR_UNIT_NONE);
}
END_TEST

START_TEST(the_root_and_nothing_have_no_name)
{
	assert_unit("", "", MCR_UNIT_NONE);
	assert_unit("/", "", MCR_UNIT_NONE);
	assert_unit("///", "", MCR_UNIT_NONE);
}
END_TEST

START_TEST(slashes_may_be_too_many)
{
	assert_unit("//system.slice///cron.service//", "cron.service", MCR_UNIT_PLAIN);
	assert_unit("system.slice/cron.service/", "cron.service", MCR_UNIT_PLAIN);
}
END_TEST

START_TEST(names_are_bytes)
{
	assert_unit("/a b\n\xff.service/%s", "a b\n\xff.service", MCR_UNIT_PLAIN);
	assert_pattern("a b\n\xff%n.service", "a b\n\xff%n.service", MCR_UNIT_PLAIN);
	assert_pattern("*.service", "*.service", MCR_UNIT_PLAIN);
}
END_TEST

START_TEST(a_unit_without_a_number_is_its_own_pattern)
{
	assert_pattern("cron.service", "cron.service", MCR_UNIT_PLAIN);
	assert_pattern("dbus-broker.service", "dbus-broker.service", MCR_UNIT_PLAIN);
	assert_pattern("init.scope", "init.scope", MCR_UNIT_PLAIN);
	assert_pattern("facade.service", "facade.service", MCR_UNIT_PLAIN);	/* hexadecimal digits, and a word */
}
END_TEST

START_TEST(an_instance_is_one_of_its_template)
{
	assert_pattern("getty@tty1.service", "getty@*.service", MCR_UNIT_TEMPLATE);
	assert_pattern("user@1000.service", "user@*.service", MCR_UNIT_TEMPLATE);
	assert_pattern("a@b@c.service", "a@*.service", MCR_UNIT_TEMPLATE);
	assert_pattern("sshd@1-10.0.0.1:22-10.0.0.2:4711.service", "sshd@*.service", MCR_UNIT_TEMPLATE);
	assert_pattern("run-u1@x.service", "run-u1@*.service", MCR_UNIT_TEMPLATE);
}
END_TEST

START_TEST(a_template_without_an_instance_is_a_plain_unit)
{
	assert_pattern("getty@.service", "getty@.service", MCR_UNIT_PLAIN);
}
END_TEST

START_TEST(systemd_runs_names_are_of_one_kind)
{
	assert_pattern("run-u12.service", "run-*.service", MCR_UNIT_TRANSIENT);
	assert_pattern("run-u12.scope", "run-*.scope", MCR_UNIT_TRANSIENT);
	assert_pattern("run-p34-i56.scope", "run-*.scope", MCR_UNIT_TRANSIENT);
	assert_pattern("run-r0123456789abcdef0123456789abcdef.scope", "run-*.scope", MCR_UNIT_TRANSIENT);
	assert_pattern("run-4711.scope", "run-*.scope", MCR_UNIT_NUMBERED);	/* of old */
}
END_TEST

START_TEST(not_all_that_begins_with_run_is_systemd_runs)
{
	assert_pattern("run-parts.service", "run-parts.service", MCR_UNIT_PLAIN);
	assert_pattern("run-rabbit.service", "run-rabbit.service", MCR_UNIT_PLAIN);
	assert_pattern("run-udev.mount", "run-udev.mount", MCR_UNIT_PLAIN);
	assert_pattern("run-race.scope", "run-race.scope", MCR_UNIT_PLAIN);
	assert_pattern("run-u.service", "run-u.service", MCR_UNIT_PLAIN);
	assert_pattern("run-.service", "run-.service", MCR_UNIT_PLAIN);
	assert_pattern("run-u1x.service", "run-u*x.service", MCR_UNIT_NUMBERED);
	assert_pattern("run-user-1000.mount", "run-user-*.mount", MCR_UNIT_NUMBERED);
}
END_TEST

START_TEST(numbers_become_a_star_each)
{
	assert_pattern("session-12.scope", "session-*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("session-c3.scope", "session-c*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("backup-2026-11-21.service", "backup-*-*-*.service", MCR_UNIT_NUMBERED);
	assert_pattern("1.service", "*.service", MCR_UNIT_NUMBERED);
	assert_pattern("99999999999999999999999999.service", "*.service", MCR_UNIT_NUMBERED);
}
END_TEST

START_TEST(long_hexadecimal_numbers_are_one)
{
	assert_pattern("docker-3f4c0011aabbccdd.scope", "docker-*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("docker-ffeeddccbbaa9988.scope", "docker-*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("job-0af3c2.service", "job-*.service", MCR_UNIT_NUMBERED);
}
END_TEST

START_TEST(short_words_of_hexadecimal_digits_are_numbers)
{
	assert_pattern("job-0af3.service", "job-*.service", MCR_UNIT_NUMBERED);
	assert_pattern("job-b52e.service", "job-*.service", MCR_UNIT_NUMBERED);
	assert_pattern("job-0af3x.service", "job-*af*x.service", MCR_UNIT_NUMBERED);	/* more than that */
	assert_pattern("job-a1.service", "job-a*.service", MCR_UNIT_NUMBERED);
	assert_pattern("dead-beef.service", "dead-beef.service", MCR_UNIT_PLAIN);	/* words */
}
END_TEST

START_TEST(all_uuids_have_one_pattern)
{
	assert_pattern("vm-f47ac10b-58cc-4372-a567-0e02b2c3d479.scope", "vm-*-*-*-*-*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("vm-00000000-face-4abc-beef-123456abcdef.scope", "vm-*-*-*-*-*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("pod_0d7e44a1_dead_4f00_a567_0e02b2c3d479.scope", "pod_*_*_*_*_*.scope", MCR_UNIT_NUMBERED);
	assert_pattern("pods-f47ac10b\\x2d58cc\\x2d4372\\x2dface\\x2d0e02b2c3d479-volumes.mount",
		       "pods-*\\x2d*\\x2d*\\x2d*\\x2d*-volumes.mount", MCR_UNIT_NUMBERED);
	assert_pattern("f47ac10b-58cc-4372-a567-0e02b2c3d479", "*-*-*-*-*", MCR_UNIT_NONE);
}
END_TEST

START_TEST(an_escaped_character_is_no_number)
{
	assert_pattern("foo\\x2dbar.service", "foo\\x2dbar.service", MCR_UNIT_PLAIN);
	assert_pattern("foo\\x20.mount", "foo\\x20.mount", MCR_UNIT_PLAIN);
	assert_pattern("dev-disk-by\\x2duuid.swap", "dev-disk-by\\x2duuid.swap", MCR_UNIT_PLAIN);
	assert_pattern("vm\\x2d12\\x2da.scope", "vm\\x2d*\\x2da.scope", MCR_UNIT_NUMBERED);
	assert_pattern("a\\x2.service", "a\\x*.service", MCR_UNIT_NUMBERED);	/* systemd writes no such thing */
	assert_pattern("a\\", "a\\", MCR_UNIT_NONE);
}
END_TEST

START_TEST(a_slice_is_a_kind_of_its_own)
{
	assert_pattern("user-1000.slice", "user-*.slice", MCR_UNIT_SLICE);
	assert_pattern("system-getty.slice", "system-getty.slice", MCR_UNIT_SLICE);
	assert_pattern("a@b.slice", "a@b.slice", MCR_UNIT_SLICE);
	assert_pattern(".slice", ".slice", MCR_UNIT_NONE);
}
END_TEST

START_TEST(what_is_no_unit_has_a_pattern_too)
{
	assert_pattern("worker-17", "worker-*", MCR_UNIT_NONE);
	assert_pattern("3f4c0011aabbccdd", "*", MCR_UNIT_NONE);
	assert_pattern("a@b", "a@b", MCR_UNIT_NONE);
	assert_pattern("", "", MCR_UNIT_NONE);
	assert_pattern(".service", ".service", MCR_UNIT_NONE);
}
END_TEST

/* The byte behind is not written to. */
static void assert_fits(const char *got, size_t size)
{
	ck_assert_uint_lt(strnlen(got, size), size);
	ck_assert_int_eq(got[size], '#');
}

START_TEST(what_is_too_long_is_cut)
{
	static const char *const units[] = {
		"session-12.scope", "getty@tty1.service", "run-u12.service", "docker/3f4c0011aabb", "a\\x2db\\x2dc.service",
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		for (size_t size = 1; size < 24; size++) {
			char got[32];

			memset(got, '#', sizeof(got));
			mcr_unit_of(units[i], got, size);
			assert_fits(got, size);
			memset(got, '#', sizeof(got));
			mcr_unit_pattern(units[i], got, size);
			assert_fits(got, size);
		}
	}
}
END_TEST

START_TEST(a_name_of_255_bytes_is_taken_whole)
{
	char name[256], path[300], got[256];

	memset(name, 'x', sizeof(name));
	strcpy(name + 255 - strlen(".service"), ".service");
	snprintf(path, sizeof(path), "/system.slice/%s", name);
	ck_assert_int_eq(mcr_unit_of(path, got, sizeof(got)), MCR_UNIT_PLAIN);
	ck_assert_str_eq(got, name);
	assert_pattern(name, name, MCR_UNIT_PLAIN);
	name[3] = '@';
	assert_pattern(name, "xxx@*.service", MCR_UNIT_TEMPLATE);
}
END_TEST

START_TEST(each_kind_has_a_word)
{
	for (unsigned int a = 0; a <= MCR_UNIT_NONE; a++) {
		ck_assert_ptr_nonnull(mcr_unit_kind_name(a));
		for (unsigned int b = 0; b < a; b++)
			ck_assert_str_ne(mcr_unit_kind_name(a), mcr_unit_kind_name(b));
	}
	ck_assert_str_eq(mcr_unit_kind_name(MCR_UNIT_PLAIN), "unit");
	ck_assert_str_eq(mcr_unit_kind_name(MCR_UNIT_SLICE), "slice");
	ck_assert_str_eq(mcr_unit_kind_name(MCR_UNIT_NONE), "cgroup");
}
END_TEST

TEST_MAIN("unitname", a_cgroup_belongs_to_the_unit_in_its_path, what_a_unit_makes_below_itself_is_the_units,
	  of_nested_units_it_is_the_innermost, a_path_without_a_unit_is_known_by_its_last_name,
	  the_root_and_nothing_have_no_name, slashes_may_be_too_many, names_are_bytes,
	  a_unit_without_a_number_is_its_own_pattern, an_instance_is_one_of_its_template,
	  a_template_without_an_instance_is_a_plain_unit, systemd_runs_names_are_of_one_kind,
	  not_all_that_begins_with_run_is_systemd_runs, numbers_become_a_star_each, long_hexadecimal_numbers_are_one,
	  short_words_of_hexadecimal_digits_are_numbers, all_uuids_have_one_pattern,
	  an_escaped_character_is_no_number, a_slice_is_a_kind_of_its_own,
	  what_is_no_unit_has_a_pattern_too,
	  what_is_too_long_is_cut, a_name_of_255_bytes_is_taken_whole, each_kind_has_a_word)

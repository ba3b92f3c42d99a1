/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargeask.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "fileio.h"
#include "json.h"
#include "main.h"
#include "util.h"

static char dir[] = "/tmp/mcr-recharge-XXXXXX";
static int fd = -EBADF;

static void open_dir(void)
{
	strcpy(dir, "/tmp/mcr-recharge-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
}

static void drop_dir(void)
{
	fd = close_fd(fd);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(what_is_asked_is_read_back)
{
	const struct mcr_recharge_request asked = {
		.cgroup_id = UINT64_MAX, .path = (char *)"/a\\x2db\n\xc3\xa4.service", .owner = (char *)"system.slice/o.slice",
		.owner_user = true, .only_empty = true, .pause_max_usec = 20000,
	};
	struct mcr_recharge_request got;

	open_dir();
	ck_assert_int_eq(mcr_recharge_asked(fd, "held-1", &got), -ENOENT);
	ck_assert_int_eq(mcr_recharge_ask(fd, "held-1", &asked), 0);
	ck_assert_int_eq(mcr_recharge_asked(fd, "held-1", &got), 0);
	ck_assert_uint_eq(got.cgroup_id, asked.cgroup_id);
	ck_assert_str_eq(got.path, asked.path);
	ck_assert_str_eq(got.owner, asked.owner);
	ck_assert(got.owner_user && got.only_empty);
	ck_assert_uint_eq(got.pause_max_usec, asked.pause_max_usec);
	mcr_recharge_request_done(&got);
	unlinkat(fd, "held-1.request", 0);
	drop_dir();
}
END_TEST

START_TEST(an_answer_takes_the_place_of_the_request)
{
	const struct mcr_recharge_request asked = { .path = (char *)"/f", .owner = (char *)"o", .pause_max_usec = 1 };
	struct json_object *o = json_object_new_object(), *got = NULL;

	open_dir();
	ck_assert_int_eq(mcr_recharge_ask(fd, "cli-1", &asked), 0);
	ck_assert_int_eq(mcr_recharge_answered(fd, "cli-1", &got), -ENOENT);
	add_u64(o, "moved_bytes", 4096);
	ck_assert_int_eq(mcr_recharge_answer(fd, "cli-1", o), 0);
	ck_assert_int_eq(faccessat(fd, "cli-1.request", F_OK, 0), -1);
	ck_assert_int_eq(mcr_recharge_answered(fd, "cli-1", &got), 0);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(got, "moved_bytes")), 4096);
	json_object_put(got);
	ck_assert_int_eq(mcr_recharge_answered(fd, "cli-1", &got), -ENOENT);
	drop_dir();
}
END_TEST

START_TEST(being_out_is_no_answer_and_goes_with_it)
{
	const struct mcr_recharge_request asked = { .path = (char *)"/f", .owner = (char *)"o", .pause_max_usec = 1 };
	struct json_object *got = NULL;

	open_dir();
	ck_assert_int_eq(mcr_recharge_ask(fd, "held-1", &asked), 0);
	ck_assert_int_eq(mcr_recharge_tell_out(fd, "held-1"), 0);
	ck_assert_int_eq(faccessat(fd, "held-1.out", F_OK, 0), 0);
	ck_assert_int_eq(faccessat(fd, "held-1.request", F_OK, 0), 0);	/* for whoever comes after one who is killed */
	ck_assert_int_eq(mcr_recharge_answered(fd, "held-1", &got), -ENOENT);
	ck_assert_int_eq(mcr_recharge_answer(fd, "held-1", json_object_new_object()), 0);
	ck_assert_int_eq(faccessat(fd, "held-1.out", F_OK, 0), -1);
	ck_assert_int_eq(mcr_recharge_ask(fd, "held-1", &asked), 0);
	ck_assert_int_eq(mcr_recharge_tell_out(fd, "held-1"), 0);
	mcr_recharge_forget(fd, "held-1");
	drop_dir();
}
END_TEST

START_TEST(names_are_no_paths)
{
	const struct mcr_recharge_request asked = { .path = (char *)"/f", .owner = (char *)"o", .pause_max_usec = 1 };
	char longest[66];

	memset(longest, 'a', 65);
	longest[65] = '\0';
	ck_assert(!mcr_recharge_name_ok(longest));
	longest[64] = '\0';
	ck_assert(mcr_recharge_name_ok(longest));
	ck_assert(!mcr_recharge_name_ok(""));
	ck_assert(!mcr_recharge_name_ok("../x"));
	ck_assert(!mcr_recharge_name_ok("a.b"));
	ck_assert(!mcr_recharge_name_ok("\xc3\xa4"));
	open_dir();
	ck_assert_int_eq(mcr_recharge_ask(fd, "../x", &asked), -EINVAL);
	drop_dir();
}
END_TEST

static void assert_senseless(const char *text)
{
	struct mcr_recharge_request got;

	open_dir();
	ck_assert_int_eq(mcr_replace_at(fd, "x.request", text, strlen(text), 0600), 0);
	ck_assert_msg(mcr_recharge_asked(fd, "x", &got) == -EBADMSG, "'%s' was taken", text);
	unlinkat(fd, "x.request", 0);
	drop_dir();
}

START_TEST(what_makes_no_sense_is_refused)
{
	assert_senseless("");
	assert_senseless("[");
	assert_senseless("[]");
	assert_senseless("{}");
	assert_senseless("{\"path\":\"/f\",\"pause_max_usec\":5}");
	assert_senseless("{\"path\":\"/f\",\"owner\":\"o\",\"pause_max_usec\":0}");
	assert_senseless("{\"path\":\"f\",\"owner\":\"o\",\"pause_max_usec\":5}");
	assert_senseless("{\"owner\":\"o\",\"pause_max_usec\":5,\"cgroup_id\":7}");
}
END_TEST

TEST_MAIN("rechargeask", what_is_asked_is_read_back, an_answer_takes_the_place_of_the_request,
	  being_out_is_no_answer_and_goes_with_it, names_are_no_paths, what_makes_no_sense_is_refused)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernelrecharge.h"

#include <errno.h>
#include <json-c/json.h>

#include "main.h"
#include "util.h"

static const char *const names[] = {
	"enabled", "mapped", "on_access", "evict", "moved", "moved_swap", "moved_mapped", "moved_on_access", "evicted",
	"failed_busy", "failed_limit", "failed_pinned",
};

/* The interface as a kernel that was just booted has it; its path. */
static const char *fake(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put_file(temp_fd, names[i], "0\n");
	put_file(temp_fd, "recharge", "");
	return temp_path(".");
}

START_TEST(a_kernel_without_it_has_none)
{
	struct mcr_kernelrecharge k = { .counters.moved = UNTOUCHED };

	ck_assert_int_eq(mcr_kernelrecharge_read(temp_path("none"), &k), -ENOENT);
	ck_assert_uint_eq(k.counters.moved, UNTOUCHED);
	ck_assert(!mcr_kernelrecharge_is_on(temp_path("none")));
	ck_assert_int_eq(mcr_kernelrecharge_request(temp_path("none"), 1, 2, 0), -ENOSYS);
	ck_assert_int_eq(mcr_kernelrecharge_request(temp_path("."), 1, 2, 0), -ENOSYS);
}
END_TEST

START_TEST(it_is_off_until_it_is_switched_on)
{
	const char *dir = fake();
	struct mcr_kernelrecharge k;

	ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), 0);
	ck_assert(!k.enabled && !mcr_kernelrecharge_is_on(dir));
	put_file(temp_fd, "enabled", "1\n");
	ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), 0);
	ck_assert(k.enabled && mcr_kernelrecharge_is_on(dir));
}
END_TEST

START_TEST(each_file_is_read_into_its_place)
{
	const char *dir = fake();
	struct mcr_kernelrecharge k;
	char text[16];

	for (size_t i = 4; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "%zu\n", 100 + i);
		put_file(temp_fd, names[i], text);
	}
	put_file(temp_fd, "on_access", "1\n");
	ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), 0);
	ck_assert(!k.enabled && !k.mapped && k.on_access && !k.evict);
	ck_assert_uint_eq(k.counters.moved, 104);
	ck_assert_uint_eq(k.counters.moved_swap, 105);
	ck_assert_uint_eq(k.counters.moved_mapped, 106);
	ck_assert_uint_eq(k.counters.moved_on_access, 107);
	ck_assert_uint_eq(k.counters.evicted, 108);
	ck_assert_uint_eq(k.counters.failed_busy, 109);
	ck_assert_uint_eq(k.counters.failed_limit, 110);
	ck_assert_uint_eq(k.counters.failed_pinned, 111);
}
END_TEST

START_TEST(nonsense_is_not_taken_for_a_figure)
{
	static const char *const bad[] = { "", "yes", "-1", "2" };
	struct mcr_kernelrecharge k = { .counters.moved = UNTOUCHED };
	const char *dir = fake();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put_file(temp_fd, "enabled", bad[i]);
		ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), -EINVAL);
		ck_assert(!mcr_kernelrecharge_is_on(dir));
	}
	put_file(temp_fd, "enabled", "1\n");
	put_file(temp_fd, "moved_swap", "many\n");
	ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), -EINVAL);
	ck_assert_int_eq(unlinkat(temp_fd, "moved_swap", 0), 0);
	ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), -ENOENT);
	ck_assert_uint_eq(k.counters.moved, UNTOUCHED);
}
END_TEST

START_TEST(a_kernel_may_have_requests_and_no_modes)
{
	const char *dir = fake();
	struct mcr_kernelrecharge k;

	put_file(temp_fd, "enabled", "1\n");
	put_file(temp_fd, "moved", "3\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], "enabled") != 0 && strcmp(names[i], "moved") != 0 && strcmp(names[i], "moved_swap") != 0)
			ck_assert_int_eq(unlinkat(temp_fd, names[i], 0), 0);
	ck_assert_int_eq(mcr_kernelrecharge_read(dir, &k), 0);
	ck_assert(k.enabled && !k.mapped && !k.on_access && !k.evict);
	ck_assert_uint_eq(k.counters.moved, 3);
	ck_assert_uint_eq(k.counters.failed_limit, 0);
}
END_TEST

START_TEST(a_request_is_two_ids_and_a_bound_if_there_is_one)
{
	const char *dir = fake();

	ck_assert_int_eq(mcr_kernelrecharge_request(dir, 17, UINT64_MAX, 0), 0);
	assert_file(temp_fd, "recharge", "17 18446744073709551615");
	put_file(temp_fd, "recharge", "");
	ck_assert_int_eq(mcr_kernelrecharge_request(dir, 1, 2, 4096), 0);
	assert_file(temp_fd, "recharge", "1 2 4096");
}
END_TEST

START_TEST(its_state_is_told_in_words)
{
	struct mcr_kernelrecharge k = { .mapped = true };
	char buf[64], small[8];

	ck_assert_str_eq(mcr_kernelrecharge_text(&k, buf, sizeof(buf)), "off");
	k.enabled = true;
	ck_assert_str_eq(mcr_kernelrecharge_text(&k, buf, sizeof(buf)), "on; modes: mapped");
	k.on_access = k.evict = true;
	ck_assert_str_eq(mcr_kernelrecharge_text(&k, buf, sizeof(buf)), "on; modes: mapped, on_access, evict");
	k.mapped = k.on_access = k.evict = false;
	ck_assert_str_eq(mcr_kernelrecharge_text(&k, buf, sizeof(buf)), "on; modes: none");
	ck_assert_str_eq(mcr_kernelrecharge_text(&k, small, sizeof(small)), "on; mod");
}
END_TEST

START_TEST(json_has_each_file_by_its_name)
{
	const struct mcr_kernelrecharge k = { .enabled = true, .evict = true, .counters = { .moved = 7, .failed_limit = 9 } };
	struct json_object *o = mcr_kernelrecharge_json(&k);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_msg(json_object_object_get(o, names[i]) != NULL, "no '%s'", names[i]);
	ck_assert(json_object_get_boolean(json_object_object_get(o, "present")));
	ck_assert(json_object_get_boolean(json_object_object_get(o, "evict")));
	ck_assert(!json_object_get_boolean(json_object_object_get(o, "mapped")));
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(o, "moved")), 7);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(o, "failed_limit")), 9);
	json_object_put(o);
	o = mcr_kernelrecharge_json(NULL);
	ck_assert(!json_object_get_boolean(json_object_object_get(o, "present")));
	ck_assert_ptr_null(json_object_object_get(o, "moved"));
	json_object_put(o);
}
END_TEST

TEST_MAIN("kernelrecharge", a_kernel_without_it_has_none, it_is_off_until_it_is_switched_on, each_file_is_read_into_its_place,
	  nonsense_is_not_taken_for_a_figure, a_kernel_may_have_requests_and_no_modes,
	  a_request_is_two_ids_and_a_bound_if_there_is_one, its_state_is_told_in_words,
	  json_has_each_file_by_its_name)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargekernel.h"

#include <errno.h>

#include "kernelrecharge.h"
#include "main.h"
#include "util.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))
#define SOURCE 11
#define TARGET 22
#define OTHER_TARGET 33

/* A kernel: what it answers to one request after the other, and what it has moved by then. */
struct reply {
	int error;
	uint64_t pages, swap;
};

static const struct reply *replies;
static size_t n_replies, at, looks, restarts;
static struct mcr_kernelrecharge state;
static uint64_t targets[16], slept_usec;
static enum mcr_refusal against;
static size_t against_at;
static int restart_answer, read_answer;

int __wrap_mcr_kernelrecharge_read(const char *dir, struct mcr_kernelrecharge *ret);
int __wrap_mcr_kernelrecharge_read(const char *dir, struct mcr_kernelrecharge *ret)
{
	ck_assert_str_eq(dir, "fake");
	*ret = state;
	return read_answer;
}

int __wrap_mcr_kernelrecharge_request(const char *dir, uint64_t source, uint64_t target, uint64_t bytes);
int __wrap_mcr_kernelrecharge_request(const char *dir, uint64_t source, uint64_t target, uint64_t bytes)
{
	ck_assert_str_eq(dir, "fake");
	ck_assert_uint_eq(source, SOURCE);
	ck_assert_uint_eq(bytes, 16 * PAGE);
	ck_assert_msg(at < n_replies, "asked once more than expected");
	targets[at] = target;
	state.counters.moved += replies[at].pages;
	state.counters.moved_swap += replies[at].swap;
	return replies[at++].error;
}

int __wrap_usleep(useconds_t usec);
int __wrap_usleep(useconds_t usec)
{
	slept_usec += usec;
	return 0;
}

static enum mcr_refusal look(void *userdata)
{
	(void)userdata;
	return looks++ == against_at ? against : MCR_REFUSED_NOT;
}

static int restart(uint64_t *ret_target_id, void *userdata)
{
	(void)userdata;
	restarts++;
	if (restart_answer == 0)
		*ret_target_id = OTHER_TARGET;
	return restart_answer;
}

static struct mcr_kernelmove_result run(const struct reply *r, size_t n)
{
	const struct mcr_kernelmove_opts opts = {
		.dir = "fake", .source_id = SOURCE, .target_id = TARGET, .portion_bytes = 16 * PAGE, .look = look, .restart = restart,
	};
	struct mcr_kernelmove_result res;

	replies = r;
	n_replies = n;
	state.counters.moved = state.counters.moved_swap = 1000;	/* of others, before us */
	mcr_kernelmove(&opts, &res);
	ck_assert_uint_eq(res.requests, at);
	return res;
}
#define RUN(...) ({ const struct reply r_[] = { __VA_ARGS__ }; run(r_, ARRAY_SIZE(r_)); })

START_TEST(it_is_asked_until_less_is_moved_than_was_asked_for)
{
	struct mcr_kernelmove_result res = RUN({ 0, 16, 0 }, { 0, 10, 6 }, { 0, 3, 2 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_DONE);
	ck_assert_uint_eq(at, 3);
	ck_assert_uint_eq(looks, 3);
	ck_assert_uint_eq(res.moved_bytes, 29 * PAGE);
	ck_assert_uint_eq(res.moved_swap_bytes, 8 * PAGE);
	ck_assert_uint_eq(slept_usec, 0);
}
END_TEST

START_TEST(a_source_that_is_gone_has_nothing_left)
{
	struct mcr_kernelmove_result res = RUN({ 0, 16, 0 }, { -ENOENT, 0, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_DONE);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_NOT);
	ck_assert_uint_eq(res.moved_bytes, 16 * PAGE);
}
END_TEST

START_TEST(what_is_busy_is_asked_for_again_and_then_left)
{
	struct mcr_kernelmove_result res = RUN({ -EAGAIN, 5, 0 }, { -EAGAIN, 1, 0 }, { -EAGAIN, 0, 0 }, { -EAGAIN, 0, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_KERNEL_BUSY);
	ck_assert_uint_eq(res.moved_bytes, 6 * PAGE);
	ck_assert_uint_eq(slept_usec, 7 * MCR_KERNELMOVE_BUSY_USEC);
}
END_TEST

START_TEST(what_was_busy_may_go_the_next_time)
{
	struct mcr_kernelmove_result res = RUN({ -EAGAIN, 5, 0 }, { 0, 1, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_DONE);
	ck_assert_uint_eq(res.moved_bytes, 6 * PAGE);
}
END_TEST

START_TEST(a_full_owner_ends_it_and_nobody_else_tries)
{
	struct mcr_kernelmove_result res = RUN({ 0, 16, 0 }, { -EDQUOT, 2, 1 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_OWNER_LIMIT);
	ck_assert_uint_eq(res.moved_bytes, 18 * PAGE);
	ck_assert_uint_eq(res.moved_swap_bytes, PAGE);
}
END_TEST

START_TEST(an_owner_that_has_gone_is_started_once)
{
	struct mcr_kernelmove_result res = RUN({ -ENODEV, 0, 0 }, { 0, 1, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_DONE);
	ck_assert_uint_eq(restarts, 1);
	ck_assert_uint_eq(targets[0], TARGET);
	ck_assert_uint_eq(targets[1], OTHER_TARGET);
}
END_TEST

START_TEST(an_owner_that_goes_again_ends_it)
{
	struct mcr_kernelmove_result res = RUN({ -ENODEV, 0, 0 }, { -ENODEV, 0, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_OWNER_GONE);
	ck_assert_uint_eq(restarts, 1);
}
END_TEST

START_TEST(an_owner_that_cannot_be_started_ends_it)
{
	struct mcr_kernelmove_result res;

	restart_answer = -ETIMEDOUT;
	res = RUN({ -ENODEV, 0, 0 });
	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_OWNER_GONE);
}
END_TEST

/* Each with a reason, and a word for programs. */
START_TEST(what_the_kernel_does_not_do_others_may)
{
	static const struct {
		int error;
		const char *word;
	} cases[] = {
		{ -EOPNOTSUPP, "off" }, { -ENOSYS, "absent" }, { -EPERM, "refused" }, { -EACCES, "refused" },
		{ -EROFS, "refused" }, { -EINVAL, "refused" }, { -EIO, "refused" }, { -ECANCELED, "off" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mcr_kernelmove_result res;

		at = 0;
		res = RUN({ cases[i].error, 0, 0 });
		ck_assert_msg(res.end == MCR_KERNELMOVE_NOT, "%s", strerror(-cases[i].error));
		ck_assert_int_eq(res.error, cases[i].error);
		ck_assert_ptr_nonnull(res.why);
		ck_assert_str_eq(mcr_kernelmove_word(res.error), cases[i].word);
	}
	ck_assert_uint_eq(slept_usec, 0);
}
END_TEST

START_TEST(switched_off_in_the_middle_others_may_go_on)
{
	struct mcr_kernelmove_result res = RUN({ 0, 16, 0 }, { -ECANCELED, 7, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_NOT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_KERNEL_OFF);
	ck_assert_uint_eq(res.moved_bytes, 23 * PAGE);
}
END_TEST

START_TEST(no_memory_is_left_for_later)
{
	struct mcr_kernelmove_result res = RUN({ -ENOMEM, 0, 0 });

	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_PRESSURE);
}
END_TEST

START_TEST(a_signal_for_us_ends_it_and_another_does_not)
{
	struct mcr_kernelmove_result res;

	against = MCR_REFUSED_STOPPED;
	against_at = 1;
	res = RUN({ -EINTR, 4, 0 });
	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_STOPPED);
	ck_assert_uint_eq(res.moved_bytes, 4 * PAGE);
	at = looks = 0;
	against_at = 100;
	res = RUN({ -EINTR, 4, 0 }, { 0, 2, 0 });
	ck_assert_int_eq(res.end, MCR_KERNELMOVE_DONE);
	ck_assert_uint_eq(res.moved_bytes, 6 * PAGE);
}
END_TEST

START_TEST(a_cgroup_in_use_again_keeps_what_is_left)
{
	struct mcr_kernelmove_result res;

	against = MCR_REFUSED_IN_USE;
	against_at = 1;
	res = RUN({ 0, 16, 0 });
	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_IN_USE);
	at = looks = against_at = 0;
	res = run(NULL, 0);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_IN_USE);
	ck_assert_uint_eq(res.moved_bytes, 0);
}
END_TEST

START_TEST(its_time_is_limited)
{
	const struct mcr_kernelmove_opts opts = {
		.dir = "fake", .source_id = SOURCE, .target_id = TARGET, .portion_bytes = 16 * PAGE, .max_usec = 1,
	};
	static const struct reply many[64] = { [0 ... 63] = { 0, 16, 0 } };
	struct mcr_kernelmove_result res;

	replies = many;
	n_replies = 64;
	mcr_kernelmove(&opts, &res);
	ck_assert_int_eq(res.end, MCR_KERNELMOVE_LEFT);
	ck_assert_int_eq(res.refusal, MCR_REFUSED_TIME);
	ck_assert_uint_eq(res.moved_bytes, at * 16 * PAGE);
}
END_TEST

START_TEST(counters_that_cannot_be_read_are_an_answer)
{
	struct mcr_kernelmove_result res;

	read_answer = -ENOENT;
	res = run(NULL, 0);
	ck_assert_int_eq(res.end, MCR_KERNELMOVE_NOT);
	ck_assert_str_eq(mcr_kernelmove_word(res.error), "absent");
}
END_TEST

TEST_MAIN("rechargekernel", it_is_asked_until_less_is_moved_than_was_asked_for, a_source_that_is_gone_has_nothing_left,
	  what_is_busy_is_asked_for_again_and_then_left, what_was_busy_may_go_the_next_time,
	  a_full_owner_ends_it_and_nobody_else_tries, an_owner_that_has_gone_is_started_once,
	  an_owner_that_goes_again_ends_it, an_owner_that_cannot_be_started_ends_it, what_the_kernel_does_not_do_others_may,
	  switched_off_in_the_middle_others_may_go_on, no_memory_is_left_for_later,
	  a_signal_for_us_ends_it_and_another_does_not, a_cgroup_in_use_again_keeps_what_is_left, its_time_is_limited,
	  counters_that_cannot_be_read_are_an_answer)

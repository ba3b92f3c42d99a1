/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A dead cgroup with so many bytes, an owner, and a user who maps most of it; and a kernel that moves what it is told to. */
#include "rechargeparts.h"

#include <errno.h>

#include "cgroup.h"
#include "kernelrecharge.h"
#include "ledger.h"
#include "main.h"
#include "owner.h"
#include "pins.h"
#include "rechargeask.h"
#include "rechargekernel.h"
#include "rechargerun.h"
#include "rewrite.h"
#include "unmapped.h"
#include "util.h"

#define MIB (1ULL << 20)

static struct {
	uint64_t bytes;			/* that the cgroup is charged */
	uint64_t unmapped;		/* of these page cache that nobody maps */
	uint64_t owner_room, user_room;
	const char *user;		/* who maps most; NULL: nobody */
	int within_limits;		/* of the user */
	enum mcr_refusal signalled;
	struct mcr_kernelmove_result result;
	uint64_t leaves;		/* what the kernel really takes from it */
} world;

/* What came of it. */
static const char *payer;
static unsigned int opened, moves, notes, listening;
static uint64_t noted_bytes, noted_moved, dropped_max;
static enum mcr_refusal noted_refusal;

int __wrap_mcr_kernelrecharge_read(const char *dir, struct mcr_kernelrecharge *ret);
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);
int __wrap_mcr_pins_walk(struct mcr_pins_walker *w, uint64_t id, struct mcr_pins **ret);
int __wrap_mcr_owner_within_limits(const struct mcr_hierarchy *h, const char *owner, const char *path);
int __wrap_mcr_owner_room(const struct mcr_hierarchy *h, const char *owner, const char *path, uint64_t *ret);
const char *__wrap_mcr_ledger_largest_borrower(const struct mcr_ledger *l);
int __wrap_mcr_recharging_open_payer(const struct mcr_recharging *run, const char *user);
void __wrap_mcr_recharging_note_object(struct mcr_recharging *run, const char *kind, const char *name, uint64_t bytes, int r,
				       const struct mcr_rewrite_result *res);
void __wrap_mcr_kernelmove(const struct mcr_kernelmove_opts *o, struct mcr_kernelmove_result *ret);
uint64_t __wrap_mcr_unmapped_bytes(const struct mcr_pins *pins);
void __wrap_mcr_unmapped_drop(const struct mcr_pins *pins, uint64_t max_bytes);
int __wrap_usleep(useconds_t usec);

int __wrap_usleep(useconds_t usec)
{
	(void)usec;
	return 0;
}

int __wrap_mcr_kernelrecharge_read(const char *dir, struct mcr_kernelrecharge *ret)
{
	(void)dir;
	*ret = (struct mcr_kernelrecharge){ .enabled = true };
	return 0;
}

int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	(void)h, (void)id;
	return -ESTALE;
}

int __wrap_mcr_pins_walk(struct mcr_pins_walker *w, uint64_t id, struct mcr_pins **ret)
{
	struct mcr_pins *p = calloc(1, sizeof(*p));

	(void)w;
	p->id = id;
	p->pins = calloc(1, sizeof(*p->pins));
	p->pins[0] = (struct mcr_pin){ .kind = MCR_PIN_FILE, .bytes = world.bytes };
	p->n = 1;
	*ret = p;
	return 0;
}

int __wrap_mcr_owner_within_limits(const struct mcr_hierarchy *h, const char *owner, const char *path)
{
	(void)h, (void)path;
	ck_assert_str_eq(owner, "user");
	return world.within_limits;
}

int __wrap_mcr_owner_room(const struct mcr_hierarchy *h, const char *owner, const char *path, uint64_t *ret)
{
	(void)h, (void)path;
	payer = strcmp(owner, "user") ? "owner" : "user";	/* the last one to be asked */
	*ret = strcmp(owner, "user") ? world.owner_room : world.user_room;
	return 0;
}

const char *__wrap_mcr_ledger_largest_borrower(const struct mcr_ledger *l)
{
	(void)l;
	return world.user;
}

int __wrap_mcr_recharging_open_payer(const struct mcr_recharging *run, const char *user)
{
	(void)run;
	opened++;
	payer = user ? user : "owner";
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void __wrap_mcr_recharging_note_object(struct mcr_recharging *run, const char *kind, const char *name, uint64_t bytes, int r,
				       const struct mcr_rewrite_result *res)
{
	(void)run, (void)kind, (void)name, (void)r;
	notes++;
	noted_bytes = bytes;
	noted_moved = res->moved_bytes;
	noted_refusal = res->refusal;
}

void __wrap_mcr_kernelmove(const struct mcr_kernelmove_opts *o, struct mcr_kernelmove_result *ret)
{
	ck_assert_uint_eq(listening, 1);
	moves++;
	*ret = world.result;
	ret->refusal = o->look(o->userdata);
	if (ret->refusal)
		ret->end = MCR_KERNELMOVE_NOT;
	else
		world.bytes -= world.leaves;
}

uint64_t __wrap_mcr_unmapped_bytes(const struct mcr_pins *pins)
{
	(void)pins;
	return world.unmapped;
}

void __wrap_mcr_unmapped_drop(const struct mcr_pins *pins, uint64_t max_bytes)
{
	uint64_t n = world.unmapped < max_bytes ? world.unmapped : max_bytes;

	(void)pins;
	dropped_max = max_bytes;
	world.unmapped -= n;
	world.bytes -= n;
}

static void listen_to(bool on)
{
	listening = on;
}

static enum mcr_refusal interrupted(void)
{
	return world.signalled;
}

static struct mcr_recharge_opts opts;
static struct mcr_recharge_request request;
static struct mcr_pins found;
static const char *const some_ledger = "";

static void prepare(void)
{
	world.bytes = world.leaves = 8 * MIB;
	world.owner_room = world.user_room = UINT64_MAX;
	world.user = "user";
	world.result.end = MCR_KERNELMOVE_DONE;
	world.result.moved_bytes = 8 * MIB;
	opts = (struct mcr_recharge_opts){ .kernel_dir = "fake", .listen = listen_to, .interrupted = interrupted };
	request = (struct mcr_recharge_request){
		.cgroup_id = 1, .path = (char *)"a", .owner = (char *)"owner", .owner_user = true,
	};
}

static struct mcr_recharging run_it(bool expected)
{
	struct mcr_recharging run = { .o = &opts, .q = &request, .owner_fd = -EBADF, .swap.walker = (void *)&run };

	ck_assert_int_eq(mcr_recharging_whole(&run, &found, (const void *)some_ledger), expected);
	ck_assert_uint_eq(listening, 0);
	return run;
}

/* A dry run and a real one. */
static void assert_payer(const char *expected)
{
	const uint64_t bytes = world.bytes;

	opts.dry_run = true;
	run_it(true);
	ck_assert_str_eq(payer, expected);
	ck_assert_uint_eq(opened, 0);
	ck_assert_uint_eq(moves, 0);
	ck_assert_uint_eq(world.bytes, bytes);
	opts.dry_run = false;
	run_it(true);
	ck_assert_str_eq(payer, expected);
	ck_assert_uint_eq(opened, 1);
	ck_assert_uint_eq(moves, 1);
}

START_TEST(who_maps_most_pays_if_policy_says_so)
{
	prepare();
	assert_payer("user");
}
END_TEST

START_TEST(the_owner_pays_if_policy_says_so)
{
	prepare();
	request.owner_user = false;
	assert_payer("owner");
}
END_TEST

START_TEST(the_owner_pays_for_what_nobody_maps)
{
	prepare();
	world.user = NULL;
	assert_payer("owner");
}
END_TEST

START_TEST(a_user_pays_for_all_of_it_or_nothing)
{
	prepare();
	world.user_room = 8 * MIB - 1;
	assert_payer("owner");
}
END_TEST

START_TEST(a_user_need_not_have_room_for_what_is_dropped)
{
	prepare();
	world.unmapped = 2 * MIB;
	world.leaves = 6 * MIB;
	request.evict_max_bytes = UINT64_MAX;
	world.user_room = 6 * MIB;
	assert_payer("user");
}
END_TEST

START_TEST(a_user_does_not_pay_where_a_limit_would_be_escaped)
{
	prepare();
	world.within_limits = -EXDEV;
	assert_payer("owner");
}
END_TEST

START_TEST(a_dry_run_tells_whether_there_is_room)
{
	prepare();
	opts.dry_run = true;
	world.owner_room = world.user_room = 8 * MIB - 1;
	ck_assert_str_eq(run_it(true).kernel, "possible");
	ck_assert_uint_eq(noted_bytes, 8 * MIB);
	ck_assert_int_eq(noted_refusal, MCR_REFUSED_OWNER_LIMIT);
	world.owner_room++;
	run_it(true);
	ck_assert_int_eq(noted_refusal, MCR_REFUSED_NOT);
}
END_TEST

START_TEST(what_was_moved_is_told)
{
	prepare();
	ck_assert_str_eq(run_it(true).kernel, "done");
	ck_assert_uint_eq(notes, 1);
	ck_assert_uint_eq(noted_moved, 8 * MIB);
}
END_TEST

START_TEST(what_the_kernel_has_counted_for_others_is_not_ours)
{
	prepare();
	world.result.moved_bytes = 20 * MIB;
	run_it(true);
	ck_assert_uint_eq(noted_moved, 8 * MIB);
}
END_TEST

START_TEST(what_is_left_is_told_with_why)
{
	prepare();
	world.result.end = MCR_KERNELMOVE_LEFT;
	world.result.moved_bytes = world.leaves = 3 * MIB;
	ck_assert_str_eq(run_it(true).kernel, "left");
	ck_assert_uint_eq(noted_bytes, 8 * MIB);
	ck_assert_uint_eq(noted_moved, 3 * MIB);
}
END_TEST

START_TEST(what_nobody_maps_is_dropped_first_within_the_bound)
{
	prepare();
	world.unmapped = 4 * MIB;
	request.evict_max_bytes = 3 * MIB;
	world.leaves = world.result.moved_bytes = 5 * MIB;
	ck_assert_uint_eq(run_it(true).drained_bytes, 3 * MIB);
	ck_assert_uint_eq(dropped_max, 3 * MIB);
	ck_assert_uint_eq(noted_moved, 5 * MIB);
}
END_TEST

START_TEST(page_cache_is_left_alone_where_it_may_not_be_reclaimed)
{
	prepare();
	world.unmapped = 4 * MIB;
	ck_assert_uint_eq(run_it(true).drained_bytes, 0);
	ck_assert_uint_eq(world.unmapped, 4 * MIB);
}
END_TEST

/* Others would go on with it object by object, after the time is over. */
START_TEST(nobody_goes_on_with_what_was_interrupted)
{
	struct mcr_recharging run;

	prepare();
	world.signalled = MCR_REFUSED_TIME;
	run = run_it(true);
	ck_assert_str_eq(run.why_not, mcr_refusal_sentence(MCR_REFUSED_TIME));
	ck_assert_uint_eq(notes, 0);
}
END_TEST

START_TEST(others_go_on_where_the_kernel_does_not)
{
	prepare();
	world.result = (struct mcr_kernelmove_result){ .end = MCR_KERNELMOVE_NOT, .error = -EPERM, .why = "no" };
	world.leaves = 0;
	ck_assert_str_eq(run_it(false).kernel_why_not, "no");
}
END_TEST

TEST_MAIN("rechargewhole", who_maps_most_pays_if_policy_says_so, the_owner_pays_if_policy_says_so,
	  the_owner_pays_for_what_nobody_maps, a_user_pays_for_all_of_it_or_nothing,
	  a_user_need_not_have_room_for_what_is_dropped, a_user_does_not_pay_where_a_limit_would_be_escaped,
	  a_dry_run_tells_whether_there_is_room, what_was_moved_is_told, what_the_kernel_has_counted_for_others_is_not_ours,
	  what_is_left_is_told_with_why, what_nobody_maps_is_dropped_first_within_the_bound,
	  page_cache_is_left_alone_where_it_may_not_be_reclaimed, nobody_goes_on_with_what_was_interrupted,
	  others_go_on_where_the_kernel_does_not)

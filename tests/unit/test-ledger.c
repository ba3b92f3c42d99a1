/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <string.h>

#include "main.h"
#include "pins.h"
#include "users.h"
#include "util.h"

static char web[] = "/system.slice/web.service", db[] = "/system.slice/db.service";

static struct mcr_user one(size_t pin, pid_t pid, char *cgroup, uint64_t mapped, unsigned int fds)
{
	return (struct mcr_user){ .pin = pin, .pid = pid, .cgroup = cgroup, .mapped_bytes = mapped, .fds = fds };
}

static void assert_borrower(const struct mcr_ledger *l, size_t i, size_t pin, const char *cgroup, uint64_t mapped,
			    unsigned int processes)
{
	ck_assert_uint_lt(i, l->n);
	ck_assert_uint_eq(l->borrowers[i].pin, pin);
	ck_assert_str_eq(l->borrowers[i].cgroup, cgroup);
	ck_assert_uint_eq(l->borrowers[i].mapped_bytes, mapped);
	ck_assert_uint_eq(l->borrowers[i].processes, processes);
}

START_TEST(nobody_borrows_from_nobody)
{
	const struct mcr_users users = { .complete = true };
	auto_(mcr_ledger_freep) struct mcr_ledger *l = NULL;

	ck_assert_int_eq(mcr_ledger_make(&users, &l), 0);
	ck_assert_uint_eq(l->n, 0);
	ck_assert_ptr_null(mcr_ledger_main_borrower(l, 0));
}
END_TEST

START_TEST(processes_of_a_cgroup_borrow_once)
{
	struct mcr_user users[] = {
		one(0, 1, web, 4096, 1), one(0, 2, db, 100, 0), one(0, 3, web, 8192, 2), one(1, 3, db, 10, 0),
	};
	const struct mcr_users u = { .users = users, .n = ARRAY_SIZE(users), .complete = true };
	auto_(mcr_ledger_freep) struct mcr_ledger *l = NULL;

	ck_assert_int_eq(mcr_ledger_make(&u, &l), 0);
	ck_assert_uint_eq(l->n, 3);
	assert_borrower(l, 0, 0, web, 8192, 2);
	ck_assert_uint_eq(l->borrowers[0].fds, 3);
	assert_borrower(l, 1, 0, db, 100, 1);
	assert_borrower(l, 2, 1, db, 10, 1);
}
END_TEST

START_TEST(who_maps_most_comes_first)
{
	struct mcr_user users[] = { one(0, 1, db, 0, 3), one(0, 2, web, 1, 0), one(0, 3, NULL, 7, 0) };
	const struct mcr_users u = { .users = users, .n = ARRAY_SIZE(users) };
	auto_(mcr_ledger_freep) struct mcr_ledger *l = NULL;

	ck_assert_int_eq(mcr_ledger_make(&u, &l), 0);
	ck_assert_str_eq(mcr_ledger_main_borrower(l, 0), "");
	assert_borrower(l, 1, 0, web, 1, 1);
	assert_borrower(l, 2, 0, db, 0, 1);
}
END_TEST

START_TEST(what_nobody_has_is_unused_lost_or_unknown)
{
	struct mcr_pin pins[] = {
		{ .kind = MCR_PIN_TMPFS, .ino = 1, .nlink = 1 }, { .kind = MCR_PIN_TMPFS, .ino = 2 },
		{ .kind = MCR_PIN_MEMFD, .ino = 3, .nlink = 1 }, { .kind = MCR_PIN_SYSV, .ino = 4, .key = 5 },
		{ .kind = MCR_PIN_SYSV, .ino = 5 }, { .kind = MCR_PIN_TMPFS, .ino = 6 }, { .kind = MCR_PIN_WRITEBACK },
		{ .kind = MCR_PIN_SYSV },	/* segment 0 */
	};
	const struct mcr_pins p = { .pins = pins, .n = ARRAY_SIZE(pins) };
	static const enum mcr_object_use uses[] = {
		MCR_OBJECT_UNUSED, MCR_OBJECT_LOST, MCR_OBJECT_LOST, MCR_OBJECT_UNUSED, MCR_OBJECT_LOST, MCR_OBJECT_BORROWED,
		MCR_OBJECT_NONE, MCR_OBJECT_LOST,
	};
	struct mcr_user user = one(5, 1, web, 1, 0);
	struct mcr_users u = { .users = &user, .n = 1, .complete = true };
	auto_(mcr_ledger_freep) struct mcr_ledger *l = NULL;

	ck_assert_int_eq(mcr_ledger_make(&u, &l), 0);
	for (size_t i = 0; i < ARRAY_SIZE(uses); i++)
		ck_assert_msg(mcr_ledger_use(l, &p, &u, i) == uses[i], "object %zu", i);
	u.complete = false;
	ck_assert_int_eq(mcr_ledger_use(l, &p, &u, 1), MCR_OBJECT_UNKNOWN);
	ck_assert_int_eq(mcr_ledger_use(l, &p, &u, 0), MCR_OBJECT_UNUSED);
}
END_TEST

START_TEST(who_maps_most_of_all_together_is_found)
{
	struct mcr_user users[] = {
		one(0, 1, db, 4096, 1), one(1, 2, web, 3000, 0), one(2, 2, web, 3000, 0), one(3, 9, NULL, 9000, 0),
	};
	struct mcr_users u = { .users = users, .n = ARRAY_SIZE(users), .complete = true };
	auto_(mcr_ledger_freep) struct mcr_ledger *l = NULL, *unmapped = NULL, *empty = NULL;

	ck_assert_int_eq(mcr_ledger_make(&u, &l), 0);
	ck_assert_str_eq(mcr_ledger_largest_borrower(l), web);
	for (size_t i = 0; i < u.n; i++)
		users[i].mapped_bytes = 0;
	users[2].cgroup = users[1].cgroup = db;		/* nobody maps any: who has most of them */
	users[0].cgroup = web;
	ck_assert_int_eq(mcr_ledger_make(&u, &unmapped), 0);
	ck_assert_str_eq(mcr_ledger_largest_borrower(unmapped), db);
	u.n = 0;
	ck_assert_int_eq(mcr_ledger_make(&u, &empty), 0);
	ck_assert_ptr_null(mcr_ledger_largest_borrower(empty));
}
END_TEST

TEST_MAIN("ledger", nobody_borrows_from_nobody, processes_of_a_cgroup_borrow_once, who_maps_most_comes_first,
	  what_nobody_has_is_unused_lost_or_unknown,
	  who_maps_most_of_all_together_is_found)

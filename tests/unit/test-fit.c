/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fit.h"

#include "main.h"
#include "pins.h"
#include "users.h"
#include "util.h"

static struct mcr_pin pin;
static const struct mcr_pins pins = { .pins = &pin, .n = 1 };
static struct mcr_user list[100];
static struct mcr_users users;

static void start(enum mcr_pin_kind kind)
{
	pin = (struct mcr_pin){ .kind = kind, .nlink = 1, .path = (char *)"/dev/shm/f", .dev = 7, .ino = 8 };
	if (kind != MCR_PIN_TMPFS)
		pin.path = NULL;
	users = (struct mcr_users){ .users = list, .complete = true };
}

static void add(pid_t pid, const char *cgroup)
{
	list[users.n++] = (struct mcr_user){ .pid = pid, .cgroup = (char *)cgroup, .fds = 1 };
}

static struct mcr_fit find(const struct mcr_fit_opts *opts)
{
	struct mcr_fit f;

	ck_assert(mcr_fit_find(&pins, &users, 0, opts, &f));
	return f;
}

static void assert_text(const struct mcr_fit *f, const struct mcr_fit_opts *opts, const char *part)
{
	const char *text = mcr_fit_text(f, opts);

	ck_assert_msg(strstr(text, part) != NULL, "'%s' has no '%s'", text, part);
	ck_assert_ptr_null(strchr(text, '\n'));
	ck_assert_int_ne(text[strlen(text) - 1], '.');
}

START_TEST(what_is_no_shared_memory_is_left_alone)
{
	struct mcr_fit f = { .users = UNTOUCHED };

	start(MCR_PIN_FILE);
	ck_assert(!mcr_fit_find(&pins, &users, 0, NULL, &f));
	ck_assert_uint_eq(f.users, UNTOUCHED);
}
END_TEST

START_TEST(a_file_nobody_has_open_is_leased)
{
	struct mcr_fit f;

	start(MCR_PIN_TMPFS);
	f = find(NULL);
	ck_assert_str_eq(f.strategy, "lease");
	ck_assert(f.complete && mcr_fit_is_open(&f));
	assert_text(&f, NULL, "lease (nobody has it open)");
}
END_TEST

START_TEST(who_could_not_be_seen_may_have_it_open)
{
	struct mcr_fit f;

	start(MCR_PIN_TMPFS);
	users.complete = false;
	f = find(NULL);
	ck_assert_str_eq(f.strategy, "lease");
	assert_text(&f, NULL, "lease, if nobody has it open");
	ck_assert(mcr_fit_find(&pins, NULL, 0, NULL, &f));
	assert_text(&f, NULL, "lease, if nobody has it open");
}
END_TEST

START_TEST(the_pages_tell_of_users_who_are_not_seen)
{
	struct mcr_fit f;

	start(MCR_PIN_TMPFS);
	users.complete = false;
	pin.mapped_bytes = 4096;
	f = find(NULL);
	ck_assert_str_eq(f.strategy, "frozen");
	assert_text(&f, NULL, "could not be looked into");
}
END_TEST

START_TEST(users_are_frozen_and_counted)
{
	struct mcr_fit f;

	start(MCR_PIN_MEMFD);
	add(5, "/a.slice/b.service");
	add(6, "/a.slice/b.service");
	add(7, "/c");
	f = find(NULL);
	ck_assert_str_eq(f.strategy, "frozen");
	ck_assert_uint_eq(f.users, 3);
	ck_assert_uint_eq(f.cgroups, 2);
	assert_text(&f, NULL, "3 users in 2 cgroups wait");
	start(MCR_PIN_MEMFD);
	add(5, "/a");
	f = find(NULL);
	assert_text(&f, NULL, "1 user in 1 cgroup wait");
}
END_TEST

START_TEST(users_of_other_pins_do_not_count)
{
	struct mcr_fit f;

	start(MCR_PIN_TMPFS);
	add(5, "/init.scope");
	list[0].pin = 1;
	f = find(NULL);
	ck_assert_uint_eq(f.users, 0);
	ck_assert_int_eq(f.refusal, MCR_REFUSED_NOT);
}
END_TEST

START_TEST(a_user_that_cannot_be_frozen_is_named)
{
	const struct mcr_fit_opts opts = { .owner = "/a.slice/owner.slice" };
	struct mcr_fit f;

	start(MCR_PIN_MEMFD);
	add(5, "/b");
	add(1, "/init.scope");
	f = find(&opts);
	ck_assert_int_eq(f.refusal, MCR_REFUSED_INIT);
	ck_assert_int_eq(f.pid, 1);
	ck_assert_ptr_null(f.strategy);
	ck_assert(!mcr_fit_is_open(&f));
	assert_text(&f, &opts, "cannot be recharged: init (");
	start(MCR_PIN_MEMFD);
	add(9, "/a.slice");
	f = find(&opts);
	ck_assert_int_eq(f.refusal, MCR_REFUSED_OWNER_IN_IT);
	f = find(NULL);
	ck_assert_int_eq(f.refusal, MCR_REFUSED_NOT);
}
END_TEST

START_TEST(what_is_on_run_is_the_managers)
{
	struct mcr_fit f;
	struct stat st;

	start(MCR_PIN_TMPFS);
	ck_assert_int_eq(stat("/run", &st), 0);
	pin.dev = st.st_dev;
	f = find(NULL);
	ck_assert_int_eq(f.refusal, MCR_REFUSED_MANAGERS);
	assert_text(&f, NULL, "cannot be recharged: managers");
}
END_TEST

START_TEST(what_nobody_has_and_has_no_name_cannot_be_reached)
{
	struct mcr_fit f;

	start(MCR_PIN_MEMFD);
	f = find(NULL);
	ck_assert_ptr_null(f.strategy);
	ck_assert(!mcr_fit_is_open(&f));
	assert_text(&f, NULL, "nobody has it");
	users.complete = false;
	f = find(NULL);
	ck_assert(mcr_fit_is_open(&f));
	assert_text(&f, NULL, "if somebody has it");
	start(MCR_PIN_SYSV);	/* by its number */
	f = find(NULL);
	ck_assert_str_eq(f.strategy, "frozen");
	assert_text(&f, NULL, "nobody has it");
}
END_TEST

START_TEST(a_user_who_would_be_frozen_does_not_pay)
{
	const struct mcr_fit_opts opts = { .owner_user = true };
	struct mcr_fit f;

	start(MCR_PIN_TMPFS);
	f = find(&opts);
	ck_assert_ptr_null(strstr(mcr_fit_text(&f, &opts), "Owner=user"));
	add(5, "/b");
	f = find(&opts);
	assert_text(&f, &opts, "Owner=user: who maps it would be frozen and cannot pay");
}
END_TEST

START_TEST(many_users_are_counted_to_the_end)
{
	static char names[100][16];
	struct mcr_fit f;

	start(MCR_PIN_MEMFD);
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "/%d", i);
		add(i + 2, names[i]);
	}
	list[3].cgroup = NULL;	/* it was gone by then */
	f = find(NULL);
	ck_assert_uint_eq(f.users, 100);
	ck_assert_uint_le(f.cgroups, 64);
	assert_text(&f, NULL, "100 users");
}
END_TEST

/* What stands against rewriting is nothing to it, and private memory can go as well. */
START_TEST(the_kernel_moves_it_whatever_it_is)
{
	static const enum mcr_pin_kind kinds[] = {
		MCR_PIN_TMPFS, MCR_PIN_MEMFD, MCR_PIN_SYSV, MCR_PIN_SHARED_ANON, MCR_PIN_KERNEL_SHMEM, MCR_PIN_ANON, MCR_PIN_KSM,
		MCR_PIN_SWAP_CACHE, MCR_PIN_SWAP,
	};
	const struct mcr_fit_opts opts = { .owner = "/a.slice/owner.slice", .owner_user = true, .kernel = true };
	struct mcr_fit f;
	struct stat st;

	ck_assert_int_eq(stat("/run", &st), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		start(kinds[i]);
		pin.dev = st.st_dev;
		add(1, "/init.scope");
		f = find(&opts);
		ck_assert_msg(strcmp(f.strategy, "kernel") == 0, "kind %d", kinds[i]);
		ck_assert_int_eq(f.refusal, MCR_REFUSED_NOT);
		ck_assert_int_eq(f.pid, 0);
		ck_assert_uint_eq(f.users, 1);
		ck_assert(mcr_fit_is_open(&f));
		assert_text(&f, &opts, "could be recharged: by the kernel");
	}
}
END_TEST

START_TEST(what_reclaim_frees_needs_no_owner)
{
	const struct mcr_fit_opts opts = { .kernel = true };
	struct mcr_fit f = { .users = UNTOUCHED };

	start(MCR_PIN_FILE);
	ck_assert(!mcr_fit_find(&pins, &users, 0, &opts, &f));
	ck_assert_uint_eq(f.users, UNTOUCHED);
	pin.locked = true;	/* but this does not go by reclaim */
	ck_assert(mcr_fit_find(&pins, &users, 0, &opts, &f));
	ck_assert_str_eq(f.strategy, "kernel");
	start(MCR_PIN_SOCKET);	/* no page */
	ck_assert(!mcr_fit_find(&pins, &users, 0, &opts, &f));
}
END_TEST

TEST_MAIN("fit", what_is_no_shared_memory_is_left_alone, a_file_nobody_has_open_is_leased, who_could_not_be_seen_may_have_it_open,
	  the_pages_tell_of_users_who_are_not_seen, users_are_frozen_and_counted, users_of_other_pins_do_not_count,
	  a_user_that_cannot_be_frozen_is_named, what_is_on_run_is_the_managers, what_nobody_has_and_has_no_name_cannot_be_reached,
	  a_user_who_would_be_frozen_does_not_pay, many_users_are_counted_to_the_end,
	  the_kernel_moves_it_whatever_it_is, what_reclaim_frees_needs_no_owner)

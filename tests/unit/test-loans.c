/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loans.h"

#include <errno.h>
#include <string.h>

#include "loansfile.h"
#include "main.h"
#include "util.h"

#define MIB (1ULL << 20)

static const struct mcr_lent_key one_key = { .owner_id = 1, .dev = 2, .ino = 3, .generation = 4, .kind = MCR_PIN_TMPFS };
static struct mcr_loans loans;

static struct mcr_borrower has(const char *cgroup, uint64_t bytes)
{
	return (struct mcr_borrower){ .cgroup = cgroup, .mapped_bytes = bytes, .processes = 1 };
}

static struct mcr_lent_seen object(uint64_t ino, uint64_t bytes, enum mcr_object_use use, const struct mcr_borrower *b, size_t n)
{
	struct mcr_lent_seen seen = { .key = one_key, .name = "file", .bytes = bytes, .use = use, .borrowers = b, .n = n };

	seen.key.ino = ino;
	return seen;
}

/* A sample of one object, the one of one_key. */
static void sample(uint64_t now, enum mcr_object_use use, const struct mcr_borrower *b, size_t n)
{
	const struct mcr_lent_seen seen = object(one_key.ino, 8 * MIB, use, b, n);

	ck_assert_int_eq(mcr_loans_note(&loans, now, &seen, 1, true), 0);
}

static const struct mcr_lent *the_object(void)
{
	const struct mcr_lent *o = mcr_loans_find(&loans, &one_key);

	ck_assert_ptr_nonnull(o);
	return o;
}

static void assert_sampled(const struct mcr_sampled *s, uint64_t first, uint64_t last, uint64_t samples, uint64_t bytes, uint64_t peak,
			   uint64_t average)
{
	ck_assert_uint_eq(s->first_usec, first);
	ck_assert_uint_eq(s->last_usec, last);
	ck_assert_uint_eq(s->samples, samples);
	ck_assert_uint_eq(s->bytes, bytes);
	ck_assert_uint_eq(s->peak_bytes, peak);
	ck_assert_uint_eq(mcr_sampled_average(s), average);
}

static const struct mcr_borrower_sum *borrower(const char *cgroup)
{
	for (size_t i = 0; i < loans.n_borrowers; i++)
		if (strcmp(loans.borrowers[i].cgroup, cgroup) == 0)
			return &loans.borrowers[i];
	return NULL;
}

START_TEST(one_leaves_and_another_comes)
{
	const struct mcr_borrower first[] = { has("/a", 4 * MIB), has("/b", 2 * MIB) }, second[] = { has("/b", 6 * MIB), has("/c", 0) };

	sample(10, MCR_OBJECT_BORROWED, first, 2);
	sample(20, MCR_OBJECT_BORROWED, second, 2);
	assert_sampled(&the_object()->s, 10, 20, 2, 8 * MIB, 8 * MIB, 8 * MIB);
	assert_sampled(&mcr_lent_find(the_object(), "/a")->s, 10, 10, 1, 4 * MIB, 4 * MIB, 4 * MIB);
	assert_sampled(&mcr_lent_find(the_object(), "/b")->s, 10, 20, 2, 6 * MIB, 6 * MIB, 4 * MIB);
	assert_sampled(&mcr_lent_find(the_object(), "/c")->s, 20, 20, 1, 0, 0, 0);
	ck_assert_ptr_null(mcr_lent_find(the_object(), "/d"));
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(what_a_cgroup_borrows_is_added_up)
{
	const struct mcr_borrower first[] = { has("/a", 4 * MIB), has("/b", MIB) }, second[] = { has("/a", 2 * MIB) };
	const struct mcr_lent_seen both[] = {
		object(3, 8 * MIB, MCR_OBJECT_BORROWED, first, 2), object(9, 2 * MIB, MCR_OBJECT_BORROWED, second, 1),
	};

	ck_assert_int_eq(mcr_loans_note(&loans, 10, both, 2, true), 0);
	ck_assert_int_eq(mcr_loans_note(&loans, 20, both + 1, 1, true), 0);
	assert_sampled(&loans.s, 10, 20, 2, 2 * MIB, 10 * MIB, 6 * MIB);
	ck_assert_uint_eq(loans.n_borrowers, 1);	/* of what /b had nothing is left */
	assert_sampled(&borrower("/a")->s, 10, 20, 2, 2 * MIB, 6 * MIB, 4 * MIB);
	ck_assert_uint_eq(borrower("/a")->objects, 1);
	ck_assert_uint_eq(loans.n_lent, 1);
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(lost_is_since_the_first_sample_that_said_so)
{
	const struct mcr_borrower b = has("/a", 1);

	sample(10, MCR_OBJECT_BORROWED, &b, 1);
	ck_assert_uint_eq(the_object()->unborrowed_usec, 0);
	sample(20, MCR_OBJECT_UNUSED, NULL, 0);
	sample(30, MCR_OBJECT_LOST, NULL, 0);
	sample(40, MCR_OBJECT_UNKNOWN, NULL, 0);
	sample(50, MCR_OBJECT_LOST, NULL, 0);
	ck_assert_uint_eq(the_object()->unborrowed_usec, 20);
	ck_assert_uint_eq(the_object()->lost_usec, 30);
	sample(60, MCR_OBJECT_BORROWED, &b, 1);
	ck_assert_uint_eq(the_object()->unborrowed_usec, 0);
	ck_assert_uint_eq(the_object()->lost_usec, 0);
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(what_is_not_seen_is_gone_if_all_was_seen)
{
	const struct mcr_borrower b = has("/a", 1);

	sample(10, MCR_OBJECT_BORROWED, &b, 1);
	for (uint64_t now = 11; now < 11 + MCR_LENT_MISSED_MAX; now++) {
		ck_assert_int_eq(mcr_loans_note(&loans, now, NULL, 0, false), 0);
		assert_sampled(&the_object()->s, 10, 10, 1, 8 * MIB, 8 * MIB, 8 * MIB);
		ck_assert_ptr_nonnull(borrower("/a"));
	}
	ck_assert_int_eq(mcr_loans_note(&loans, 50, NULL, 0, false), 0);
	ck_assert_ptr_null(mcr_loans_find(&loans, &one_key));
	sample(60, MCR_OBJECT_BORROWED, &b, 1);
	ck_assert_int_eq(mcr_loans_note(&loans, 70, NULL, 0, true), 0);
	ck_assert_uint_eq(loans.n_lent, 0);
	ck_assert_uint_eq(loans.n_borrowers, 0);
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(the_same_number_is_not_the_same_object)
{
	struct mcr_lent_seen seen[] = { object(3, 1, MCR_OBJECT_LOST, NULL, 0), object(3, 2, MCR_OBJECT_LOST, NULL, 0) };

	seen[1].key.generation++;
	ck_assert_int_eq(mcr_loans_note(&loans, 10, seen, 2, true), 0);
	ck_assert_int_eq(mcr_loans_note(&loans, 20, seen, 2, true), 0);
	ck_assert_uint_eq(loans.n_lent, 2);
	assert_sampled(&mcr_loans_find(&loans, &seen[1].key)->s, 10, 20, 2, 2, 2, 2);
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(however_many_there_are)
{
	static struct mcr_lent_seen seen[MCR_LENT_MAX + 5];
	struct mcr_borrower b[2 * MCR_LOANS_MAX];
	static char names[2 * MCR_LOANS_MAX][16];

	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		seen[i] = object(i, 1, MCR_OBJECT_UNUSED, NULL, 0);
	ck_assert_int_eq(mcr_loans_note(&loans, 10, seen, ARRAY_SIZE(seen), true), 0);
	ck_assert_uint_eq(loans.n_lent, MCR_LENT_MAX);
	ck_assert_uint_eq(loans.beyond, 5);
	mcr_loans_done(&loans);

	for (size_t i = 0; i < ARRAY_SIZE(b); i++) {
		snprintf(names[i], sizeof(names[i]), "/%zu", i);
		b[i] = has(names[i], i);
	}
	sample(10, MCR_OBJECT_BORROWED, b, MCR_LOANS_MAX);
	sample(20, MCR_OBJECT_BORROWED, b + 1, MCR_LOANS_MAX);	/* the first has left: its place is taken */
	ck_assert_ptr_null(mcr_lent_find(the_object(), "/0"));
	ck_assert_ptr_nonnull(mcr_lent_find(the_object(), names[MCR_LOANS_MAX]));
	ck_assert_uint_eq(the_object()->beyond, 0);
	sample(30, MCR_OBJECT_BORROWED, b, ARRAY_SIZE(b));
	ck_assert_uint_eq(the_object()->n, MCR_LOANS_MAX);
	ck_assert_uint_eq(the_object()->beyond, MCR_LOANS_MAX);
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(a_file_keeps_all)
{
	const struct mcr_borrower b[] = { has("/z \"\\\n\xff", 4 * MIB), has("/a", MIB), has("", 0) };
	struct mcr_loans again;

	sample(10, MCR_OBJECT_LOST, NULL, 0);
	sample(20, MCR_OBJECT_BORROWED, b, 3);
	loans.cost_usec = 77;
	ck_assert_int_eq(mcr_loans_write(temp_fd, "l", &loans), 0);
	ck_assert_int_eq(mcr_loans_read(temp_fd, "l", &again), 0);
	mcr_loans_done(&loans);
	loans = again;
	assert_sampled(&loans.s, 10, 20, 2, 8 * MIB, 8 * MIB, 8 * MIB);
	ck_assert_uint_eq(loans.cost_usec, 77);
	assert_sampled(&mcr_lent_find(the_object(), b[0].cgroup)->s, 20, 20, 1, 4 * MIB, 4 * MIB, 4 * MIB);
	ck_assert_str_eq(the_object()->name, "file");
	sample(30, MCR_OBJECT_BORROWED, b, 3);		/* and it goes on from there */
	assert_sampled(&borrower("/a")->s, 20, 30, 2, MIB, MIB, MIB);
	ck_assert_uint_eq(loans.n_borrowers, 3);
	mcr_loans_done(&loans);
}
END_TEST

START_TEST(what_makes_no_sense_is_no_file)
{
	static const char *const texts[] = {
		"\"", "{", "[]", "{}", "{\"version\":1}",
		"{\"version\":1,\"sampled\":[1,2,3,4,5],\"lent\":[],\"borrowers\":[]}",
		"{\"version\":2,\"sampled\":[1,2,3,4,5,6],\"lent\":[],\"borrowers\":[]}",
		"{\"version\":1,\"sampled\":[2,1,3,4,5,6],\"lent\":[],\"borrowers\":[]}",
		"{\"version\":1,\"sampled\":[1,2,3,4,5,6],\"lent\":[7],\"borrowers\":[]}",
		"{\"version\":1,\"sampled\":[1,2,3,4,5,6],\"lent\":[{\"kind\":\"tmpfs\",\"sampled\":[1,2,3,4,5,6]}],\"borrowers\":[]}",
		"{\"version\":1,\"sampled\":[1,2,3,4,5,6],\"lent\":[{\"kind\":\"x\",\"sampled\":[1,2,3,4,5,6],\"loans\":[]}],\"borrowers\":[]}",
		"{\"version\":1,\"sampled\":[1,2,3,4,5,6],\"lent\":[],\"borrowers\":[{}]}",
	};
	struct mcr_loans l = { .beyond = UNTOUCHED };

	ck_assert_int_eq(mcr_loans_read(temp_fd, "none", &l), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put_file(temp_fd, "bad", texts[i]);
		ck_assert_msg(mcr_loans_read(temp_fd, "bad", &l) == -EBADMSG, "%s", texts[i]);
	}
	ck_assert_uint_eq(l.beyond, UNTOUCHED);
}
END_TEST

TEST_MAIN("loans", one_leaves_and_another_comes, what_a_cgroup_borrows_is_added_up, lost_is_since_the_first_sample_that_said_so,
	  what_is_not_seen_is_gone_if_all_was_seen, the_same_number_is_not_the_same_object, however_many_there_are, a_file_keeps_all,
	  what_makes_no_sense_is_no_file)

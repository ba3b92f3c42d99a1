/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "census.h"

#include "main.h"
#include "util.h"

static struct mcr_dying_count root = {
	.path = (char *)"/", .id = 1, .dying = 2, .held_pages = UINT64_MAX,
};
static struct mcr_dying_count slice = {
	.path = (char *)"/system.slice", .id = 20, .dying = 5, .held_pages = 3,
};

static struct mcr_census *from(struct mcr_dying_count *at, size_t n, uint64_t dying)
{
	const struct mcr_count count = { .at = at, .n = n, .dying = dying };
	struct mcr_census *c = NULL;

	ck_assert_int_eq(mcr_census_from_count(&count, &c), 0);
	ck_assert_ptr_nonnull(c);
	return c;
}

START_TEST(no_counts_make_an_empty_census)
{
	auto_(mcr_census_freep) struct mcr_census *c = from(NULL, 0, 0);

	ck_assert_uint_eq(c->n, 0);
	ck_assert_uint_eq(c->dying, 0);
	ck_assert(c->complete && !c->named);
}
END_TEST

START_TEST(each_subtree_is_one_nameless_entry_below_its_anchor)
{
	auto_(mcr_census_freep) struct mcr_census *c = from(&slice, 1, 5);
	const struct mcr_zombie *z = &c->zombies[0];

	ck_assert_uint_eq(c->n, 1);
	ck_assert_uint_eq(c->dying, 5);
	ck_assert(!c->named);
	ck_assert_str_eq(z->path, "/system.slice/*");
	ck_assert_str_eq(z->name, "*");
	ck_assert_str_eq(z->anchor, "/system.slice");
	ck_assert_uint_eq(z->anchor_id, 20);
	ck_assert_uint_eq(z->refs, 5);
	ck_assert_uint_eq(z->usage_bytes, 3 * sysconf(_SC_PAGESIZE));
}
END_TEST

START_TEST(what_hangs_below_the_root_has_one_slash)
{
	auto_(mcr_census_freep) struct mcr_census *c = from(&root, 1, 2);

	ck_assert_str_eq(c->zombies[0].path, "/*");
	ck_assert_str_eq(c->zombies[0].name, "*");
	ck_assert_str_eq(c->zombies[0].anchor, "/");
}
END_TEST

START_TEST(unknown_pages_are_not_made_up)
{
	auto_(mcr_census_freep) struct mcr_census *c = from(&root, 1, 2);

	ck_assert_uint_eq(c->zombies[0].usage_bytes, 0);
}
END_TEST

START_TEST(the_census_outlives_the_counts)
{
	struct mcr_dying_count at[2] = { root, slice };
	char path[] = "/user.slice";
	struct mcr_census *c;

	at[1].path = path;
	c = from(at, 2, 7);
	memset(path, 'x', sizeof(path) - 1);
	ck_assert_uint_eq(c->n, 2);
	ck_assert_str_eq(c->zombies[1].anchor, "/user.slice");
	ck_assert_str_eq(c->zombies[1].path, "/user.slice/*");
	mcr_census_free(c);
}
END_TEST

START_TEST(the_pages_of_a_zombie_are_those_of_all_its_lists)
{
	struct mcr_zombie z = { 0 };

	ck_assert_uint_eq(mcr_zombie_pages(&z), 0);
	for (unsigned int i = 0; i < MCR_LRUS; i++)
		z.lru_pages[i] = 1ULL << i;
	ck_assert_uint_eq(mcr_zombie_pages(&z), (1ULL << MCR_LRUS) - 1);
}
END_TEST

START_TEST(nothing_can_be_freed)
{
	ck_assert_ptr_null(mcr_census_free(NULL));
	ck_assert_ptr_null(mcr_count_free(NULL));
	ck_assert_ptr_null(mcr_census_walker_free(NULL));
}
END_TEST

TEST_MAIN("census", no_counts_make_an_empty_census, each_subtree_is_one_nameless_entry_below_its_anchor,
	  what_hangs_below_the_root_has_one_slash, unknown_pages_are_not_made_up,
	  the_census_outlives_the_counts, the_pages_of_a_zombie_are_those_of_all_its_lists,
	  nothing_can_be_freed)

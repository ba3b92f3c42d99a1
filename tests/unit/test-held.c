/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held.h"

#include "config.h"
#include "configs.h"
#include "main.h"
#include "policy.h"
#include "util.h"

/* All that means anything, written down a second time; everything else must leave the state as it is. */
static const struct {
	enum held_state from;
	enum held_event event;
	enum held_state to;
} moves[] = {
	{ HELD_HELD, HELD_EV_DRAIN, HELD_DRAINING },
	{ HELD_HELD, HELD_EV_EMPTY, HELD_SETTLED },
	{ HELD_HELD, HELD_EV_NO_MEMCG, HELD_SETTLED },
	{ HELD_HELD, HELD_EV_RECHARGE, HELD_RECHARGING },
	{ HELD_DRAINING, HELD_EV_NO_MEMCG, HELD_SETTLED },
	{ HELD_HELD, HELD_EV_LIMIT, HELD_SETTLED },
	{ HELD_HELD, HELD_EV_POPULATED, HELD_REUSED },
	{ HELD_HELD, HELD_EV_GONE, HELD_REMOVED },
	{ HELD_DRAINING, HELD_EV_EMPTY, HELD_SETTLED },
	{ HELD_DRAINING, HELD_EV_LEFT, HELD_PAUSED },
	{ HELD_DRAINING, HELD_EV_STUCK, HELD_SETTLED },
	{ HELD_DRAINING, HELD_EV_RECHARGE, HELD_RECHARGING },
	{ HELD_RECHARGING, HELD_EV_AGAIN, HELD_HELD },
	{ HELD_RECHARGING, HELD_EV_OUT, HELD_SETTLED },
	{ HELD_RECHARGING, HELD_EV_DUE, HELD_HELD },
	{ HELD_RECHARGING, HELD_EV_LIMIT, HELD_SETTLED },
	{ HELD_RECHARGING, HELD_EV_POPULATED, HELD_REUSED },
	{ HELD_RECHARGING, HELD_EV_GONE, HELD_REMOVED },
	{ HELD_DRAINING, HELD_EV_FAILED, HELD_PAUSED },
	{ HELD_DRAINING, HELD_EV_LIMIT, HELD_SETTLED },
	{ HELD_DRAINING, HELD_EV_POPULATED, HELD_REUSED },
	{ HELD_DRAINING, HELD_EV_GONE, HELD_REMOVED },
	{ HELD_PAUSED, HELD_EV_EMPTY, HELD_SETTLED },
	{ HELD_PAUSED, HELD_EV_DUE, HELD_HELD },
	{ HELD_PAUSED, HELD_EV_LIMIT, HELD_SETTLED },
	{ HELD_PAUSED, HELD_EV_AGAIN, HELD_HELD },
	{ HELD_PAUSED, HELD_EV_POPULATED, HELD_REUSED },
	{ HELD_PAUSED, HELD_EV_GONE, HELD_REMOVED },
	{ HELD_SETTLED, HELD_EV_AGAIN, HELD_HELD },
	{ HELD_SETTLED, HELD_EV_POPULATED, HELD_REUSED },
	{ HELD_SETTLED, HELD_EV_GONE, HELD_REMOVED },
	{ HELD_PARENT, HELD_EV_CHILDLESS, HELD_SETTLED },
	{ HELD_PARENT, HELD_EV_AGAIN, HELD_HELD },
	{ HELD_PARENT, HELD_EV_POPULATED, HELD_REUSED },
	{ HELD_PARENT, HELD_EV_GONE, HELD_REMOVED },
};

/* A record with a limit of its own; held_set_policy() has its own tests. */
static struct held *add(struct held_table *t, uint64_t id, enum held_state state, uint64_t since_ns,
			uint64_t hold_max_ns)
{
	struct held *h = held_add(t, id, "/a", state, since_ns);

	h->hold_max_ns = hold_max_ns;
	return h;
}

static enum held_state expected(enum held_state from, enum held_event event)
{
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].from == from && moves[i].event == event)
			return moves[i].to;
	return from;
}

START_TEST(every_event_in_every_state_leads_where_the_table_says)
{
	for (unsigned int s = 0; s < HELD_STATES; s++)
		for (unsigned int e = 0; e < HELD_EVENTS; e++)
			ck_assert_msg(held_next(s, e) == expected(s, e), "%s at event %u becomes %s",
				      held_state_name(s), e, held_state_name(held_next(s, e)));
}
END_TEST

START_TEST(an_end_is_never_left)
{
	for (unsigned int s = HELD_FIRST_END; s < HELD_STATES; s++)
		for (unsigned int e = 0; e < HELD_EVENTS; e++)
			ck_assert_uint_eq(held_next(s, e), s);
}
END_TEST

START_TEST(processes_coming_back_or_removal_end_every_state)
{
	for (unsigned int s = 0; s < HELD_FIRST_END; s++) {
		ck_assert_uint_eq(held_next(s, HELD_EV_POPULATED), HELD_REUSED);
		ck_assert_uint_eq(held_next(s, HELD_EV_GONE), HELD_REMOVED);
	}
}
END_TEST

START_TEST(what_is_refused_anew_begins_anew)
{
	struct held_table t = { 0 };
	struct held *h = add(&t, 7, HELD_SETTLED, 1000, 50);

	h->charged_bytes = 9;
	h->due_ns = 1500;
	h->freed_bytes = h->left_bytes = 5;
	h->tries = 2;
	h->looked = h->wants_sync = h->out = h->expired = true;
	held_again(h, 2000);
	ck_assert_uint_eq(h->state, HELD_HELD);
	ck_assert_uint_eq(h->since_ns, 2000);
	ck_assert_uint_eq(held_next_due(&t), 2050);
	ck_assert_uint_eq(h->tries + h->freed_bytes + h->left_bytes, 0);
	ck_assert(!h->looked && !h->wants_sync && !h->out && !h->expired);
	ck_assert_uint_eq(h->id, 7);
	ck_assert_str_eq(h->path, "/a");
	held_table_clear(&t);
}
END_TEST

START_TEST(what_is_refused_anew_while_a_worker_has_it_stays_with_the_worker)
{
	struct held_table t = { 0 };
	struct held *h = held_add(&t, 7, "/a", HELD_DRAINING, 1000);

	held_again(h, 2000);
	ck_assert_uint_eq(h->state, HELD_DRAINING);
	ck_assert_uint_eq(h->since_ns, 2000);
	held_table_clear(&t);
}
END_TEST

START_TEST(every_state_has_a_name_of_its_own)
{
	for (unsigned int a = 0; a < HELD_STATES; a++) {
		ck_assert_ptr_nonnull(held_state_name(a));
		for (unsigned int b = 0; b < a; b++)
			ck_assert_str_ne(held_state_name(a), held_state_name(b));
	}
}
END_TEST

START_TEST(a_record_is_found_by_its_id)
{
	struct held_table t = { 0 };
	char path[] = "/system.slice/a.service";
	struct held *h = held_add(&t, 7, path, HELD_PARENT, 99);

	path[1] = 'x';	/* it has a copy */
	ck_assert_ptr_nonnull(h);
	ck_assert_ptr_eq(held_find(&t, 7), h);
	ck_assert_ptr_null(held_find(&t, 8));
	ck_assert_str_eq(h->path, "/system.slice/a.service");
	ck_assert_uint_eq(h->state, HELD_PARENT);
	ck_assert_uint_eq(h->since_ns, 99);
	ck_assert_uint_eq(h->tries, 0);
	ck_assert_uint_eq(t.n, 1);
	held_table_clear(&t);
}
END_TEST

START_TEST(many_records_are_added_found_and_dropped)
{
	struct held_table t = { 0 };
	const uint64_t n = 1000;

	for (uint64_t id = 1; id <= n; id++)
		ck_assert_ptr_nonnull(held_add(&t, id, "/a", HELD_HELD, id));
	ck_assert_uint_eq(t.n, n);
	for (uint64_t id = 1; id <= n; id += 2)		/* the odd ones, so the table is reordered */
		held_drop(&t, held_find(&t, id));
	ck_assert_uint_eq(t.n, n / 2);
	for (uint64_t id = 1; id <= n; id++) {
		struct held *h = held_find(&t, id);

		ck_assert_int_eq(h != NULL, id % 2 == 0);
		if (h)
			ck_assert_uint_eq(h->since_ns, id);
	}
	for (uint64_t id = 2; id <= n; id += 2)
		held_drop(&t, held_find(&t, id));
	ck_assert_uint_eq(t.n, 0);
	held_table_clear(&t);
}
END_TEST

START_TEST(what_is_below_is_told_from_what_only_begins_alike)
{
	struct held_table t = { 0 };

	held_add(&t, 1, "/a/b/c", HELD_HELD, 0);
	ck_assert(held_has_below(&t, "/a/b"));
	ck_assert(held_has_below(&t, "/a"));
	ck_assert(!held_has_below(&t, "/a/b/c"));
	ck_assert(!held_has_below(&t, "/a/b/c/d"));
	ck_assert(!held_has_below(&t, "/a/"));
	ck_assert(!held_has_below(&t, "/b"));
	held_add(&t, 2, "/aa/b", HELD_HELD, 0);
	held_drop(&t, held_find(&t, 1));
	ck_assert(!held_has_below(&t, "/a"));
	held_table_clear(&t);
}
END_TEST

START_TEST(what_was_removed_is_known_until_it_is_forgotten)
{
	struct mcr_config *c = config_of("");
	struct held_table t = { 0 };

	held_add(&t, 1, "/a/b", HELD_SETTLED, 0);
	held_add(&t, 2, "/c/d", HELD_SETTLED, 0);
	held_set_policy(held_find(&t, 1), c, c->policies[0]);
	held_drop_removed(&t, held_find(&t, 1));
	held_drop(&t, held_find(&t, 2));
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_uint_eq(t.n, 0);
	ck_assert_ptr_null(held_find(&t, 1));
	ck_assert(!held_has_below(&t, "/a"));
	ck_assert(held_explains(&t, "/a"));
	ck_assert(!held_explains(&t, "/a/b"));
	ck_assert(!held_explains(&t, "/c"));
	held_forget_removed(&t);
	ck_assert(!held_explains(&t, "/a"));
	held_add(&t, 3, "/a/b", HELD_SETTLED, 0);
	held_drop_removed(&t, held_find(&t, 3));
	held_table_clear(&t);
	mcr_config_unref(c);
}
END_TEST

START_TEST(a_parent_explains_those_above_once_it_was_looked_at)
{
	struct held_table t = { 0 };
	struct held *parent = held_add(&t, 1, "/a/b", HELD_PARENT, 0);

	ck_assert(held_has_below(&t, "/a"));
	ck_assert(!held_explains(&t, "/a"));
	parent->looked = true;
	ck_assert(held_explains(&t, "/a"));
	parent->looked = false;
	held_add(&t, 2, "/a/b/c", HELD_HELD, 0);
	ck_assert(held_explains(&t, "/a"));
	ck_assert(held_explains(&t, "/a/b"));
	ck_assert(!held_explains(&t, "/a/b/c"));
	held_table_clear(&t);
}
END_TEST

START_TEST(records_stay_where_they_are_as_the_table_grows)
{
	struct held_table t = { 0 };
	struct held *first = held_add(&t, 1, "/a", HELD_HELD, 5);

	for (uint64_t id = 2; id <= 500; id++)
		held_add(&t, id, "/b", HELD_HELD, 6);
	ck_assert_ptr_eq(held_find(&t, 1), first);
	ck_assert_uint_eq(first->since_ns, 5);
	held_table_clear(&t);
}
END_TEST

START_TEST(a_cleared_table_can_be_used_again)
{
	struct held_table t = { 0 };

	held_table_clear(&t);
	held_add(&t, 1, "/a", HELD_HELD, 0);
	held_table_clear(&t);
	ck_assert_uint_eq(t.n, 0);
	ck_assert_ptr_null(held_find(&t, 1));
	ck_assert_ptr_nonnull(held_add(&t, 2, "/a", HELD_HELD, 0));
	ck_assert_uint_eq(t.n, 1);
	held_table_clear(&t);
}
END_TEST

START_TEST(an_empty_table_wants_no_attention)
{
	const struct held_table t = { 0 };

	ck_assert_uint_eq(held_next_due(&t), UINT64_MAX);
}
END_TEST

START_TEST(what_is_held_wants_attention_at_its_limit)
{
	static const enum held_state states[] = { HELD_HELD, HELD_DRAINING, HELD_PARENT };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct held_table t = { 0 };
		struct held *h = add(&t, 1, states[i], 1000, 50);

		h->due_ns = 1;		/* means nothing in these */
		ck_assert_uint_eq(held_next_due(&t), 1050);
		held_table_clear(&t);
	}
}
END_TEST

START_TEST(a_pause_ends_when_it_is_due_or_at_the_limit)
{
	struct held_table t = { 0 };
	struct held *h = add(&t, 1, HELD_PAUSED, 1000, 50);

	h->due_ns = 1020;
	ck_assert_uint_eq(held_next_due(&t), 1020);
	h->due_ns = 1080;
	ck_assert_uint_eq(held_next_due(&t), 1050);
	held_table_clear(&t);
}
END_TEST

START_TEST(what_is_settled_waits_for_its_own_time)
{
	struct held_table t = { 0 };
	struct held *h = add(&t, 1, HELD_SETTLED, 1000, 50);

	h->due_ns = 5000;
	ck_assert_uint_eq(held_next_due(&t), 5000);
	h->due_ns = 0;
	ck_assert_uint_eq(held_next_due(&t), 0);
	held_table_clear(&t);
}
END_TEST

START_TEST(the_first_of_many_records_is_next)
{
	struct held_table t = { 0 };

	add(&t, 1, HELD_HELD, 3000, 500);
	add(&t, 2, HELD_DRAINING, 1000, 500);
	add(&t, 3, HELD_PAUSED, 2000, 500)->due_ns = 2001;
	add(&t, 4, HELD_SETTLED, 0, 500)->due_ns = 4000;
	ck_assert_uint_eq(held_next_due(&t), 1500);
	held_find(&t, 2)->hold_max_ns = 5000;
	ck_assert_uint_eq(held_next_due(&t), 2001);
	held_table_clear(&t);
}
END_TEST

START_TEST(each_record_has_the_limit_of_its_policy)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("[Policy vm]\nSlice=vm.slice\nHoldMaxSec=1s\n");
	struct held_table t = { 0 };
	struct held *h = held_add(&t, 1, "/a", HELD_HELD, 1000);

	held_add(&t, 2, "/b", HELD_HELD, 2000);
	held_set_policy(h, c, c->policies[0]);
	held_set_policy(held_find(&t, 2), c, mcr_policy_named(c, "vm"));
	ck_assert_uint_eq(h->hold_max_ns, 10 * MCR_NSEC_PER_SEC);
	ck_assert_uint_eq(held_next_due(&t), 2000 + MCR_NSEC_PER_SEC);
	held_drop(&t, held_find(&t, 2));
	ck_assert_uint_eq(held_next_due(&t), 1000 + 10 * MCR_NSEC_PER_SEC);
	held_table_clear(&t);
}
END_TEST

START_TEST(a_record_keeps_its_configuration_until_it_is_dropped)
{
	struct mcr_config *c = config_of("[Policy vm]\nSlice=vm.slice\n");
	struct held_table t = { 0 };
	struct held *h = held_add(&t, 1, "/a", HELD_HELD, 0);

	held_add(&t, 2, "/b", HELD_HELD, 0);
	held_set_policy(h, c, c->policies[1]);
	held_set_policy(held_find(&t, 2), c, c->policies[1]);
	ck_assert_uint_eq(c->refs, 3);
	mcr_config_unref(c);	/* another was read */
	ck_assert_str_eq(h->policy->name, "vm");
	held_drop(&t, held_find(&t, 2));
	ck_assert_str_eq(h->policy->name, "vm");
	ck_assert_uint_eq(c->refs, 1);
	held_table_clear(&t);
}
END_TEST

START_TEST(another_policy_of_the_same_configuration_may_follow)
{
	struct mcr_config *c = config_of("[Policy vm]\nSlice=vm.slice\nHoldMaxSec=1s\n");
	struct held_table t = { 0 };
	struct held *h = held_add(&t, 1, "/a", HELD_HELD, 0);

	held_set_policy(h, c, c->policies[0]);
	mcr_config_unref(c);	/* the record's is the last reference */
	held_set_policy(h, c, c->policies[1]);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_str_eq(h->policy->name, "vm");
	ck_assert_uint_eq(h->hold_max_ns, MCR_NSEC_PER_SEC);
	held_table_clear(&t);
}
END_TEST

START_TEST(what_is_refused_anew_keeps_its_policy)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = config_of("");
	struct held_table t = { 0 };
	struct held *h = held_add(&t, 1, "/a", HELD_SETTLED, 0);

	held_set_policy(h, c, c->policies[0]);
	held_again(h, 2000);
	ck_assert_ptr_eq(h->policy, c->policies[0]);
	ck_assert_uint_eq(held_next_due(&t), 2000 + 10 * MCR_NSEC_PER_SEC);
	held_table_clear(&t);
}
END_TEST

TEST_MAIN("held", every_event_in_every_state_leads_where_the_table_says, an_end_is_never_left,
	  processes_coming_back_or_removal_end_every_state, what_is_refused_anew_begins_anew,
	  what_is_refused_anew_while_a_worker_has_it_stays_with_the_worker,
	  every_state_has_a_name_of_its_own, a_record_is_found_by_its_id,
	  many_records_are_added_found_and_dropped,
	  what_is_below_is_told_from_what_only_begins_alike, what_was_removed_is_known_until_it_is_forgotten,
	  a_parent_explains_those_above_once_it_was_looked_at,
	  records_stay_where_they_are_as_the_table_grows,
	  a_cleared_table_can_be_used_again, an_empty_table_wants_no_attention,
	  what_is_held_wants_attention_at_its_limit, a_pause_ends_when_it_is_due_or_at_the_limit,
	  what_is_settled_waits_for_its_own_time, the_first_of_many_records_is_next,
	  each_record_has_the_limit_of_its_policy, a_record_keeps_its_configuration_until_it_is_dropped,
	  another_policy_of_the_same_configuration_may_follow, what_is_refused_anew_keeps_its_policy)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held.h"

#include <string.h>

#include "config.h"
#include "util.h"

/* 0 is "means nothing here", so entries are the state plus one. */
#define TO(state) (HELD_##state + 1)

static const unsigned char transitions[HELD_STATES][HELD_EVENTS] = {
	[HELD_HELD] = {
		[HELD_EV_NO_MEMCG] = TO(SETTLED),
		[HELD_EV_DRAIN] = TO(DRAINING),
		[HELD_EV_EMPTY] = TO(SETTLED),
		[HELD_EV_RECHARGE] = TO(RECHARGING),
		[HELD_EV_LIMIT] = TO(SETTLED),
		[HELD_EV_POPULATED] = TO(REUSED),
		[HELD_EV_GONE] = TO(REMOVED),
	},
	[HELD_DRAINING] = {
		[HELD_EV_NO_MEMCG] = TO(SETTLED),
		[HELD_EV_EMPTY] = TO(SETTLED),
		[HELD_EV_LEFT] = TO(PAUSED),
		[HELD_EV_STUCK] = TO(SETTLED),
		[HELD_EV_RECHARGE] = TO(RECHARGING),
		[HELD_EV_FAILED] = TO(PAUSED),
		[HELD_EV_LIMIT] = TO(SETTLED),
		[HELD_EV_POPULATED] = TO(REUSED),
		[HELD_EV_GONE] = TO(REMOVED),
	},
	[HELD_PAUSED] = {
		[HELD_EV_AGAIN] = TO(HELD),
		[HELD_EV_EMPTY] = TO(SETTLED),
		[HELD_EV_DUE] = TO(HELD),
		[HELD_EV_LIMIT] = TO(SETTLED),
		[HELD_EV_POPULATED] = TO(REUSED),
		[HELD_EV_GONE] = TO(REMOVED),
	},
	[HELD_RECHARGING] = {
		[HELD_EV_AGAIN] = TO(HELD),
		[HELD_EV_OUT] = TO(SETTLED),
		[HELD_EV_DUE] = TO(HELD),
		[HELD_EV_LIMIT] = TO(SETTLED),
		[HELD_EV_POPULATED] = TO(REUSED),
		[HELD_EV_GONE] = TO(REMOVED),
	},
	[HELD_SETTLED] = {
		[HELD_EV_AGAIN] = TO(HELD),
		[HELD_EV_POPULATED] = TO(REUSED),
		[HELD_EV_GONE] = TO(REMOVED),
	},
	[HELD_PARENT] = {
		[HELD_EV_AGAIN] = TO(HELD),
		[HELD_EV_CHILDLESS] = TO(SETTLED),
		[HELD_EV_POPULATED] = TO(REUSED),
		[HELD_EV_GONE] = TO(REMOVED),
	},
};

static const char *const state_names[HELD_STATES] = {
	[HELD_HELD] = "held",
	[HELD_DRAINING] = "draining",
	[HELD_PAUSED] = "paused",
	[HELD_RECHARGING] = "recharging",
	[HELD_SETTLED] = "settled",
	[HELD_PARENT] = "parent",
	[HELD_REMOVED] = "removed",
	[HELD_REUSED] = "reused",
};

enum held_state held_next(enum held_state state, enum held_event event)
{
	unsigned char to = transitions[state][event];

	return to ? (enum held_state)(to - 1) : state;
}

const char *held_state_name(enum held_state state)
{
	return state_names[state];
}

void held_again(struct held *h, uint64_t now_ns)
{
	h->state = held_next(h->state, HELD_EV_AGAIN);
	h->since_ns = now_ns;
	h->due_ns = 0;
	h->tries = 0;
	h->freed_bytes = h->left_bytes = 0;
	h->looked = h->wants_sync = h->recharged = h->refaulted = h->stuck = h->out = h->expired = false;
}

struct held *held_add(struct held_table *t, uint64_t id, const char *path, enum held_state state, uint64_t now_ns)
{
	struct held *h;

	if (t->n == t->size) {
		size_t size = t->size ? t->size * 2 : 64;
		struct held **bigger = realloc(t->at, size * sizeof(*bigger));

		if (!bigger)
			return NULL;
		t->at = bigger;
		t->size = size;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->path = strdup(path);
	if (!h->path) {
		free(h);
		return NULL;
	}
	h->id = id;
	h->state = state;
	h->since_ns = now_ns;
	t->at[t->n++] = h;
	return h;
}

struct held *held_find(const struct held_table *t, uint64_t id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i]->id == id)
			return t->at[i];
	return NULL;
}

static void take_out(struct held_table *t, const struct held *h)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->at[i] == h) {
			t->at[i] = t->at[--t->n];
			break;
		}
	}
}

static void free_record(struct held *h)
{
	mcr_config_unref(h->config);
	free(h->path);
	free(h);
}

void held_drop(struct held_table *t, struct held *h)
{
	take_out(t, h);
	free_record(h);
}

void held_drop_removed(struct held_table *t, struct held *h)
{
	take_out(t, h);
	h->config = mcr_config_unref(h->config);
	h->next_removed = t->removed;
	t->removed = h;
}

void held_forget_removed(struct held_table *t)
{
	while (t->removed) {
		struct held *h = t->removed;

		t->removed = h->next_removed;
		free_record(h);
	}
}

static bool is_below(const struct held *h, const char *path)
{
	size_t len = strlen(path);

	return strncmp(h->path, path, len) == 0 && h->path[len] == '/';
}

bool held_has_below(const struct held_table *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (is_below(t->at[i], path))
			return true;
	return false;
}

bool held_explains(const struct held_table *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (is_below(t->at[i], path) && (t->at[i]->state != HELD_PARENT || t->at[i]->looked))
			return true;
	for (const struct held *h = t->removed; h; h = h->next_removed)
		if (is_below(h, path))
			return true;
	return false;
}

void held_set_policy(struct held *h, struct mcr_config *config, const struct mcr_policy *policy)
{
	struct mcr_config *before = h->config;

	h->config = mcr_config_ref(config);
	h->policy = policy;
	h->hold_max_ns = policy->hold_max_usec * MCR_NSEC_PER_USEC;
	mcr_config_unref(before);
}

void held_table_clear(struct held_table *t)
{
	while (t->n > 0)
		held_drop(t, t->at[t->n - 1]);
	held_forget_removed(t);
	free(t->at);
	*t = (struct held_table){ 0 };
}

bool held_is_before_drain(const struct held *h)
{
	return h->state == HELD_RECHARGING && h->refaulted && !h->tries;
}

uint64_t held_next_due(const struct held_table *t)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < t->n; i++) {
		const struct held *h = t->at[i];
		uint64_t at = h->since_ns + h->hold_max_ns;

		if (h->state == HELD_SETTLED || ((h->state == HELD_PAUSED || held_is_before_drain(h)) && h->due_ns < at))
			at = h->due_ns;
		if (at < due)
			due = at;
	}
	return due;
}

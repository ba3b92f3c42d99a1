/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "churn.h"

#include <string.h>

#include "util.h"

/* One unit so often, and not much else: it is restarted over and over. */
#define LOOP_MIN 5

static struct churn_maker *find(const struct churn *c, const char *pattern)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->at[i].pattern, pattern) == 0)
			return &c->at[i];
	return NULL;
}

static struct churn_maker *make_room(struct churn *c)
{
	struct churn_maker *oldest;

	if (!c->at)
		c->at = calloc(CHURN_PATTERNS_MAX, sizeof(*c->at));
	if (!c->at)
		return NULL;
	if (c->n < CHURN_PATTERNS_MAX)
		return &c->at[c->n++];
	oldest = &c->at[0];
	for (size_t i = 1; i < c->n; i++)
		if (c->at[i].last_ns < oldest->last_ns)
			oldest = &c->at[i];
	return oldest;
}

/* Slots between the newest and now begin anew. */
static void turn(struct churn_maker *m, uint64_t now_ns)
{
	uint64_t now = now_ns / CHURN_SLOT_NSEC;

	for (uint64_t i = 0; m->slot + i < now && i < CHURN_SLOTS; i++)
		for (int what = 0; what < CHURN_WHATS; what++)
			m->count[what][(m->slot + 1 + i) % CHURN_SLOTS] = 0;
	if (now > m->slot)
		m->slot = now;
}

uint64_t churn_per_hour(const struct churn_maker *m, enum churn_what what, uint64_t now_ns)
{
	uint64_t now = now_ns / CHURN_SLOT_NSEC, sum = 0;

	for (uint64_t i = 0; i < CHURN_SLOTS && i <= m->slot; i++)
		if (m->slot - i + CHURN_SLOTS > now)
			sum += m->count[what][(m->slot - i) % CHURN_SLOTS];
	return sum;
}

/* What becomes a zombie was held first, unless there is no gate: the larger number has the other in it. */
static uint64_t all_per_hour(const struct churn_maker *m, uint64_t now_ns)
{
	uint64_t held = churn_per_hour(m, CHURN_HELD, now_ns), zombies = churn_per_hour(m, CHURN_ZOMBIE, now_ns);

	return held > zombies ? held : zombies;
}

struct churn_maker *churn_note(struct churn *c, const char *path, enum churn_what what, uint64_t now_ns)
{
	char unit[sizeof(((struct churn_maker *)0)->unit)], pattern[sizeof(((struct churn_maker *)0)->pattern)];
	enum mcr_unit_kind kind;
	struct churn_maker *m;

	mcr_unit_of(path, unit, sizeof(unit));
	kind = mcr_unit_pattern(unit, pattern, sizeof(pattern));
	m = find(c, pattern);
	if (!m) {
		m = make_room(c);
		if (!m)
			return NULL;
		*m = (struct churn_maker){ .kind = kind, .slot = now_ns / CHURN_SLOT_NSEC };
		strcpy(m->pattern, pattern);
		c->made++;
	}
	turn(m, now_ns);
	m->count[what][m->slot % CHURN_SLOTS]++;
	m->same_unit = strcmp(m->unit, unit) == 0 ? m->same_unit + 1 : 1;
	if (m->same_unit > all_per_hour(m, now_ns))
		m->same_unit = all_per_hour(m, now_ns);
	strcpy(m->unit, unit);
	m->last_ns = now_ns;
	return m;
}

const char *churn_advice(const struct churn_maker *m)
{
	if (m->timer)
		return "a timer starts it: a longer OnCalendar=, or one unit that stays and sleeps, makes fewer cgroups";
	switch (m->kind) {
	case MCR_UNIT_TEMPLATE:
		return "each instance has a cgroup of its own: one that serves them all would make none";
	case MCR_UNIT_TRANSIENT:
		return "systemd-run makes a unit for each command: --scope in a slice that stays, or one service for them all";
	case MCR_UNIT_NUMBERED:
		return "many of one kind: what starts them could keep one and use it again";
	case MCR_UNIT_SLICE:
		return "a slice comes and goes with the units in it: one that stays would keep it";
	case MCR_UNIT_NONE:
		return "not a unit of systemd's: whoever makes these cgroups could use them again";
	default:
		break;
	}
	return m->same_unit >= LOOP_MIN ? "the same unit again and again: look why it ends (Restart=), and give it RestartSec=" :
					  "nothing to do: it is seldom";
}

size_t churn_top(const struct churn *c, uint64_t now_ns, const struct churn_maker **ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct churn_maker *m = &c->at[i];
		uint64_t all = all_per_hour(m, now_ns);
		size_t at = n;

		if (all == 0)
			continue;
		while (at > 0 && all_per_hour(ret[at - 1], now_ns) < all)
			at--;
		if (at >= max)
			continue;
		if (n < max)
			n++;
		memmove(&ret[at + 1], &ret[at], (n - 1 - at) * sizeof(*ret));
		ret[at] = m;
	}
	return n;
}

void churn_clear(struct churn *c)
{
	free(c->at);
	*c = (struct churn){ 0 };
}

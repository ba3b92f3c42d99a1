/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties that are numbers and change. */
#include <string.h>

#include "bus.h"
#include "manager.h"
#include "util.h"

static struct bus_figures figures(const struct manager *m)
{
	struct bus_figures f = { .held = m->held.n, .waiting = requests_waiting(m), .reaped = m->totals.reaped,
				 .settled = m->totals.settled, .recharging = m->recharges.n,
				 .recharged_bytes = m->recharges.tally.moved_bytes,
				 .recharges_refused = tally_refused(&m->recharges.tally),
				 .recharges_unanswered = m->recharges.tally.unanswered,
				 .not_put_right = m->recharges.losts.all };

	f.zombies = cycle_count_due(m, &f.pinned);
	return f;
}

static const struct {
	const char *name;
	size_t offset;
} figure_table[] = {
	{ "Zombies", offsetof(struct bus_figures, zombies) }, { "Pinned", offsetof(struct bus_figures, pinned) },
	{ "Held", offsetof(struct bus_figures, held) },	      { "Waiting", offsetof(struct bus_figures, waiting) },
	{ "Reaped", offsetof(struct bus_figures, reaped) },   { "Settled", offsetof(struct bus_figures, settled) },
	{ "Recharging", offsetof(struct bus_figures, recharging) },
	{ "RechargedBytes", offsetof(struct bus_figures, recharged_bytes) },
	{ "RechargesRefused", offsetof(struct bus_figures, recharges_refused) },
	{ "RechargesUnanswered", offsetof(struct bus_figures, recharges_unanswered) },
	{ "NotPutRight", offsetof(struct bus_figures, not_put_right) },
};

static uint64_t figure_at(const struct bus_figures *f, size_t i)
{
	return *(const uint64_t *)((const char *)f + figure_table[i].offset);
}

int bus_get_figure(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	const struct bus_figures f = figures(userdata);

	(void)bus, (void)path, (void)interface, (void)error;
	for (size_t i = 0; i < ARRAY_SIZE(figure_table); i++)
		if (strcmp(figure_table[i].name, property) == 0)
			return sd_bus_message_append(answer, "t", figure_at(&f, i));
	return -ENOENT;
}

void bus_properties_changed(struct manager *m)
{
	const struct bus_figures now = figures(m);
	char *names[ARRAY_SIZE(figure_table) + 1] = { NULL };
	size_t n = 0;

	if (!m->bus_ready)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(figure_table); i++)
		if (figure_at(&now, i) != figure_at(&m->bus_told, i))
			names[n++] = (char *)figure_table[i].name;
	m->bus_told = now;
	if (n > 0)
		sd_bus_emit_properties_changed_strv(m->bus, BUS_PATH, BUS_INTERFACE, names);
}

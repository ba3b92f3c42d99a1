/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the gate tells of removals: cgroups come onto record, under the policy the gate followed. */
#include "settle-parts.h"

#include "cgroup.h"
#include "config.h"
#include "fileio.h"
#include "gate.h"
#include "log.h"
#include "util.h"

static struct held *enter(struct manager *m, uint64_t id, enum held_state state, uint64_t at_ns)
{
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, id);
	auto_(freep) char *path = NULL;
	struct held *h = NULL;

	if (fd >= 0 && mcr_cgroup_path(m->h, fd, &path) == 0)
		h = held_add(&m->held, id, path, state, at_ns);
	if (!h)
		mcr_gate_forget(m->gate, id);	/* gone already, or no memory to remember it */
	return h;
}

/* The policy the gate followed; of an event that names none, or one that is forgotten, what holds now. */
static void hold_under(struct manager *m, struct held *h, const struct mcr_gate_event *e)
{
	struct mcr_config *const configs[] = { m->config, m->retired };
	const struct mcr_policy *p;

	for (size_t i = 0; e && i < ARRAY_SIZE(configs); i++) {
		if (!configs[i] || configs[i]->generation != e->generation || e->policy >= configs[i]->n_policies)
			continue;
		held_set_policy(h, configs[i], configs[i]->policies[e->policy]);
		return;
	}
	p = coverage_policy(m, h->id, h->path, NULL);
	held_set_policy(h, m->config, p ? p : m->config->policies[0]);
}

void settle_hold_anew(struct manager *m, uint64_t id, bool parent, uint64_t charged_bytes)
{
	struct held *h = enter(m, id, parent ? HELD_PARENT : HELD_HELD, mcr_now_ns());

	if (h) {
		h->charged_bytes = h->left_bytes = charged_bytes;
		h->looked = parent;	/* the gate's is_left() has */
		hold_under(m, h, NULL);
	}
	settle_soon(m);
}

static void on_held(struct manager *m, struct held *h, const struct mcr_gate_event *event)
{
	if (h && event->kind == MCR_GATE_HELD && event->at_ns > h->since_ns) {
		m->totals.reused++;
		held_again(h, event->at_ns);
		hold_under(m, h, event);
	}
	if (h)
		return;		/* this very hold, which was adopted from the map before its event came */
	if (!mcr_gate_is_held(m->gate, event->id))
		return;		/* let go since: removed, or used again */
	h = enter(m, event->id, event->kind == MCR_GATE_PARENT ? HELD_PARENT : HELD_HELD, event->at_ns);
	if (!h)
		return;
	h->charged_bytes = h->left_bytes = event->usage_bytes + event->swap_bytes;
	hold_under(m, h, event);
	if (event->kind == MCR_GATE_HELD)
		manager_note_churn(m, h->path, CHURN_HELD, NULL);
}

void settle_on_event(const struct mcr_gate_event *event, void *userdata)
{
	struct manager *m = userdata;
	struct held *h = held_find(&m->held, event->id);

	switch (event->kind) {
	case MCR_GATE_HELD:
	case MCR_GATE_PARENT:
		on_held(m, h, event);
		break;
	case MCR_GATE_EXPIRED:
		break;	/* it goes right now: GONE follows */
	case MCR_GATE_GONE:
		if (h)
			settle_apply(m, h, HELD_EV_GONE);
		coverage_gone(m, event->id);
		break;
	case MCR_GATE_XATTR:
		coverage_on_attribute(m, event->id);
		break;
	}
	settle_soon(m);
}

int settle_adopt(struct manager *m)
{
	auto_(freep) uint64_t *ids = NULL;
	int n = mcr_gate_list_held(m->gate, &ids), adopted = 0;
	uint64_t now = mcr_now_ns(), below;	/* later than the events of all that are listed */

	for (int i = 0; i < n; i++) {
		auto_(closep) int fd = -EBADF;
		struct held *h;

		if (held_find(&m->held, ids[i]))
			continue;
		fd = mcr_cgroup_open_id(m->h, ids[i]);
		below = 0;
		if (fd >= 0)
			mcr_cgroup_descendants(fd, &below);
		h = enter(m, ids[i], below ? HELD_PARENT : HELD_HELD, now);
		if (h) {
			hold_under(m, h, NULL);
			h->adopted = true;
			adopted++;
		}
	}
	if (adopted) {
		log_notice("adopted %d held cgroups of a predecessor", adopted);
		settle_soon(m);
	}
	return n < 0 ? n : 0;
}

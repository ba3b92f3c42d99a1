/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "coverage.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cgroup.h"
#include "hierarchy.h"
#include "log.h"
#include "manager.h"
#include "policy.h"
#include "util.h"
#include "zombies.h"

#define CHOSEN_MAX 1024
#define CHOSEN_PER_USER 64	/* but for root */

void coverage_clear(struct coverage *c)
{
	for (size_t i = 0; i < c->n_chosen; i++)
		free(c->chosen[i].path);
	free(c->chosen);
	free(c->covers);
	*c = (struct coverage){ 0 };
}

static uint64_t id_of(const struct manager *m, const char *path)
{
	auto_(closep) int fd = mcr_cgroup_open_path(m->h, path);
	uint64_t id = 0;

	if (fd >= 0)
		mcr_cgroup_id(fd, &id);
	return id;
}

static struct mcr_gate_rule rule_of(const struct mcr_policy *p, const char *glob)
{
	return (struct mcr_gate_rule){
		.hold_max_ns = p->hold_max_usec * MCR_NSEC_PER_USEC, .hold_min_bytes = p->hold_min_bytes,
		.policy = p->index, .hold = mcr_policy_holds(p), .glob = glob,
	};
}

/* Two for each policy, for cgroups that have one of their own. */
static int add_policy_rules(struct manager *m, const struct mcr_config *config)
{
	uint32_t number;
	int r = 0;

	for (size_t i = 0; i < config->n_policies && r == 0; i++) {
		struct mcr_gate_rule rule = rule_of(config->policies[i], NULL);

		r = mcr_gate_add_rule(m->gate, &rule, &number);
		if (i == 0)
			m->coverage.first_policy_rule = number;
		rule.force = true;
		rule.hold = rule.policy == i && config->policies[i]->drain && !config->policies[i]->dry_run;
		if (r == 0)
			r = mcr_gate_add_rule(m->gate, &rule, &number);
	}
	return r;
}

static int add_slot_rules(struct manager *m, const struct mcr_slot *slot, struct mcr_gate_range *range)
{
	static char *everything[] = { "", NULL };
	char **globs = slot->policy->match && *slot->policy->match ? slot->policy->match : everything;
	uint32_t number;
	int r = 0;

	for (; *globs && r == 0; globs++) {
		const struct mcr_gate_rule rule = rule_of(slot->policy, *globs);

		r = mcr_gate_add_rule(m->gate, &rule, &number);
		if (r == 0 && range->n++ == 0)
			range->first = number;
	}
	return r;
}

/* Slots of one slice follow each other, the one that wins first. */
static int add_covers(struct manager *m, const struct mcr_config *config)
{
	struct coverage *c = &m->coverage;
	int r = 0;

	c->covers = calloc(config->n_slots + 1, sizeof(*c->covers));
	if (!c->covers)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_slots && r == 0; i++) {
		const struct mcr_slot *slot = &config->slots[i];

		if (c->n_covers == 0 || strcmp(c->covers[c->n_covers - 1].slice, slot->slice) != 0)
			c->covers[c->n_covers++].slice = slot->slice;
		if (m->gate)
			r = add_slot_rules(m, slot, &c->covers[c->n_covers - 1].range);
	}
	if (r < 0)
		log_warning("the gate has no room for more rules (Slice= and Match= of all policies): the rest is not held");
	return 0;
}

static void set_exceptions(struct manager *m, const struct mcr_config *config)
{
	mcr_gate_except_prefix(m->gate, "memcg-reaper-");	/* our own: decoys, probes */
	for (size_t i = 0; config->except && config->except[i]; i++)
		if (mcr_gate_except_prefix(m->gate, config->except[i]) < 0)
			log_warning("Except=%s cannot be used by the gate (15 prefixes of 16 bytes at most)",
				    config->except[i]);
}

static struct chosen *find_chosen(const struct coverage *c, uint64_t id)
{
	for (size_t i = 0; i < c->n_chosen; i++)
		if (c->chosen[i].id == id)
			return &c->chosen[i];
	return NULL;
}

void coverage_refresh(struct manager *m)
{
	struct coverage *c = &m->coverage;

	for (size_t i = 0; m->gate && i < c->n_covers; i++) {
		struct cover *one = &c->covers[i];
		uint64_t id = id_of(m, one->slice);

		if (id == one->id)
			continue;
		if (one->id)
			mcr_gate_cover(m->gate, one->id, (struct mcr_gate_range){ 0 });
		if (id && !find_chosen(c, id) && mcr_gate_cover(m->gate, id, one->range) < 0)
			continue;	/* tried again with the next tick */
		one->id = id;
	}
}

static void drop_chosen(struct manager *m, struct chosen *one)
{
	struct coverage *c = &m->coverage;

	if (m->gate)
		mcr_gate_cover(m->gate, one->id, (struct mcr_gate_range){ 0 });
	for (size_t i = 0; i < c->n_covers; i++)
		if (c->covers[i].id == one->id)
			c->covers[i].id = 0;	/* a slice of the configuration too: covered anew with the next tick */
	free(one->path);
	*one = c->chosen[--c->n_chosen];
}

static bool has_room(const struct coverage *c, uid_t uid)
{
	size_t own = 0;

	for (size_t i = 0; i < c->n_chosen; i++)
		own += c->chosen[i].uid == uid;
	return c->n_chosen < CHOSEN_MAX && (uid == 0 || own < CHOSEN_PER_USER);
}

static struct chosen *add_chosen(struct coverage *c, uint64_t id, const char *path, uid_t uid)
{
	struct chosen *bigger;
	char *copy;

	if (!has_room(c, uid))
		return NULL;
	bigger = realloc(c->chosen, (c->n_chosen + 1) * sizeof(*bigger));
	if (!bigger)
		return NULL;
	c->chosen = bigger;
	copy = strdup(path);
	if (!copy)
		return NULL;
	c->chosen[c->n_chosen] = (struct chosen){ .id = id, .path = copy, .uid = uid };
	return &c->chosen[c->n_chosen++];
}

/* Tells the gate what was chosen. */
static int cover_chosen(struct manager *m, const struct chosen *one)
{
	const struct mcr_gate_range range = {
		.first = m->coverage.first_policy_rule + 2 * one->policy->index + one->forced, .n = 1,
	};

	return m->gate ? mcr_gate_cover(m->gate, one->id, range) : 0;
}

/* The policy an open cgroup names, if it may; NULL: none. */
static const struct mcr_policy *read_attribute(const struct mcr_config *config, int fd, const char *path)
{
	char name[MCR_POLICY_NAME_MAX + 1] = "";
	const struct mcr_policy *p;
	struct stat st;
	ssize_t n = fgetxattr(fd, MCR_POLICY_XATTR, name, sizeof(name) - 1);

	if (n < 0 && errno != ERANGE)
		return NULL;
	p = n > 0 ? mcr_policy_named(config, name) : NULL;
	if (p && p->selectable)
		return p;
	/* Users could fill the journal with that. */
	log_msg(fstat(fd, &st) == 0 && st.st_uid == 0 ? LOG_NOTICE : LOG_DEBUG,
		"'%s' asks for the policy '%s' by attribute, which %s", path, p ? p->name : "?",
		p ? "is not Selectable=yes" : "does not exist");
	return NULL;
}

/* Without its attribute it has the policy of its slice; somebody may have asked for it besides. */
static void unchoose(struct manager *m, const struct mcr_config *config, struct chosen *one)
{
	const struct mcr_policy *p = mcr_policy_for(config, one->path, NULL);

	if (!one->forced) {
		drop_chosen(m, one);
		return;
	}
	one->by_attribute = false;
	one->policy = p ? p : config->policies[0];
	cover_chosen(m, one);
}

static int open_by_id(const struct manager *m, uint64_t id, char **ret_path)
{
	auto_(closep) int fd = mcr_cgroup_open_id(m->h, id);
	int r = fd < 0 ? fd : mcr_cgroup_path(m->h, fd, ret_path);

	return r < 0 ? r : steal_fd(fd);
}

static void set_attribute(struct manager *m, struct mcr_config *config, uint64_t id, int fd, const char *path)
{
	const struct mcr_policy *p = read_attribute(config, fd, path);
	struct chosen *one = find_chosen(&m->coverage, id);
	struct stat st;

	if (!p && one && one->by_attribute)
		unchoose(m, config, one);
	if (!p || fstat(fd, &st) < 0)
		return;
	if (!one)
		one = add_chosen(&m->coverage, id, path, st.st_uid);
	if (!one) {
		log_debug("'%s' has an attribute, but so have enough others of its owner, ignoring", path);
		return;
	}
	one->policy = p;
	one->by_attribute = true;
	cover_chosen(m, one);
	log_debug("'%s' has the policy '%s', by attribute", path, p->name);
}

void coverage_on_attribute(struct manager *m, uint64_t id)
{
	auto_(freep) char *path = NULL;
	auto_(closep) int fd = open_by_id(m, id, &path);

	if (fd >= 0)
		set_attribute(m, m->config, id, fd, path);
}

int coverage_force(struct manager *m, uint64_t id, const char *path, uid_t uid, const struct mcr_policy *policy)
{
	struct chosen *one = find_chosen(&m->coverage, id);

	if (!one)
		one = add_chosen(&m->coverage, id, path, uid);
	if (!one)
		return -ENOSPC;
	if (!one->by_attribute)
		one->policy = policy;
	one->forced = true;
	return cover_chosen(m, one);
}

struct scan {
	struct manager *m;
	struct mcr_config *config;
	unsigned int depth;
};

/* Deeper than the gate looks: users can nest cgroups as they like. */
#define SCAN_DEPTH_MAX 64

static int scan_one(int fd, const char *name, void *userdata)
{
	struct scan *scan = userdata;
	auto_(freep) char *path = NULL;
	uint64_t id;

	(void)name;
	if (fgetxattr(fd, MCR_POLICY_XATTR, NULL, 0) >= 0 && mcr_cgroup_id(fd, &id) == 0 &&
	    mcr_cgroup_path(scan->m->h, fd, &path) == 0)
		set_attribute(scan->m, scan->config, id, fd, path);
	if (scan->depth++ < SCAN_DEPTH_MAX)
		mcr_cgroup_children(fd, scan_one, scan);
	scan->depth--;
	return 0;
}

/* Attributes that are there already: looked for only when some policy can be chosen by one. */
static void scan_attributes(struct manager *m, struct mcr_config *config)
{
	struct scan scan = { .m = m, .config = config };
	bool any = false;

	for (size_t i = 0; i < config->n_policies; i++)
		any = any || config->policies[i]->selectable;
	if (any)
		mcr_cgroup_children(mcr_hierarchy_fd(m->h), scan_one, &scan);
}

/* What was asked for, and what the dead had chosen, under the policy that now has its name. */
static void keep_chosen(struct manager *m, struct mcr_config *config, struct coverage *old)
{
	for (size_t i = 0; i < old->n_chosen; i++) {
		const struct chosen *before = &old->chosen[i];
		struct chosen *one;

		const struct mcr_policy *p = mcr_policy_named(config, before->policy->name);
		bool attribute = before->by_attribute && before->dead && p && p->selectable;

		if (!before->forced && !attribute)
			continue;
		one = add_chosen(&m->coverage, before->id, before->path, before->uid);
		if (!one)
			continue;
		one->policy = p ? p : config->policies[0];
		one->forced = before->forced;
		one->by_attribute = attribute;
		one->dead = before->dead;
		cover_chosen(m, one);
	}
}

int coverage_apply(struct manager *m, struct mcr_config *config)
{
	struct coverage old = m->coverage;
	struct mcr_gate_opts opts = manager_gate_opts(m, config);
	int r = 0;

	m->coverage = (struct coverage){ 0 };
	if (m->gate) {
		mcr_gate_make(m->gate, config->generation);
		set_exceptions(m, config);
		r = add_policy_rules(m, config);
	}
	if (r == 0)
		r = add_covers(m, config);
	if (r < 0) {
		if (m->gate)
			mcr_gate_abandon(m->gate);
		coverage_clear(&m->coverage);
		m->coverage = old;
		return r;
	}
	coverage_refresh(m);
	keep_chosen(m, config, &old);
	scan_attributes(m, config);
	coverage_clear(&old);
	if (m->gate)
		mcr_gate_put_in_force(m->gate, &opts);
	return 0;
}

void coverage_prune(struct manager *m)
{
	for (size_t i = m->coverage.n_chosen; i-- > 0;) {
		struct chosen *one = &m->coverage.chosen[i];
		auto_(closep) int fd = mcr_cgroup_open_id(m->h, one->id);

		one->dead = fd < 0;
		if (one->dead && (!one->by_attribute || !zombies_find(&m->zombies, one->id)))
			drop_chosen(m, one);
	}
}

void coverage_gone(struct manager *m, uint64_t id)
{
	struct chosen *one = find_chosen(&m->coverage, id);

	if (!one)
		return;
	one->dead = true;
	if (!one->by_attribute)
		drop_chosen(m, one);
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/');
}

/* The nearest of the cgroups above it, or itself, that chose a policy. */
static const struct chosen *nearest_chosen(const struct coverage *c, uint64_t id, const char *path)
{
	const struct chosen *best = NULL;

	for (size_t i = 0; i < c->n_chosen; i++) {
		const struct chosen *one = &c->chosen[i];

		if (!one->by_attribute)
			continue;
		if (one->id == id)
			return one;
		/* Another one of its path has not chosen; the dead have none below them. */
		if (one->dead || !is_below(path, one->path) || strcmp(path, one->path) == 0)
			continue;
		if (!best || strlen(one->path) > strlen(best->path))
			best = one;
	}
	return best;
}

const struct mcr_policy *coverage_policy(const struct manager *m, uint64_t id, const char *path, const char **ret_why)
{
	const char *slice = NULL;
	const struct mcr_policy *p = mcr_policy_for(m->config, path, &slice);
	const struct chosen *chosen = nearest_chosen(&m->coverage, id, path);
	bool own = chosen && (!p || strlen(chosen->path) > strlen(slice));	/* a slice has no / in front */

	if (ret_why)
		*ret_why = own ? "attribute" : slice;
	if (own && mcr_policy_excepted(m->config, path + strlen(chosen->path)))
		return NULL;
	return own ? chosen->policy : p;
}

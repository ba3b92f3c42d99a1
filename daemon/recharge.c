/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recharge.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "bus.h"
#include "census.h"
#include "config.h"
#include "fileio.h"
#include "log.h"
#include "manager.h"
#include "owner.h"
#include "policy.h"
#include "rechargeask.h"
#include "refault.h"
#include "util.h"

/* An answer that has not come by then does not come: the unit has given up long before. */
#define ANSWER_NSEC (600 * MCR_NSEC_PER_SEC)

/* For systemd to take the job, not to do it. Nothing waits for that. */
#define START_USEC (60 * MCR_USEC_PER_SEC)

static struct recharge *find(struct recharges *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->at[i].name, name) == 0)
			return &all->at[i];
	return NULL;
}

static bool is_under_way(const struct recharges *all, uint64_t id)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i].id == id)
			return true;
	return false;
}

static void drop(struct recharges *all, struct recharge *one)
{
	free(one->path);
	free(one->owner);
	*one = all->at[--all->n];
}

/* ---- What came of it ---- */

static uint64_t number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

/* All of it, by the kernel? */
static bool is_by_kernel(struct json_object *o)
{
	const char *word = json_object_get_string(json_object_object_get(o, "kernel"));

	return word && (strcmp(word, "done") == 0 || strcmp(word, "left") == 0);
}

static void tell(const struct recharge *one, uint64_t moved, const char *why_not, bool by_kernel)
{
	char reason[256];

	if (one->dry_run)
		return;
	if (moved) {
		snprintf(reason, sizeof(reason), "%sto %s%s%s%s", by_kernel ? "by the kernel, " : "", one->owner_user ? "who maps most of it, or " : "", one->owner,
			 why_not ? "; the rest not: " : "", why_not ? why_not : "");
		log_action(EVENT_RECHARGED, LOG_INFO, "recharged", one->path, moved, reason);
	} else {
		log_action(EVENT_NONE, LOG_INFO, "not recharged", one->path, 0, why_not ? why_not : "nothing was there to be moved");
	}
}

/* What it had reclaimed under a shield was our budget's. */
static void spend(struct manager *m, const struct recharge *one, uint64_t bytes)
{
	uint64_t now = mcr_now_ns();

	budget_spend(&m->budget, bytes, now);
	if (one->generation == m->config->generation && one->policy < m->config->n_policies)
		budget_spend(&m->budgets[one->policy], bytes, now);
}

/* Of one that failed nobody has said how much: all that it could have been. */
static uint64_t reclaimed_bytes(const struct recharge *one, struct json_object *o)
{
	if (!json_object_object_get(o, "shield_bytes"))
		return one->shield_max_bytes;
	return number(o, "shield_bytes") + number(o, "drained_bytes");
}

/* It is settled or reaped with what is left of it. o NULL: there is no answer, and why. */
static void finish(struct manager *m, struct recharge *one, struct json_object *o, const char *why_not)
{
	const struct recharge was = *one;
	bool by_kernel = is_by_kernel(o);

	if (o)
		why_not = json_object_get_string(json_object_object_get(o, "why_not"));
	tell(one, number(o, "moved_bytes"), why_not, by_kernel);
	if (o && !one->held)
		spend(m, one, reclaimed_bytes(one, o));
	else if (o)
		m->totals.drained_bytes += number(o, "drained_bytes");
	mcr_recharge_forget(m->recharges.dir_fd, one->name);
	if (!o)
		m->recharges.tally.unanswered++;
	else if (!one->dry_run)
		tally_add(&m->recharges.tally, o);
	drop(&m->recharges, one);
	m->report_due = true;
	if (was.done)
		was.done(o, why_not, was.userdata);
	if (was.held)
		settle_recharged(m, was.id);
	if (was.anchor_id)	/* a shield takes from all there, the kernel from this one */
		refault_ended(m, was.anchor_id, by_kernel ? was.id : 0);
}

static void take(struct manager *m, const char *name)
{
	struct recharge *one = find(&m->recharges, name);
	struct json_object *o = NULL;
	int r;

	if (!one)
		return;		/* somebody else's */
	r = mcr_recharge_answered(m->recharges.dir_fd, name, &o);
	if (r == -ENOENT)
		return;
	finish(m, one, o, "its answer makes no sense");
	json_object_put(o);
}

/* It is in swap: the sooner the cgroup goes, the less its users ask for first. */
static void take_out(struct manager *m, const char *name)
{
	const struct recharge *one = find(&m->recharges, name);

	if (one && one->held)
		settle_swapped_out(m, one->id);
}

static int on_file(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	static const struct {
		const char *suffix;
		void (*take)(struct manager *m, const char *name);
	} kinds[] = { { ".result", take }, { ".out", take_out } };
	size_t len = event->len ? strlen(event->name) : 0;
	char name[sizeof(((struct recharge *)0)->name)];

	(void)source;
	if (len > 0 && mcr_lost_is_note(event->name))
		losts_read(userdata);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].suffix);

		if (len <= n || len - n >= sizeof(name) || strcmp(event->name + len - n, kinds[i].suffix) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - n), event->name);
		kinds[i].take(userdata, name);
		break;
	}
	return 0;
}

/* ---- Asking for it ---- */

/* A call under way; lives as long as it. */
struct starting {
	struct manager *m;
	char name[sizeof(((struct recharge *)0)->name)];
};

static int on_started(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	const struct starting *s = userdata;
	struct recharge *one = find(&s->m->recharges, s->name);
	const char *text;

	(void)error;
	if (!one || !sd_bus_message_is_method_error(answer, NULL))
		return 0;
	text = sd_bus_message_get_error(answer)->message;
	log_warning("cannot start memcg-recharge: %s", text ? text : "no reason given");
	finish(s->m, one, NULL, "memcg-recharge cannot be started");
	return 0;
}

/* The service manager of a busy machine takes its time; what it was told in vain it may do all the same. */
static int call_start(struct manager *m, struct starting *s, sd_bus_slot **ret)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	char unit[128];
	int r;

	snprintf(unit, sizeof(unit), MCR_RECHARGE_UNIT, s->name);
	r = sd_bus_message_new_method_call(m->bus, &call, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
					   "org.freedesktop.systemd1.Manager", "StartUnit");
	if (r >= 0)
		r = sd_bus_message_append(call, "ss", unit, "replace");
	return r < 0 ? r : sd_bus_call_async(m->bus, ret, call, on_started, s, START_USEC);
}

static int start_unit(struct manager *m, const char *name)
{
	struct starting *s = calloc(1, sizeof(*s));
	sd_bus_slot *slot = NULL;
	int r;

	if (!s)
		return -ENOMEM;
	s->m = m;
	snprintf(s->name, sizeof(s->name), "%s", name);
	r = call_start(m, s, &slot);
	if (r < 0) {
		free(s);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, free);
	sd_bus_slot_set_floating(slot, true);	/* it goes with the answer, or with the bus */
	sd_bus_slot_unref(slot);
	return 0;
}

int recharge_owner_of(const struct mcr_config *config, const struct mcr_policy *p, const char *path, char **ret)
{
	auto_(freep) char *top = NULL;
	const char *slice = NULL;

	if (mcr_policy_for(config, path, &slice) != p || !slice) {
		top = mcr_owner_top_slice(path);
		slice = top;
	}
	return slice ? mcr_owner_by_policy(p, slice, ret) : -EINVAL;
}

uint64_t recharge_evict_max(struct manager *m, const struct mcr_policy *p, bool dead)
{
	uint64_t now = mcr_now_ns(), all, its;

	if (!dead)
		return mcr_policy_drain_max(p);
	if (!p->shield || p->index >= m->config->n_policies)
		return 0;
	all = budget_left(&m->budget, now);
	its = budget_left(&m->budgets[p->index], now);
	return all < its ? all : its;
}

/* Asks, and takes a note of it. one has a name; path and owner are copied from q, bounds are those of the policy. */
static int ask(struct manager *m, const struct mcr_config *config, const struct mcr_policy *p, struct recharge one,
	       struct mcr_recharge_request *q)
{
	auto_(freep) char *owner = strdup(q->owner), *path = strdup(q->path);
	int r = owner && path ? 0 : -ENOMEM;

	q->pause_max_usec = p->pause_max_usec;
	q->step_bytes = p->step_bytes;
	q->pressure_max_centi = config->pressure_max_centi;
	q->available_min_centi = config->available_min_centi;
	if (r == 0)
		r = mcr_recharge_ask(m->recharges.dir_fd, one.name, q);
	if (r == 0)
		r = start_unit(m, one.name);
	if (r < 0) {
		mcr_recharge_forget(m->recharges.dir_fd, one.name);
		return r;
	}
	one.id = q->cgroup_id;
	one.dry_run = q->dry_run;
	one.owner_user = q->owner_user;
	one.shield_max_bytes = one.held ? 0 : q->evict_max_bytes;
	one.generation = config->generation;
	one.policy = p->index;
	one.since_ns = mcr_now_ns();
	one.path = steal_ptr(path);
	one.owner = steal_ptr(owner);
	m->recharges.at[m->recharges.n++] = one;
	return 0;
}

/* A name of its own each time: the unit that has answered may not have ended yet, and would not be started again. */
static void name_it(struct recharge *one, const char *kind, uint64_t id)
{
	snprintf(one->name, sizeof(one->name), "%s-%" PRIu64 "-%" PRIx64, kind, id, mcr_realtime_ns());
}

/* Our own helper is none: it would be asked for again and again. */
static bool is_recharger(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && strncmp(name, "/memcg-reaper-recharge@", 23) == 0;
}

bool recharge_is_wanted(const struct manager *m, const struct mcr_policy *p, const char *path)
{
	return p && p->recharge && !p->dry_run && !mcr_owner_is(path) && !is_recharger(path) && !m->recharges.why_not;
}

static int ask_by_policy(struct manager *m, const struct mcr_config *config, const struct mcr_policy *p,
			 const struct recharge *one, const char *path, bool page_cache)
{
	auto_(freep) char *owner = NULL;
	struct mcr_recharge_request q = {
		.cgroup_id = one->id, .path = (char *)path, .owner_user = mcr_owner_is_user(p), .only_empty = one->held,
		.evict_max_bytes = page_cache ? recharge_evict_max(m, p, !one->held) : 0,
	};
	int r = recharge_owner_of(config, p, path, &owner);

	if (r == 0)
		r = mcr_owner_within_limits(m->h, owner, path);
	q.owner = owner;
	return r < 0 ? r : ask(m, config, p, *one, &q);
}

static bool start(struct manager *m, struct mcr_config *config, const struct mcr_policy *p, const char *kind,
		  struct recharge *one, const char *path, bool page_cache)
{
	int r;

	if (!recharge_is_wanted(m, p, path) || !m->bus_ready || m->recharges.n == RECHARGES_MAX || is_under_way(&m->recharges, one->id))
		return false;
	name_it(one, kind, one->id);
	r = ask_by_policy(m, config, p, one, path, page_cache);
	if (r < 0)
		log_action(EVENT_NONE, LOG_INFO, "not recharged", path, 0, r == -EXDEV ?
			   "it was in a cgroup with a limit, which the owner is not in" : strerror(-r));
	return r >= 0;
}

static size_t count_asked(const struct recharges *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += strncmp(all->at[i].name, "bus-", 4) == 0;
	return n;
}

int recharge_ask(struct manager *m, const struct mcr_policy *p, struct mcr_recharge_request *q, recharge_done done,
		 void *userdata)
{
	struct recharge one = { .done = done, .userdata = userdata };

	if (!m->bus_ready)
		return -ENOTCONN;
	if (m->recharges.n == RECHARGES_MAX || count_asked(&m->recharges) >= RECHARGES_ASKED_MAX)
		return -EBUSY;
	name_it(&one, "bus", q->cgroup_id);
	return ask(m, m->config, p, one, q);
}

void recharge_unwait(struct manager *m, const void *userdata)
{
	for (size_t i = 0; i < m->recharges.n; i++)
		if (m->recharges.at[i].userdata == userdata)
			m->recharges.at[i].done = NULL;
}

bool recharge_held(struct manager *m, const struct held *h, bool page_cache)
{
	struct recharge one = { .id = h->id, .held = true };

	return start(m, h->config, h->policy, "held", &one, h->path, page_cache);
}

static bool start_zombie(struct manager *m, struct known *k, const struct mcr_zombie *z, uint64_t anchor_id)
{
	struct recharge one = { .id = z->id, .anchor_id = anchor_id };

	if (!start(m, m->config, coverage_policy(m, z->id, z->path, NULL), "zombie", &one, z->path, anchor_id != 0))
		return false;
	k->recharge_ns = mcr_now_ns();
	k->recharge_refs = z->refs;
	return true;
}

/* One at a time, or each would be allowed what is left of the budget. */
bool recharge_shields(const struct manager *m)
{
	for (size_t i = 0; i < m->recharges.n; i++)
		if (m->recharges.at[i].anchor_id)
			return true;
	return false;
}

bool recharge_is_asked(const struct manager *m, uint64_t anchor_id)
{
	for (size_t i = 0; i < m->recharges.n; i++)
		if (m->recharges.at[i].anchor_id == anchor_id)
			return true;
	return false;
}

bool recharge_wanted(struct manager *m, struct known *k, const struct mcr_zombie *z)
{
	if (recharge_is_asked(m, z->anchor_id))
		return true;
	if (recharge_shields(m))
		return false;
	return start_zombie(m, k, z, z->anchor_id);
}

bool recharge_zombie(struct manager *m, struct known *k, const struct mcr_zombie *z)
{
	uint64_t now = mcr_now_ns(), retry = m->config->pinned_retry_usec * MCR_NSEC_PER_USEC;

	if (k->recharge_ns && k->recharge_refs == z->refs && now - k->recharge_ns < retry)
		return false;	/* nothing has changed since */
	return start_zombie(m, k, z, 0);
}

/* ---- Start and end ---- */

/* Answers to a predecessor. What was asked for goes on; when it is done, its zombie is gone. */
static void forget_answers(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if ((strncmp(e->d_name, "held-", 5) == 0 || strncmp(e->d_name, "zombie-", 7) == 0 ||
		     strncmp(e->d_name, "bus-", 4) == 0) && (strstr(e->d_name, ".result") || strstr(e->d_name, ".out")))
			unlinkat(dir_fd, e->d_name, 0);
	if (dir)
		closedir(dir);
	else
		close_fd(fd);
}

static const char *open_dir(struct manager *m)
{
	if (mkdirat(m->run_fd, "recharge", 0700) < 0 && errno != EEXIST)
		return "its directory cannot be made";
	m->recharges.dir_fd = openat(m->run_fd, "recharge", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->recharges.dir_fd < 0)
		return "its directory cannot be opened";
	forget_answers(m->recharges.dir_fd);
	if (sd_event_add_inotify(m->event, &m->recharges.watch, MCR_RECHARGE_DIR, IN_MOVED_TO | IN_ONLYDIR, on_file, m) < 0)
		return "its directory cannot be watched";
	return NULL;
}

void recharges_start(struct manager *m)
{
	m->recharges.dir_fd = -EBADF;
	m->recharges.why_not = open_dir(m);
	if (m->recharges.why_not)
		log_warning("cannot recharge: %s", m->recharges.why_not);
	if (m->recharges.dir_fd >= 0)
		losts_read(m);
}

void recharges_stop(struct manager *m)
{
	while (m->recharges.n > 0)
		drop(&m->recharges, &m->recharges.at[0]);
	losts_done(&m->recharges.losts);
	m->recharges.watch = sd_event_source_unref(m->recharges.watch);
	m->recharges.dir_fd = close_fd(m->recharges.dir_fd);
}

void recharges_expire(struct manager *m)
{
	uint64_t now = mcr_now_ns();

	for (size_t i = m->recharges.n; i-- > 0;)
		if (now - m->recharges.at[i].since_ns > ANSWER_NSEC)
			finish(m, &m->recharges.at[i], NULL, "there was no answer");
	if (m->recharges.losts.all > 0)
		losts_read(m);
}

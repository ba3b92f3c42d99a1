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
#include "util.h"

/* An answer that has not come by then does not come: the unit has given up long before. */
#define ANSWER_NSEC (600 * MCR_NSEC_PER_SEC)

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

static void tell(const struct recharge *one, uint64_t moved, const char *why_not)
{
	char reason[256];

	if (moved) {
		snprintf(reason, sizeof(reason), "to %s%s%s%s", one->owner_user ? "who maps most of it, or " : "", one->owner,
			 why_not ? "; the rest not: " : "", why_not ? why_not : "");
		log_action(EVENT_RECHARGED, LOG_INFO, "recharged", one->path, moved, reason);
	} else {
		log_action(EVENT_NONE, LOG_INFO, "not recharged", one->path, 0, why_not ? why_not : "nothing was there to be moved");
	}
}

/* It is settled or reaped with what is left of it. */
static void finish(struct manager *m, struct recharge *one, uint64_t moved, uint64_t pause_usec, const char *why_not)
{
	uint64_t id = one->id;
	bool held = one->held;

	tell(one, moved, why_not);
	mcr_recharge_forget(m->recharges.dir_fd, one->name);
	drop(&m->recharges, one);
	m->totals.recharged_bytes += moved;
	if (pause_usec > m->totals.longest_pause_usec)
		m->totals.longest_pause_usec = pause_usec;
	m->report_due = true;
	if (held)
		settle_recharged(m, id);
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
	if (r < 0)
		finish(m, one, 0, 0, "its answer makes no sense");
	else
		finish(m, one, number(o, "moved_bytes"), number(o, "longest_pause_usec"),
		       json_object_get_string(json_object_object_get(o, "why_not")));
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
	finish(s->m, one, 0, 0, "memcg-recharge cannot be started");
	return 0;
}

static int start_unit(struct manager *m, const char *name)
{
	struct starting *s = calloc(1, sizeof(*s));
	sd_bus_slot *slot = NULL;
	char unit[128];
	int r;

	if (!s)
		return -ENOMEM;
	s->m = m;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(unit, sizeof(unit), MCR_RECHARGE_UNIT, name);
	r = sd_bus_call_method_async(m->bus, &slot, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
				     "org.freedesktop.systemd1.Manager", "StartUnit", on_started, s, "ss", unit, "replace");
	if (r < 0) {
		free(s);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, free);
	sd_bus_slot_set_floating(slot, true);	/* it goes with the answer, or with the bus */
	sd_bus_slot_unref(slot);
	return 0;
}

/* Of the slice that decided; of a cgroup with a policy of its own choice, of the slice it is in. */
static int owner_of(const struct mcr_config *config, const struct mcr_policy *p, const char *path, char **ret)
{
	auto_(freep) char *top = NULL;
	const char *slice = NULL;

	if (mcr_policy_for(config, path, &slice) != p || !slice) {
		top = mcr_owner_top_slice(path);
		slice = top;
	}
	return slice ? mcr_owner_by_policy(p, slice, ret) : -EINVAL;
}

static int ask(struct manager *m, const struct mcr_config *config, const struct mcr_policy *p, const struct recharge *one)
{
	auto_(freep) char *owner = NULL, *path = strdup(one->path);
	struct mcr_recharge_request q = {
		.cgroup_id = one->id, .path = path, .owner_user = mcr_owner_is_user(p), .pause_max_usec = p->pause_max_usec,
		.only_empty = one->held,
	};
	struct recharge *kept = &m->recharges.at[m->recharges.n];
	int r = path ? owner_of(config, p, path, &owner) : -ENOMEM;

	if (r == 0)
		r = mcr_owner_within_limits(m->h, owner, path);
	if (r < 0)
		return r;
	q.owner = owner;
	r = mcr_recharge_ask(m->recharges.dir_fd, one->name, &q);
	if (r == 0)
		r = start_unit(m, one->name);
	if (r < 0) {
		mcr_recharge_forget(m->recharges.dir_fd, one->name);
		return r;
	}
	*kept = *one;
	kept->owner_user = q.owner_user;
	kept->path = steal_ptr(path);
	kept->owner = steal_ptr(owner);
	m->recharges.n++;
	return 0;
}

static bool start(struct manager *m, struct mcr_config *config, const struct mcr_policy *p, const char *kind, uint64_t id,
		  const char *path, bool held)
{
	struct recharge one = { .id = id, .path = (char *)path, .held = held, .since_ns = mcr_now_ns() };
	int r;

	/* A name of its own each time: the unit that has answered may not have ended yet, and would not be started again. */
	snprintf(one.name, sizeof(one.name), "%s-%" PRIu64 "-%" PRIx64, kind, id, mcr_realtime_ns());
	if (!p || !p->recharge || p->dry_run || mcr_owner_is(path) || m->recharges.why_not || !m->bus_ready ||
	    m->recharges.n == RECHARGES_MAX || is_under_way(&m->recharges, id))
		return false;
	r = ask(m, config, p, &one);
	if (r < 0)
		log_action(EVENT_NONE, LOG_INFO, "not recharged", path, 0, r == -EXDEV ?
			   "it was in a cgroup with a limit, which the owner is not in" : strerror(-r));
	return r >= 0;
}

bool recharge_held(struct manager *m, const struct held *h)
{
	return start(m, h->config, h->policy, "held", h->id, h->path, true);
}

bool recharge_zombie(struct manager *m, struct known *k, const struct mcr_zombie *z)
{
	const struct mcr_policy *p = coverage_policy(m, z->id, z->path, NULL);
	uint64_t now = mcr_now_ns(), retry = m->config->pinned_retry_usec * MCR_NSEC_PER_USEC;

	if (k->recharge_ns && k->recharge_refs == z->refs && now - k->recharge_ns < retry)
		return false;	/* nothing has changed since */
	if (!start(m, m->config, p, "zombie", z->id, z->path, false))
		return false;
	k->recharge_ns = now;
	k->recharge_refs = z->refs;
	return true;
}

/* ---- Start and end ---- */

/* Answers to a predecessor. What was asked for goes on; when it is done, its zombie is gone. */
static void forget_answers(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if ((strncmp(e->d_name, "held-", 5) == 0 || strncmp(e->d_name, "zombie-", 7) == 0) &&
		    (strstr(e->d_name, ".result") || strstr(e->d_name, ".out")))
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
}

void recharges_stop(struct manager *m)
{
	while (m->recharges.n > 0)
		drop(&m->recharges, &m->recharges.at[0]);
	m->recharges.watch = sd_event_source_unref(m->recharges.watch);
	m->recharges.dir_fd = close_fd(m->recharges.dir_fd);
}

void recharges_expire(struct manager *m)
{
	uint64_t now = mcr_now_ns();

	for (size_t i = m->recharges.n; i-- > 0;)
		if (now - m->recharges.at[i].since_ns > ANSWER_NSEC)
			finish(m, &m->recharges.at[i], 0, 0, "there was no answer");
}

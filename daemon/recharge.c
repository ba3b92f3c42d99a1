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

static void tell(const struct recharge *one, uint64_t moved, const char *why_not)
{
	char reason[256];

	if (one->dry_run)
		return;
	if (moved) {
		snprintf(reason, sizeof(reason), "to %s%s%s", one->owner, why_not ? "; the rest not: " : "", why_not ? why_not : "");
		log_action(EVENT_RECHARGED, LOG_INFO, "recharged", one->path, moved, reason);
	} else {
		log_action(EVENT_NONE, LOG_INFO, "not recharged", one->path, 0, why_not ? why_not : "nothing was there to be moved");
	}
}

/* It is settled or reaped with what is left of it. o NULL: there is no answer, and why. */
static void finish(struct manager *m, struct recharge *one, struct json_object *o, const char *why_not)
{
	const struct recharge was = *one;

	if (o)
		why_not = json_object_get_string(json_object_object_get(o, "why_not"));
	tell(one, number(o, "moved_bytes"), why_not);
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

static int on_file(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	static const char suffix[] = ".result";
	size_t len = event->len ? strlen(event->name) : 0, n = strlen(suffix);
	char name[sizeof(((struct recharge *)0)->name)];

	(void)source;
	if (len > 0 && mcr_lost_is_note(event->name))
		losts_read(userdata);
	if (len > n && len - n < sizeof(name) && strcmp(event->name + len - n, suffix) == 0) {
		snprintf(name, sizeof(name), "%.*s", (int)(len - n), event->name);
		take(userdata, name);
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

/* Asks, and takes a note of it. one has a name; path and owner are copied from q. */
static int ask(struct manager *m, struct recharge one, const struct mcr_recharge_request *q)
{
	auto_(freep) char *owner = strdup(q->owner), *path = strdup(q->path);
	int r = owner && path ? mcr_recharge_ask(m->recharges.dir_fd, one.name, q) : -ENOMEM;

	if (r == 0)
		r = start_unit(m, one.name);
	if (r < 0) {
		mcr_recharge_forget(m->recharges.dir_fd, one.name);
		return r;
	}
	one.id = q->cgroup_id;
	one.dry_run = q->dry_run;
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

static int ask_by_policy(struct manager *m, const struct mcr_config *config, const struct mcr_policy *p,
			 const struct recharge *one, struct mcr_recharge_request *q)
{
	auto_(freep) char *owner = NULL;
	int r = recharge_owner_of(config, p, q->path, &owner);

	if (r == 0)
		r = mcr_owner_within_limits(m->h, owner, q->path);
	q->owner = owner;
	return r < 0 ? r : ask(m, *one, q);
}

static bool start(struct manager *m, struct mcr_config *config, const struct mcr_policy *p, const char *kind, uint64_t id,
		  const char *path, bool held)
{
	struct recharge one = { .held = held };
	struct mcr_recharge_request q;
	int r;

	if (!p || !p->recharge || p->dry_run || mcr_owner_is(path) || m->recharges.why_not || !m->bus_ready ||
	    m->recharges.n == RECHARGES_MAX || is_under_way(&m->recharges, id))
		return false;
	name_it(&one, kind, id);
	q = (struct mcr_recharge_request){
		.cgroup_id = id, .path = (char *)path, .owner_user = mcr_owner_is_user(p),
		.pause_max_usec = p->pause_max_usec, .only_empty = held,
	};
	r = ask_by_policy(m, config, p, &one, &q);
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

int recharge_ask(struct manager *m, const struct mcr_recharge_request *q, recharge_done done, void *userdata)
{
	struct recharge one = { .done = done, .userdata = userdata };

	if (!m->bus_ready)
		return -ENOTCONN;
	if (m->recharges.n == RECHARGES_MAX || count_asked(&m->recharges) >= RECHARGES_ASKED_MAX)
		return -EBUSY;
	name_it(&one, "bus", q->cgroup_id);
	return ask(m, one, q);
}

void recharge_unwait(struct manager *m, const void *userdata)
{
	for (size_t i = 0; i < m->recharges.n; i++)
		if (m->recharges.at[i].userdata == userdata)
			m->recharges.at[i].done = NULL;
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
		if ((strncmp(e->d_name, "held-", 5) == 0 || strncmp(e->d_name, "zombie-", 7) == 0 ||
		     strncmp(e->d_name, "bus-", 4) == 0) && strstr(e->d_name, ".result"))
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <string.h>
#include <time.h>

#include "census.h"
#include "cgroup.h"
#include "config.h"
#include "explain.h"
#include "log.h"
#include "manager.h"
#include "policy.h"
#include "request.h"
#include "utf8.h"
#include "util.h"

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
/* The bus answers at once or is in trouble; the heartbeat must not wait for it. */
#define CALL_USEC (1 * MCR_USEC_PER_SEC)
#define RECONNECT_USEC (2 * MCR_USEC_PER_SEC)
/* Listed at most: an answer of some hundred kilobytes. */
#define LISTED_MAX 4096
#define NAME_SIZE 4096

/* ---- Methods that only tell ---- */

static int append_zombie(sd_bus_message *answer, const struct manager *m, const struct mcr_zombie *z)
{
	const struct known *k = zombies_find(&m->zombies, z->id);
	const struct mcr_policy *p = coverage_policy(m, z->id, z->path, NULL);
	char path[NAME_SIZE], why[NAME_SIZE];

	return sd_bus_message_append(answer, "(tsttsbs)", z->id, mcr_utf8_clean(z->path, path, sizeof(path)), z->refs,
				     mcr_zombie_pages(z) * sysconf(_SC_PAGESIZE), p ? p->name : "",
				     k && k->pinned, k && k->pinned ? mcr_utf8_clean(zombie_why(k, z), why, sizeof(why)) : "");
}

static int on_list_zombies(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
	const struct manager *m = userdata;
	int r = sd_bus_message_new_method_return(call, &answer);

	(void)error;
	if (r >= 0)
		r = sd_bus_message_open_container(answer, 'a', "(tsttsbs)");
	for (size_t i = 0; r >= 0 && m->census && i < m->census->n && i < LISTED_MAX; i++)
		r = append_zombie(answer, m, &m->census->zombies[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(answer);
	return r < 0 ? r : sd_bus_send(NULL, answer, NULL);
}

static int on_get_status(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	auto_(freep) char *text = report_text(userdata);

	(void)error;
	return text ? sd_bus_reply_method_return(call, "s", text) : -ENOMEM;
}

static int on_get_features(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const struct manager *m = userdata;

	(void)error;
	return sd_bus_reply_method_return(call, "a(sbs)", 3,
		"gate", m->gate != NULL, m->gate ? mcr_gate_how_name(mcr_gate_how(m->gate)) : m->gate_why,
		"names", m->walker != NULL, m->walker ? "by BPF" : m->walker_why,
		"recharge", !m->recharges.why_not, m->recharges.why_not ? m->recharges.why_not : "by rewriting");
}

static int append_setting(sd_bus_message *answer, const struct mcr_setting *s)
{
	char from[NAME_SIZE], clean[NAME_SIZE], value[1024];

	if (!s->said->file)
		strcpy(from, "built in");
	else
		snprintf(from, sizeof(from), "%s:%u%s", s->said->file, s->said->line,
			 s->said->inherited ? ", of policy default" : "");
	return sd_bus_message_append(answer, "(sss)", s->key, mcr_utf8_clean(s->said->text, value, sizeof(value)),
				     mcr_utf8_clean(from, clean, sizeof(clean)));
}

static int id_and_path(struct manager *m, const char *name, uint64_t *ret_id, char **ret_path)
{
	auto_(closep) int fd = mcr_cgroup_open_path(m->h, name);
	int r = fd < 0 ? fd : mcr_cgroup_id(fd, ret_id);

	return r < 0 ? r : mcr_cgroup_path(m->h, fd, ret_path);
}

static int on_get_policy(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
	auto_(freep) char *path = NULL;
	struct manager *m = userdata;
	const struct mcr_policy *p;
	const char *name, *why = NULL;
	char clean[NAME_SIZE];
	struct mcr_setting s;
	uint64_t id;
	int r = sd_bus_message_read(call, "s", &name);

	if (r < 0)
		return r;
	if (id_and_path(m, name, &id, &path) < 0)
		return sd_bus_error_set(error, BUS_ERROR_NO_SUCH_CGROUP, "there is no such cgroup");
	p = coverage_policy(m, id, path, &why);
	if (!p)
		return sd_bus_error_set(error, BUS_ERROR_NOT_COVERED, "no policy covers this cgroup");
	r = sd_bus_message_new_method_return(call, &answer);
	if (r >= 0)
		r = sd_bus_message_append(answer, "ss", p->name, mcr_utf8_clean(why, clean, sizeof(clean)));
	if (r >= 0)
		r = sd_bus_message_open_container(answer, 'a', "(sss)");
	for (size_t i = 0; r >= 0 && mcr_policy_setting(p, i, &s); i++)
		r = append_setting(answer, &s);
	if (r >= 0)
		r = sd_bus_message_close_container(answer);
	return r < 0 ? r : sd_bus_send(NULL, answer, NULL);
}

/* ---- Methods that change something: request.c ---- */

static int on_drain_unit(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *unit;
	uint64_t timeout;
	int r = sd_bus_message_read(call, "st", &unit, &timeout);

	return r < 0 ? r : request_drain_unit(userdata, call, unit, timeout, error);
}

static int on_drain_cgroup(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *path;
	uint64_t timeout;
	int r = sd_bus_message_read(call, "st", &path, &timeout);

	return r < 0 ? r : request_drain_cgroup(userdata, call, path, timeout, error);
}

int bus_sender_uid(const struct manager *m, sd_bus_message *call, uid_t *ret)
{
	auto_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
	int r;

	if (direct_sender(m, sd_bus_message_get_bus(call), ret))
		return 0;
	r = sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds);
	return r < 0 ? r : sd_bus_creds_get_euid(creds, ret);
}

static int on_explain(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	uint64_t id;
	int r = sd_bus_message_read(call, "t", &id);

	return r < 0 ? r : explain_start(userdata, call, id, error);
}

static int on_reap(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return request_reap(userdata, call, error);
}

static int on_recharge(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *source, *owner;
	int dry_run;
	int r = sd_bus_message_read(call, "ssb", &source, &owner, &dry_run);

	return r < 0 ? r : request_recharge(userdata, call, source, owner, dry_run, error);
}

static int on_reload(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return request_reload(userdata, call, error);
}

/* ---- Properties ---- */

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(answer, "s", MCR_VERSION);
}

static int get_generation(sd_bus *bus, const char *path, const char *interface, const char *property,
			  sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	const struct manager *m = userdata;

	(void)bus, (void)path, (void)interface, (void)property, (void)error;
	return sd_bus_message_append(answer, "u", m->config->generation);
}

/* ---- Signals ---- */

static void emit(struct manager *m, const char *signal, uint64_t id, const char *path, const char *reason)
{
	char clean[NAME_SIZE], why[KNOWN_WHY_MAX * 4];

	if (!m->bus_ready)
		return;
	mcr_utf8_clean(path, clean, sizeof(clean));
	if (reason)
		sd_bus_emit_signal(m->bus, BUS_PATH, BUS_INTERFACE, signal, "tss", id, clean,
				   mcr_utf8_clean(reason, why, sizeof(why)));
	else
		sd_bus_emit_signal(m->bus, BUS_PATH, BUS_INTERFACE, signal, "ts", id, clean);
}

void bus_zombie_found(struct manager *m, uint64_t id, const char *path)
{
	emit(m, "ZombieFound", id, path, NULL);
}

void bus_zombie_gone(struct manager *m, uint64_t id, const char *path)
{
	emit(m, "ZombieGone", id, path, NULL);
}

void bus_zombie_pinned(struct manager *m, uint64_t id, const char *path, const char *reason)
{
	emit(m, "ZombiePinned", id, path, reason);
}

void bus_settled(struct manager *m, uint64_t id, const char *path, uint64_t freed_bytes, uint64_t left_bytes)
{
	char clean[NAME_SIZE];

	if (m->bus_ready)
		sd_bus_emit_signal(m->bus, BUS_PATH, BUS_INTERFACE, "CgroupSettled", "tstt", id,
				   mcr_utf8_clean(path, clean, sizeof(clean)), freed_bytes, left_bytes);
}

/* Everybody may call: request.c asks who it is where something is changed. */
static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("ConfigGeneration", "u", get_generation, 0, 0),
	SD_BUS_PROPERTY("Zombies", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Pinned", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Held", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Waiting", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Reaped", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Settled", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Recharging", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("RechargedBytes", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("RechargesRefused", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("RechargesUnanswered", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("NotPutRight", "t", bus_get_figure, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_METHOD_WITH_ARGS("ListZombies", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("a(tsttsbs)", id_path_references_bytes_policy_pinned_reason),
				on_list_zombies, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), on_get_status,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetFeatures", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sbs)", name_available_detail),
				on_get_features, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetPolicy", SD_BUS_ARGS("s", cgroup),
				SD_BUS_RESULT("s", policy, "s", slice, "a(sss)", key_value_origin), on_get_policy,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("DrainUnit", SD_BUS_ARGS("s", unit, "t", timeout_usec),
				SD_BUS_RESULT("s", result, "t", freed_bytes, "t", left_bytes), on_drain_unit,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("DrainCgroup", SD_BUS_ARGS("s", cgroup, "t", timeout_usec),
				SD_BUS_RESULT("s", result, "t", freed_bytes, "t", left_bytes), on_drain_cgroup,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("t", id), SD_BUS_RESULT("s", json), on_explain,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Reap", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("t", dying_before, "t", dying_after, "s", refused_because), on_reap,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Recharge", SD_BUS_ARGS("s", source, "s", owner, "b", dry_run), SD_BUS_RESULT("s", json),
				on_recharge, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", complaints), on_reload,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL_WITH_ARGS("ZombieFound", SD_BUS_ARGS("t", id, "s", path), 0),
	SD_BUS_SIGNAL_WITH_ARGS("ZombieGone", SD_BUS_ARGS("t", id, "s", path), 0),
	SD_BUS_SIGNAL_WITH_ARGS("ZombiePinned", SD_BUS_ARGS("t", id, "s", path, "s", reason), 0),
	SD_BUS_SIGNAL_WITH_ARGS("CgroupSettled",
				SD_BUS_ARGS("t", id, "s", path, "t", freed_bytes, "t", left_bytes), 0),
	SD_BUS_VTABLE_END
};

int bus_add_methods(sd_bus *bus, struct manager *m)
{
	return sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_INTERFACE, vtable, m);
}

/* ---- Connection ---- */

static int connect_bus(struct manager *m);

static void drop_bus(struct manager *m)
{
	m->bus_ready = false;
	requests_cancel(m, m->bus);
	explain_cancel(m, m->bus);
	m->bus = sd_bus_close_unref(m->bus);
}

static void reconnect_later(struct manager *m)
{
	sd_event_source_set_time_relative(m->bus_timer, RECONNECT_USEC);
	sd_event_source_set_enabled(m->bus_timer, SD_EVENT_ONESHOT);
}

static int on_reconnect(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;

	(void)source;
	(void)usec;
	drop_bus(m);
	if (connect_bus(m) < 0)
		reconnect_later(m);
	return 0;
}

/* Not at once: the bus is being restarted, and this is called from within its connection. */
static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;

	(void)message;
	(void)error;
	log_info("the system bus has gone, waiting for it to come back");
	m->bus_ready = false;
	reconnect_later(m);
	return 0;
}

static int on_name(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;

	(void)error;
	if (sd_bus_message_is_method_error(answer, NULL)) {
		log_msg(m->bus_refused ? LOG_DEBUG : LOG_WARNING, "cannot have the name " BUS_NAME " on the bus: %s, trying again",
			sd_bus_message_get_error(answer)->message);
		m->bus_refused = true;
		reconnect_later(m);
		return 0;
	}
	m->bus_ready = true;
	m->bus_refused = false;
	log_debug("on the bus as " BUS_NAME);
	cycle_now(m);	/* what waits to be recharged is asked for over it */
	return 0;
}

static int new_bus(sd_bus **ret)
{
	auto_(sd_bus_unrefp) sd_bus *bus = NULL;
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address ? address : SYSTEM_BUS);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, true);
	if (r >= 0)
		r = sd_bus_set_watch_bind(bus, true);	/* no socket yet: wait for it */
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		*ret = steal_ptr(bus);
	return r;
}

static int connect_bus(struct manager *m)
{
	int r = new_bus(&m->bus);

	if (r < 0)
		return r;
	r = bus_add_methods(m->bus, m);
	if (r >= 0)
		r = sd_bus_match_signal_async(m->bus, NULL, "org.freedesktop.DBus.Local", NULL,
					      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, m);
	if (r >= 0)
		r = sd_bus_request_name_async(m->bus, NULL, BUS_NAME, 0, on_name, m);
	/* From here on: the name may take its time. */
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(m->bus, CALL_USEC);
	if (r >= 0)
		r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
	return r;
}

int bus_start(struct manager *m)
{
	int r = sd_event_add_time_relative(m->event, &m->bus_timer, CLOCK_MONOTONIC, 0, 0, on_reconnect, m);

	if (r >= 0)
		r = sd_event_source_set_enabled(m->bus_timer, SD_EVENT_OFF);
	if (r < 0)
		return r;
	if (connect_bus(m) < 0) {
		log_warning("cannot connect to the system bus, going on without for now");
		reconnect_later(m);
	}
	return 0;
}

void bus_stop(struct manager *m)
{
	requests_cancel_all(m);
	explain_cancel(m, NULL);
	m->bus_ready = false;
	m->bus = sd_bus_close_unref(m->bus);	/* not flushed: that may take for ever */
	m->bus_timer = sd_event_source_disable_unref(m->bus_timer);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "census.h"
#include "cgroup.h"
#include "config.h"
#include "drain.h"
#include "fileio.h"
#include "gate.h"
#include "hierarchy.h"
#include "log.h"
#include "memcost.h"
#include "restore.h"
#include "shield.h"
#include "sync.h"
#include "util.h"

/* Well within the least HeartbeatMaxSec= (2 s). */
#define TICK_USEC (500 * 1000ULL)
/* Between cycles the status follows what happens at this pace. */
#define REPORT_PAUSE_NSEC (2 * MCR_NSEC_PER_SEC)

void complain_about_config(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	(void)userdata;
	log_warning("%s:%u: %s%s%s", file, line, key, *key ? ": " : "", what);
}

bool manager_may_sync(struct manager *m)
{
	uint64_t dirty, now = mcr_now_ns();

	if (!m->config->sync || now - m->synced_ns < m->config->sync_usec * MCR_NSEC_PER_USEC)
		return false;
	if (mcr_dirty_bytes(m->proc_fd, &dirty) < 0 || dirty > m->config->sync_max_bytes)
		return false;
	m->synced_ns = now;
	return true;
}

static struct mcr_gate_opts gate_opts(const struct manager *m)
{
	return (struct mcr_gate_opts){
		.mount = mcr_hierarchy_path(m->h),
		.heartbeat_max_ns = m->config->heartbeat_max_usec * MCR_NSEC_PER_USEC,
		.hold_max_ns = m->config->hold_max_usec * MCR_NSEC_PER_USEC,
		.reuse_grace_ns = m->config->reuse_grace_usec * MCR_NSEC_PER_USEC,
		.held_max = m->config->gate && !m->config->dry_run ? m->config->held_max : 0,
	};
}

static void set_exceptions(struct manager *m)
{
	mcr_gate_except_prefix(m->gate, "memcg-reaper-");	/* our own: decoys, probes */
	for (size_t i = 0; m->config->except && m->config->except[i]; i++) {
		const char *prefix = m->config->except[i];

		if (*prefix && mcr_gate_except_prefix(m->gate, prefix) < 0)
			log_warning("Except=%s cannot be used by the gate (15 prefixes of 16 bytes at most)", prefix);
	}
}

static uint64_t id_of(const struct manager *m, const char *path)
{
	auto_(closep) int fd = mcr_cgroup_open_path(m->h, path);
	uint64_t id = 0;

	if (fd >= 0)
		mcr_cgroup_id(fd, &id);
	return id;
}

/* Slices come and go: cover those that are there now. */
static void refresh_covers(struct manager *m)
{
	for (size_t i = 0; i < m->n_covers; i++) {
		struct cover *c = &m->covers[i];
		uint64_t id = id_of(m, c->path);

		if (id == c->id)
			continue;
		if (c->id)
			mcr_gate_uncover(m->gate, c->id);
		if (id && mcr_gate_cover(m->gate, id, true) < 0)
			continue;	/* tried again with the next tick */
		c->id = id;
	}
}

static int set_covers(struct manager *m)
{
	struct cover *covers;
	size_t n = 0;

	for (size_t i = 0; m->config->cover && m->config->cover[i]; i++)
		n++;
	covers = calloc(n + 1, sizeof(*covers));
	if (!covers) {
		m->n_covers = 0;	/* the old ones point into a configuration that goes */
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->n_covers; i++)
		if (m->covers[i].id && m->gate)
			mcr_gate_uncover(m->gate, m->covers[i].id);
	free(m->covers);
	m->covers = covers;
	m->n_covers = 0;
	for (size_t i = 0; i < n; i++)
		if (*m->config->cover[i])
			m->covers[m->n_covers++].path = m->config->cover[i];
	if (m->gate)
		refresh_covers(m);
	return 0;
}

static int on_gate_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct manager *m = userdata;
	int r = mcr_gate_dispatch(m->gate);

	(void)source;
	(void)fd;
	(void)events;
	if (r < 0)
		log_error("cannot read the gate's events: %s, ignoring", strerror(-r));
	return 0;
}

/* Without a gate the daemon still reaps: what is missing is said once. */
static int open_gate(struct manager *m)
{
	struct mcr_gate_opts opts = gate_opts(m);
	int r;

	if (!m->config->gate) {
		m->gate_why = "Gate=no";
		return 0;
	}
	if (mkdir(PIN_DIR, 0700) == 0 || errno == EEXIST)
		opts.pin_dir = PIN_DIR;
	else
		log_warning("cannot make " PIN_DIR ": %m; what is held is not remembered over a crash");
	r = mcr_gate_new(&opts, settle_on_event, m, &m->gate, &m->gate_why);
	if (r < 0) {
		log_warning("no gate, zombies are reaped after they are made: %s (%s)", m->gate_why, strerror(-r));
		return 0;
	}
	set_exceptions(m);
	r = sd_event_add_io(m->event, NULL, mcr_gate_fd(m->gate), EPOLLIN, on_gate_readable, m);
	if (r < 0)
		return r;
	r = settle_adopt(m);
	if (r < 0)
		log_error("cannot adopt what a predecessor held: %s, ignoring", strerror(-r));
	log_info("gate is active, by %s", mcr_gate_how_name(mcr_gate_how(m->gate)));
	return 0;
}

static void open_census(struct manager *m)
{
	int r = mcr_census_walker_new(&m->walker, &m->walker_why);

	if (r < 0)
		log_warning("no census by name, zombies are counted per subtree: %s (%s)", m->walker_why, strerror(-r));
	if (mcr_memcost_estimate(&m->zombie_cost_bytes) < 0)
		m->zombie_cost_bytes = 0;
}

/* A timer is off once it has fired. */
static int again_in(sd_event_source *source, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(source, usec);

	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;

	(void)usec;
	if (m->gate) {
		refresh_covers(m);
		mcr_gate_heartbeat(m->gate);
	}
	if (m->report_due && mcr_now_ns() - m->reported_ns >= REPORT_PAUSE_NSEC)
		report_write(m);
	return again_in(source, TICK_USEC);
}

/* Parse new, then swap; a file that cannot be read leaves everything as it was. */
static void reload(struct manager *m)
{
	auto_(mcr_config_freep) struct mcr_config *fresh = NULL;
	struct mcr_config *old = m->config;
	struct mcr_gate_opts opts;
	int r = mcr_config_new(&fresh);

	if (r == 0)
		r = mcr_config_read(fresh, m->config_path, complain_about_config, NULL);
	if (r < 0 && r != -ENOENT) {
		log_error("cannot read %s: %s, keeping the configuration", m->config_path, strerror(-r));
		return;
	}
	m->config = steal_ptr(fresh);
	if (m->gate) {
		opts = gate_opts(m);
		mcr_gate_reset(m->gate, &opts);
		set_exceptions(m);
	}
	r = set_covers(m);
	if (m->gate)
		mcr_gate_heartbeat(m->gate);
	mcr_config_free(old);
	budget_init(&m->budget, m->config->budget_bytes, m->config->budget_usec, mcr_now_ns());
	if (r < 0)
		log_error("out of memory, covering nothing");
	else
		log_info("configuration read again");
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)info;
	sd_notify(0, "RELOADING=1");
	reload(userdata);
	sd_notify(0, "READY=1");
	return 0;
}

static int add_signals(struct manager *m)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGHUP, on_hangup, m);
	return r;
}

static int add_timers(struct manager *m)
{
	int r = settle_start(m);

	if (r >= 0)
		r = sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, 0, 10000, on_tick, m);
	if (r >= 0)
		r = cycle_start_timer(m);
	return r;
}

static int start_loop(struct manager *m)
{
	int r = sd_event_default(&m->event);

	if (r >= 0)
		r = add_signals(m);
	if (r >= 0)
		r = sd_event_set_watchdog(m->event, true);
	return r >= 0 ? add_timers(m) : r;
}

static void tell_recovered(const char *what, int r)
{
	if (r > 0)
		log_notice("put back %s, which a killed process had changed", what);
	else if (r < 0 && r != -EBUSY)
		log_error("cannot put back %s: %s; the journal is kept", what, strerror(-r));
}

void manager_recover(struct manager *m)
{
	tell_recovered("memory.min", mcr_shield_recover(m->h, m->run_fd));
	tell_recovered("memory.swap.max", mcr_restore_recover(m->h, m->run_fd, MCR_DRAIN_JOURNAL));
}

static int open_dirs(struct manager *m)
{
	m->run_fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->run_fd < 0)
		return log_error("cannot open " RUN_DIR ": %m"), -errno;
	m->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m->proc_fd < 0 ? -errno : 0;
}

static int read_config(struct manager *m)
{
	int r = mcr_config_new(&m->config);

	if (r == 0)
		r = mcr_config_read(m->config, m->config_path, complain_about_config, NULL);
	if (r == -ENOENT)
		return 0;	/* all defaults */
	if (r < 0 && m->config) {
		log_warning("cannot read %s: %s, using the defaults", m->config_path, strerror(-r));
		return 0;
	}
	return r;
}

int manager_new(const char *config_path, struct manager **ret)
{
	auto_(manager_freep) struct manager *m = calloc(1, sizeof(*m));
	const char *why = NULL;
	int r;

	if (!m)
		return -ENOMEM;
	m->run_fd = m->proc_fd = -EBADF;
	m->config_path = config_path;
	m->started_ns = mcr_now_ns();
	r = mcr_hierarchy_find(&m->h, &why);
	if (r < 0)
		return log_error("cannot work here: %s", why), r;
	r = read_config(m);
	if (r >= 0)
		r = open_dirs(m);
	if (r >= 0) {
		manager_recover(m);
		r = start_loop(m);
	}
	if (r < 0)
		return r;
	budget_init(&m->budget, m->config->budget_bytes, m->config->budget_usec, m->started_ns);
	open_census(m);
	r = open_gate(m);
	if (r >= 0)
		r = set_covers(m);
	if (r < 0)
		return r;
	*ret = steal_ptr(m);
	return 0;
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;
	job_kill(&m->settle_job);
	job_kill(&m->cycle_job);
	sd_event_source_unref(m->settle_timer);
	sd_event_source_unref(m->cycle_timer);
	mcr_gate_free(m->gate);
	sd_event_unref(m->event);
	mcr_census_free(m->census);
	mcr_census_walker_free(m->walker);
	held_table_clear(&m->held);
	zombies_clear(&m->zombies);
	free(m->covers);
	mcr_config_free(m->config);
	mcr_hierarchy_free(m->h);
	close_fd(m->run_fd);
	close_fd(m->proc_fd);
	free(m);
	return NULL;
}

int manager_run(struct manager *m)
{
	int r;

	if (m->gate)
		mcr_gate_heartbeat(m->gate);
	sd_notify(0, "READY=1");
	log_info("ready");
	r = sd_event_loop(m->event);
	sd_notify(0, "STOPPING=1");
	job_kill(&m->cycle_job);
	job_kill(&m->settle_job);
	manager_recover(m);
	if (m->gate) {
		settle_release_all(m);
		mcr_gate_unpin(m->gate);
	}
	unlinkat(m->run_fd, STATUS_FILE, 0);
	return r;
}

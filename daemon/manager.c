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
#include "policy.h"
#include "restore.h"
#include "shield.h"
#include "sync.h"
#include "util.h"

/* Well within the least HeartbeatMaxSec= (2 s). */
#define TICK_USEC (500 * 1000ULL)
/* Between cycles the status follows what happens at this pace. */
#define REPORT_PAUSE_NSEC (2 * MCR_NSEC_PER_SEC)
#define COMPLAINTS_MAX 20

/* A file may be wrong in every line: enough is said after some. */
static void complain_about_config(const char *file, unsigned int line, const char *key, const char *what,
				  void *userdata)
{
	unsigned int *n = userdata;

	if ((*n)++ < COMPLAINTS_MAX)
		log_warning("%s:%u: %s%s%s", file, line, key, *key ? ": " : "", what);
	else if (*n == COMPLAINTS_MAX + 1)
		log_warning("%s:%u: and more; see `memcg-reaper policy check`", file, line);
}

/* Is there a timer of this name?  Where units are, as systemd looks for them. */
static bool has_timer(const char *unit)
{
	static const char *const dirs[] = {
		"/etc/systemd/system", "/run/systemd/system", "/run/systemd/transient", "/usr/lib/systemd/system",
		"/lib/systemd/system",
	};
	const char *dot = strrchr(unit, '.');
	char path[256];

	for (size_t i = 0; dot && i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%.*s.timer", dirs[i], (int)(dot - unit), unit);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

void manager_note_churn(struct manager *m, const char *path, enum churn_what what, const char *pin)
{
	uint64_t before = m->churn.made;
	struct churn_maker *maker = churn_note(&m->churn, path, what, mcr_now_ns());

	if (!maker)
		return;
	if (m->churn.made > before || what == CHURN_ZOMBIE)
		maker->timer = has_timer(maker->unit);
	if (pin)
		maker->pin = pin;
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

struct mcr_gate_opts manager_gate_opts(const struct manager *m, const struct mcr_config *config)
{
	return (struct mcr_gate_opts){
		.mount = mcr_hierarchy_path(m->h),
		.heartbeat_max_ns = config->heartbeat_max_usec * MCR_NSEC_PER_USEC,
		.reuse_grace_ns = config->reuse_grace_usec * MCR_NSEC_PER_USEC,
		.held_max = config->held_max < UINT32_MAX ? config->held_max : UINT32_MAX,
	};
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
	struct mcr_gate_opts opts = manager_gate_opts(m, m->config);
	int r;

	if (mkdir(PIN_DIR, 0700) == 0 || errno == EEXIST)
		opts.pin_dir = PIN_DIR;
	else
		log_warning("cannot make " PIN_DIR ": %m; what is held is not remembered over a crash");
	r = mcr_gate_new(&opts, settle_on_event, m, &m->gate, &m->gate_why);
	if (r < 0) {
		log_event(EVENT_MISSING, LOG_WARNING, "no gate, zombies are reaped after they are made: %s (%s)", m->gate_why, strerror(-r));
		return 0;
	}
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
		log_event(EVENT_MISSING, LOG_WARNING, "no census by name, zombies are counted per subtree: %s (%s)",
			  m->walker_why, strerror(-r));
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
		coverage_refresh(m);
		mcr_gate_heartbeat(m->gate);
	}
	bus_properties_changed(m);
	direct_expire(m);
	recharges_expire(m);
	if (m->report_due && mcr_now_ns() - m->reported_ns >= REPORT_PAUSE_NSEC)
		report_write(m);
	return again_in(source, TICK_USEC);
}

/* A budget per policy of this configuration; what was spent under its name stays spent. */
static struct budget *make_budgets(struct manager *m, const struct mcr_config *config)
{
	struct budget *budgets = calloc(config->n_policies, sizeof(*budgets));
	uint64_t now = mcr_now_ns();

	for (size_t i = 0; budgets && i < config->n_policies; i++) {
		const struct mcr_policy *p = config->policies[i];
		const struct mcr_policy *old = m->budgets ? mcr_policy_named(m->config, p->name) : NULL;

		if (old)
			budgets[i] = m->budgets[old->index];
		budget_resize(&budgets[i], p->budget_bytes, config->budget_usec, now);
	}
	return budgets;
}

/* Makes m->next what holds, or leaves everything as it was. */
static int put_in_force(struct manager *m)
{
	struct budget *budgets = make_budgets(m, m->next);
	int r = budgets ? 0 : -ENOMEM;

	m->next->generation = m->config->generation + 1;
	if (r == 0)
		r = coverage_apply(m, m->next);
	if (r < 0) {
		free(budgets);
		return r;
	}
	m->retired = m->config;
	m->config = steal_ptr(m->next);
	free(m->budgets);
	m->budgets = budgets;
	budget_resize(&m->budget, m->config->budget_bytes, m->config->budget_usec, mcr_now_ns());
	/* Events of the old set name its policies: they are taken while it is still there. */
	if (m->gate)
		mcr_gate_dispatch(m->gate);
	m->retired = mcr_config_unref(m->retired);
	return 0;
}

int manager_reload(struct manager *m)
{
	auto_(freep) char *path = NULL;
	unsigned int said = 0;
	int r, n;

	n = mcr_config_load(NULL, m->config_path, complain_about_config, &said, &m->next, &path);
	if (n < 0) {
		log_event(EVENT_CONFIG, LOG_ERR, "cannot read %s: %s, keeping the configuration as it was",
			  path ? path : "the configuration", strerror(-n));
		return n;
	}
	r = put_in_force(m);
	m->next = mcr_config_unref(m->next);
	if (r < 0) {
		log_error("cannot put the configuration in force: %s", strerror(-r));
		return r;
	}
	log_info("configuration read again: %zu policies, %d complaints", m->config->n_policies, n);
	settle_soon(m);
	m->report_due = true;
	return n;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)info;
	sd_notify(0, "RELOADING=1");
	manager_reload(userdata);
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
		r = requests_start(m);
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
		log_event(EVENT_RESTORED, LOG_NOTICE, "put back %s, which a killed process had changed", what);
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
	auto_(freep) char *path = NULL;
	unsigned int said = 0;
	int r = mcr_config_load(NULL, m->config_path, complain_about_config, &said, &m->config, &path);

	if (r >= 0)
		return 0;
	log_event(EVENT_CONFIG, LOG_ERR, "cannot read %s: %s, using the defaults for everything",
		  path ? path : "the configuration", strerror(-r));
	r = mcr_config_new(&m->config);
	return r < 0 ? r : mcr_config_finish(m->config, NULL, NULL);
}

int manager_new(const char *config_path, struct manager **ret)
{
	auto_(manager_freep) struct manager *m = calloc(1, sizeof(*m));
	const char *why = NULL;
	int r;

	if (!m)
		return -ENOMEM;
	m->run_fd = m->proc_fd = m->explain_fd = m->recharges.dir_fd = -EBADF;
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
	open_census(m);
	recharges_start(m);
	m->budgets = make_budgets(m, m->config);
	budget_resize(&m->budget, m->config->budget_bytes, m->config->budget_usec, m->started_ns);
	r = m->budgets ? open_gate(m) : -ENOMEM;
	if (r >= 0)
		r = coverage_apply(m, m->config);
	if (r >= 0)
		r = bus_start(m);
	if (r < 0)
		return r;
	r = direct_start(m);
	if (r < 0)
		log_warning("cannot listen at " RUN_DIR "/" DIRECT_SOCKET ": %s; callers need the system bus", strerror(-r));
	*ret = steal_ptr(m);
	return 0;
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;
	bus_stop(m);
	direct_stop(m);
	recharges_stop(m);
	job_kill(&m->settle_job);
	job_kill(&m->cycle_job);
	job_kill(&m->look_job);
	job_kill(&m->explain_job);
	sd_event_source_unref(m->requests.timer);
	sd_event_source_unref(m->settle_timer);
	sd_event_source_unref(m->cycle_timer);
	mcr_gate_free(m->gate);
	sd_event_unref(m->event);
	mcr_census_free(m->census);
	mcr_census_walker_free(m->walker);
	held_table_clear(&m->held);
	zombies_clear(&m->zombies);
	churn_clear(&m->churn);
	coverage_clear(&m->coverage);
	free(m->budgets);
	mcr_config_unref(m->config);
	mcr_hierarchy_free(m->h);
	close_fd(m->explain_fd);
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
	job_kill(&m->look_job);
	job_kill(&m->explain_job);
	job_kill(&m->cycle_job);
	job_kill(&m->settle_job);
	manager_recover(m);
	if (m->gate) {
		settle_release_all(m);
		mcr_gate_unpin(m->gate);
	}
	bus_stop(m);
	direct_stop(m);
	unlinkat(m->run_fd, STATUS_FILE, 0);
	return r;
}

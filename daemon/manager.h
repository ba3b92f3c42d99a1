/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's state and its event loop.  manager.c owns it and keeps the heartbeat; settle.c deals
 * with held cgroups, cycle.c with zombies, report.c tells the world.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "budget.h"
#include "bus.h"
#include "churn.h"
#include "coverage.h"
#include "direct.h"
#include "drain.h"
#include "held.h"
#include "request.h"
#include "job.h"
#include "recharge.h"
#include "zombies.h"

#define RUN_DIR "/run/memcg-reaper"
#define PIN_DIR "/sys/fs/bpf/memcg-reaper"
#define STATUS_FILE "status.json"
#define TREND_LEN 16

/* Since the daemon was started. */
struct totals {
	uint64_t settled;		/* held cgroups removed with nothing left */
	uint64_t settled_with_rest;	/* removed although something was left: they became zombies */
	uint64_t reused;
	uint64_t drained_bytes;
	uint64_t reaped;		/* zombies that went */
	uint64_t reaped_bytes;		/* taken by shielded reclaim */
	uint64_t lost_bytes;		/* taken from live cgroups meanwhile */
	uint64_t rounds;
	uint64_t rounds_refused;	/* by pressure, budget, or a limit that was near */
	uint64_t late_workers;
};

struct manager {
	sd_event *event;
	struct mcr_hierarchy *h;
	struct mcr_config *config;
	struct mcr_config *next;	/* read, not yet in force */
	struct mcr_config *retired;	/* while the last events of its time are taken */
	const char *config_path;	/* NULL: the files that count */
	int run_fd, proc_fd;

	struct mcr_gate *gate;
	const char *gate_why;		/* why there is none */
	struct coverage coverage;

	struct mcr_census_walker *walker;
	const char *walker_why;
	struct mcr_census *census;	/* the latest */
	uint64_t zombie_cost_bytes;	/* kernel memory each takes; 0: unknown */

	sd_bus *bus;			/* NULL: no connection now */
	sd_event_source *bus_timer;	/* until the next try */
	bool bus_ready;			/* our name is ours */
	bool bus_refused;		/* it is not, and that has been said */
	struct bus_figures bus_told;	/* the properties as last told */
	struct direct direct;
	struct requests requests;
	struct recharges recharges;

	struct held_table held;
	uint64_t ring_readings;		/* of the gate's events, all there were */
	struct job settle_job;
	sd_event_source *settle_timer;
	struct mcr_drain_item draining[MCR_DRAIN_BATCH];	/* what the settle worker has */
	size_t n_draining;
	uint64_t synced_ns;

	struct zombie_table zombies;
	struct churn churn;
	struct job cycle_job;
	struct job look_job;		/* at the pins of survivors */
	struct job explain_job;		/* for a caller */
	sd_bus_message *explain_call;	/* NULL: the caller has gone */
	int explain_fd;
	int32_t explain_result;
	uint64_t looking[64];
	bool looked_first;		/* some of these wait for a round */
	sd_event_source *cycle_timer;
	bool first_cycle;
	struct budget budget;		/* of the machine */
	struct budget *budgets;		/* by mcr_policy.index */
	unsigned int reap_generation;	/* of the configuration the round under way was planned with */
	const char *told_note;		/* the refusal that was logged last */
	const char *cycle_note;		/* what the last round was refused for; NULL: it was not */
	uint64_t trend[TREND_LEN];	/* zombies after the last cycles, oldest first */
	size_t n_trend;

	bool report_due;		/* something changed since the status was written */
	uint64_t reported_ns;
	struct totals totals;
	uint64_t started_ns;
};

/* Sets up everything; what the kernel refuses is logged and done without. 0 or errno. */
int manager_new(const char *config_path, struct manager **ret);
struct manager *manager_free(struct manager *m);
static inline void manager_freep(struct manager **m)
{
	*m = manager_free(*m);
}

/* Runs until SIGTERM or SIGINT, then lets go of everything held. 0 or errno. */
int manager_run(struct manager *m);

/* settle.c: held cgroups. */
struct mcr_gate_event;
void settle_on_event(const struct mcr_gate_event *event, void *userdata);
int settle_adopt(struct manager *m);
void settle_soon(struct manager *m);
void settle_release_all(struct manager *m);
int settle_start(struct manager *m);
void settle_recharged(struct manager *m, uint64_t id);	/* what could be moved was moved */
void settle_swapped_out(struct manager *m, uint64_t id);	/* what is left is moved when the cgroup is gone */

/* cycle.c: zombies. */
int cycle_start_timer(struct manager *m);
struct zombie_times cycle_times(const struct manager *m);
uint64_t cycle_count_due(const struct manager *m, uint64_t *ret_pinned);
uint64_t cycle_dying(const struct manager *m);	/* in the latest census, grace period or not */
void cycle_now(struct manager *m);		/* begins one, or goes on with the one under way */

/* Counts a cgroup that was removed with memory; pin: what keeps it, static, or NULL. */
void manager_note_churn(struct manager *m, const char *path, enum churn_what what, const char *pin);

/* What the gate needs to know of a configuration. */
struct mcr_gate_opts manager_gate_opts(const struct manager *m, const struct mcr_config *config);

/* Reads the configuration again; what was in force stays if that fails. 0, a number of complaints, or errno. */
int manager_reload(struct manager *m);

/* Puts back what killed workers (ours, or of a `memcg-reaper reap`) had changed; tells of it. */
void manager_recover(struct manager *m);

/* Whether a sync is allowed now (Sync=, SyncSec=, SyncMaxBytes=); if so it counts as made. */
bool manager_may_sync(struct manager *m);

/* report.c: status file, STATUS= of the service. */
void report_write(struct manager *m);
char *report_text(const struct manager *m);	/* what is in the file, allocated; NULL without memory */


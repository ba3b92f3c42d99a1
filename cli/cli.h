/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcg-reaper: a file per verb, each with one function verb_NAME() that takes what is left of the
 * command line and returns the exit code.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

struct json_object;
struct mcr_hierarchy;
struct mcr_config;

/* Exit codes, documented in memcg-reaper(8). */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_UNSUPPORTED = 3,	/* no cgroup v2 with a memory controller */
	CLI_PARTIAL = 5,	/* done what could be done, something is left */
};

#define CLI_RUN_DIR "/run/memcg-reaper"
#define CLI_STATUS_FILE CLI_RUN_DIR "/status.json"

int verb_status(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_explain(int argc, char **argv);
int verb_reap(int argc, char **argv);
int verb_drain(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_policy(int argc, char **argv);
int verb_owners(int argc, char **argv);
int verb_recharge(int argc, char **argv);

/*
 * explain-asked.c: explains by asking the daemon, for who may not look himself. 0; -ENOENT: no zombie of the caller's is
 * meant; -ESRCH: no daemon; or errno.
 */
int explain_asked(const char *what, bool all, bool json);

/* ask.c: what the daemon is asked for over the bus. */

/* What holds the zombie with this id, as JSON, allocated. 0; -ENOENT: none of the caller's; -ESRCH, -ETIMEDOUT. */
int ask_explain(uint64_t id, char **ret);

/*
 * Has the daemon recharge what source names to owner (NULL: by policy), and waits for it: by its own socket as root, else over the bus,
 * where somebody may be asked for a password.  0 and *ret, an answer as JSON, allocated; -ESRCH: no daemon that can do it; -ENOENT:
 * it knows no such thing; -EBUSY: too much at a time; -EREMOTEIO: it refuses; -EILSEQ: source is no text; or errno.  *ret_why may be
 * set then, allocated.
 */
int ask_recharge(const char *source, const char *owner, bool dry_run, char **ret, char **ret_why);

struct ask_drain {
	const char *unit, *cgroup;	/* one of them */
	uint64_t wait_usec;
	bool strict;			/* a failure is a failure */
	bool json;
};

/* Exit code; says in one line on stderr why nothing came of it. Takes no longer than wait_usec and half a second. */
int ask_drain(const struct ask_drain *ask);

/* One setting of a policy as the daemon has it. */
typedef void (*ask_setting)(const char *key, const char *value, const char *origin, void *userdata);

/*
 * Asks for the policy of a cgroup: its name and the slice that decided, both allocated, and every setting.
 * 0; -ESRCH: no daemon, or it cannot be asked; -ENOENT: no such cgroup; -ENODATA: no policy covers it; or errno.
 */
int ask_policy(const char *cgroup, char **ret_name, char **ret_slice, ask_setting setting, void *userdata);

/* output.c: what the verbs share. */

struct flags {
	bool json, dry_run, help;
};

/*
 * Parses --json, --dry-run where allowed, --help; the rest of argv begins at *ret_rest.
 * False after a message on stderr.
 */
bool parse_flags(int argc, char **argv, bool dry_run_allowed, struct flags *ret, int *ret_rest);

/* The hierarchy, or a line on stderr and the exit code in *ret_code. */
struct mcr_hierarchy *open_hierarchy(int *ret_code);

/* The configuration as the daemon would read it; complaints go to stderr. NULL without memory. */
struct mcr_config *read_config(void);

/* The daemon's status, or NULL when none is running (or it cannot be read). Put it back by json_object_put(). */
struct json_object *daemon_status(void);

/* "12.3M" into a static buffer of four, so that a line may have several. */
const char *human_bytes(uint64_t bytes);

/* "3min 20s", likewise. */
const char *human_seconds(uint64_t seconds);

/*
 * The name with control characters, spaces at the ends and bytes that are no UTF-8 escaped as \xNN, and a backslash
 * too where it would read as such an escape; in a static buffer of four as well.
 */
const char *printable(const char *name);

/* Prints o indented and with a newline, and puts it back. */
void print_json(struct json_object *o);

uint64_t get_u64(struct json_object *o, const char *key);
const char *get_str(struct json_object *o, const char *key);
bool get_bool(struct json_object *o, const char *key);
struct json_object *get(struct json_object *o, const char *key);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking the daemon, by its own socket or over the system bus.  Often called from a unit that is stopping: nothing here may take longer than it was given, a
 * daemon that is not there is not started, and failing is no reason for the unit to fail.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "cli.h"
#include "fileio.h"
#include "util.h"

#define DIRECT_ADDRESS "unix:path=" CLI_RUN_DIR "/bus"
#define BUS_NAME "org.memcgreaper1"
#define BUS_PATH "/org/memcgreaper1"
#define BUS_INTERFACE "org.memcgreaper1.Manager"

/* For the daemon to say that it has understood; it takes a few milliseconds. */
#define ANSWER_USEC (MCR_USEC_PER_SEC / 2)
/* A walk over all pages, at worst, and a look at every process. */
#define EXPLAIN_USEC (30 * MCR_USEC_PER_SEC)
/* The daemon gives up after ten minutes, and says so. */
#define RECHARGE_USEC (11 * 60 * MCR_USEC_PER_SEC)
/* Somebody may be asked for a password. */
#define PASSWORD_USEC (2 * 60 * MCR_USEC_PER_SEC)

struct call {
	sd_bus_message *answer;
};

static int on_answer(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	struct call *call = userdata;

	(void)error;
	call->answer = sd_bus_message_ref(answer);
	return 0;
}

static void bus_closep(sd_bus **bus)
{
	sd_bus_close_unref(*bus);
}

/*
 * Sends the message and waits for the answer, connecting included.  sd_bus_call() would wait for a silent bus far
 * longer.  0 and *ret, also for an answer that is an error; -ETIMEDOUT; or errno.
 */
static int call_within(sd_bus *bus, sd_bus_message *message, uint64_t usec, sd_bus_message **ret)
{
	uint64_t end = mcr_now_ns() + usec * MCR_NSEC_PER_USEC, now;
	auto_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	struct call call = { 0 };
	int r = sd_bus_call_async(bus, &slot, message, on_answer, &call, usec);

	while (r >= 0 && !call.answer) {
		now = mcr_now_ns();
		if (now >= end)
			return -ETIMEDOUT;
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, (end - now) / MCR_NSEC_PER_USEC + 1);
		if (r == -EINTR)
			r = 0;
	}
	if (call.answer)
		*ret = call.answer;
	return call.answer ? 0 : r;
}

static int new_call(sd_bus *bus, const char *method, sd_bus_message **ret)
{
	int r = sd_bus_message_new_method_call(bus, ret, BUS_NAME, BUS_PATH, BUS_INTERFACE, method);

	if (r >= 0)
		r = sd_bus_message_set_auto_start(*ret, false);
	return r;
}

/* The daemon's own socket, which needs no bus. */
static int open_direct(sd_bus **ret)
{
	auto_(bus_closep) sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, DIRECT_ADDRESS);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		*ret = steal_ptr(bus);
	return r;
}

static int ask_for_drain(const struct ask_drain *ask, int (*open_bus)(sd_bus **ret), sd_bus_message **ret)
{
	auto_(bus_closep) sd_bus *bus = NULL;
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	uint64_t patience = ask->wait_usec + ANSWER_USEC;
	int r = open_bus(&bus);

	if (r >= 0)
		r = new_call(bus, ask->unit ? "DrainUnit" : "DrainCgroup", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "st", ask->unit ? ask->unit : ask->cgroup, ask->wait_usec);
	if (r >= 0 && isatty(STDIN_FILENO)) {
		sd_bus_message_set_allow_interactive_authorization(m, true);
		patience += PASSWORD_USEC;
	}
	return r < 0 ? r : call_within(bus, m, patience, ret);
}

static int not_drained(const struct ask_drain *ask, const char *why)
{
	if (ask->json) {
		struct json_object *o = json_object_new_object();

		add_str(o, "result", "none");
		add_str(o, "reason", why);
		print_json(o);
	}
	fprintf(stderr, "memcg-reaper: not drained: %s: %s\n", printable(ask->unit ? ask->unit : ask->cgroup), why);
	return ask->strict ? CLI_FAILED : CLI_OK;
}

static const char *why_no_answer(int error)
{
	return error == -ETIMEDOUT ? "memcg-reaperd does not answer in time" : "memcg-reaperd cannot be reached";
}

static const char *why_refused(const sd_bus_error *e)
{
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) || sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return "memcg-reaperd is not running";
	return e->message && *e->message ? e->message : e->name;
}

static int tell(const struct ask_drain *ask, sd_bus_message *answer)
{
	const char *result;
	uint64_t freed, left;

	if (sd_bus_message_read(answer, "stt", &result, &freed, &left) < 0)
		return not_drained(ask, "the answer makes no sense");
	if (ask->json) {
		struct json_object *o = json_object_new_object();

		add_str(o, "result", result);
		add_u64(o, "freed_bytes", freed);
		add_u64(o, "left_bytes", left);
		print_json(o);
	} else if (strcmp(result, "queued") == 0) {
		puts("queued: it is drained when it is removed");
	} else {
		printf("%s: %s freed, %s left\n", result, human_bytes(freed), human_bytes(left));
	}
	if (!ask->strict)
		return CLI_OK;
	return strcmp(result, "left") == 0 || strcmp(result, "timeout") == 0 ? CLI_PARTIAL :
	       strcmp(result, "refused") == 0 ? CLI_FAILED : CLI_OK;
}

int ask_drain(const struct ask_drain *ask)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
	int r = ask_for_drain(ask, open_direct, &answer);

	/* Over the bus polkit may allow what was not allowed here. */
	if (r != -ETIMEDOUT && (r < 0 || sd_bus_message_is_method_error(answer, SD_BUS_ERROR_ACCESS_DENIED))) {
		answer = sd_bus_message_unref(answer);
		r = ask_for_drain(ask, sd_bus_open_system, &answer);
	}
	if (r < 0)
		return not_drained(ask, why_no_answer(r));
	if (sd_bus_message_is_method_error(answer, NULL))
		return not_drained(ask, why_refused(sd_bus_message_get_error(answer)));
	return tell(ask, answer);
}

static int policy_error(const sd_bus_error *e)
{
	if (sd_bus_error_has_name(e, BUS_NAME ".Error.NoSuchCgroup"))
		return -ENOENT;
	return sd_bus_error_has_name(e, BUS_NAME ".Error.NotCovered") ? -ENODATA : -ESRCH;
}

static int read_policy(sd_bus_message *answer, char **ret_name, char **ret_slice, ask_setting setting, void *userdata)
{
	const char *name, *slice, *key, *value, *origin;
	int r = sd_bus_message_read(answer, "ss", &name, &slice);

	if (r >= 0)
		r = sd_bus_message_enter_container(answer, 'a', "(sss)");
	while (r >= 0 && (r = sd_bus_message_read(answer, "(sss)", &key, &value, &origin)) > 0)
		setting(key, value, origin, userdata);
	if (r < 0)
		return r;
	*ret_name = strdup(name);
	*ret_slice = strdup(slice);
	return *ret_name && *ret_slice ? 0 : -ENOMEM;
}

int ask_policy(const char *cgroup, char **ret_name, char **ret_slice, ask_setting setting, void *userdata)
{
	auto_(bus_closep) sd_bus *bus = NULL;
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *answer = NULL;

	if (sd_bus_open_system(&bus) < 0 || new_call(bus, "GetPolicy", &m) < 0)
		return -ESRCH;
	if (sd_bus_message_append(m, "s", cgroup) < 0)
		return -EINVAL;
	if (call_within(bus, m, 4 * ANSWER_USEC, &answer) == -ETIMEDOUT)
		return -ETIMEDOUT;
	if (!answer)
		return -ESRCH;
	if (sd_bus_message_is_method_error(answer, NULL))
		return policy_error(sd_bus_message_get_error(answer));
	return read_policy(answer, ret_name, ret_slice, setting, userdata);
}

int ask_explain(uint64_t id, char **ret)
{
	auto_(bus_closep) sd_bus *bus = NULL;
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *answer = NULL;
	const char *text;

	if (open_direct(&bus) < 0 || new_call(bus, "Explain", &m) < 0 || sd_bus_message_append(m, "t", id) < 0)
		return -ESRCH;
	if (call_within(bus, m, EXPLAIN_USEC, &answer) == -ETIMEDOUT)
		return -ETIMEDOUT;
	if (!answer)
		return -ESRCH;
	if (sd_bus_message_is_method_error(answer, BUS_NAME ".Error.NoSuchCgroup"))
		return -ENOENT;
	if (sd_bus_message_is_method_error(answer, NULL))
		return -EAGAIN;
	if (sd_bus_message_read(answer, "s", &text) < 0)
		return -EBADMSG;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* ---- Recharging ---- */

/* Is somebody there?  A bus that takes connections and says nothing is not to be waited for as long as the work may take. */
static bool is_there(sd_bus *bus)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *answer = NULL;

	return new_call(bus, "GetFeatures", &m) >= 0 && call_within(bus, m, 4 * ANSWER_USEC, &answer) == 0 &&
	       !sd_bus_message_is_method_error(answer, NULL);
}

static int call_recharge(sd_bus *bus, const char *source, const char *owner, bool dry_run, sd_bus_message **ret)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	uint64_t patience = RECHARGE_USEC;
	int r = new_call(bus, "Recharge", &m);

	if (r >= 0)
		r = sd_bus_message_append(m, "ssb", source, owner ? owner : "", (int)dry_run);
	if (r >= 0 && geteuid() != 0 && isatty(STDIN_FILENO)) {
		sd_bus_message_set_allow_interactive_authorization(m, true);
		patience += PASSWORD_USEC;
	}
	return r < 0 ? r : call_within(bus, m, patience, ret);
}

/* One call is all that a connection to the daemon's own socket is for. */
static int open_answering(int (*open_bus)(sd_bus **ret), sd_bus **ret)
{
	auto_(bus_closep) sd_bus *probe = NULL;

	if (open_bus(&probe) < 0 || !is_there(probe))
		return -ESRCH;
	return open_bus(ret) < 0 ? -ESRCH : 0;
}

static int recharge_error(const sd_bus_error *e, char **ret_why)
{
	*ret_why = strdup(why_refused(e));
	if (sd_bus_error_has_name(e, BUS_NAME ".Error.NoSuchCgroup"))
		return -ENOENT;
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_METHOD))	/* of a version before */
		return -ESRCH;
	return sd_bus_error_has_name(e, BUS_NAME ".Error.LimitExceeded") ? -EBUSY : -EREMOTEIO;
}

int ask_recharge(const char *source, const char *owner, bool dry_run, char **ret, char **ret_why)
{
	auto_(bus_closep) sd_bus *bus = NULL;
	auto_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
	const char *text;
	int r = open_answering(geteuid() == 0 ? open_direct : sd_bus_open_system, &bus);

	if (r == 0)
		r = call_recharge(bus, source, owner, dry_run, &answer);
	if (r < 0)
		return r == -EINVAL ? -EILSEQ : r;	/* it cannot be written into a message */
	if (sd_bus_message_is_method_error(answer, NULL))
		return recharge_error(sd_bus_message_get_error(answer), ret_why);
	if (sd_bus_message_read(answer, "s", &text) < 0)
		return -EBADMSG;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

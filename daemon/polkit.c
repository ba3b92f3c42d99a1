/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "polkit.h"

#include <string.h>

#include "util.h"

/* Somebody types a password meanwhile. */
#define ANSWER_USEC (2 * 60 * MCR_USEC_PER_SEC)

struct question {
	polkit_done done;
	void *userdata;
};

static int on_answer(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	int allowed = 0, challenge;

	(void)error;
	if (sd_bus_message_is_method_error(answer, NULL) ||
	    sd_bus_message_enter_container(answer, 'r', "bba{ss}") < 0 ||
	    sd_bus_message_read(answer, "bb", &allowed, &challenge) < 0)
		allowed = 0;
	q->done(allowed, q->userdata);
	return 0;
}

static int new_question(sd_bus_message *call, const char *action, sd_bus_message **ret)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	uint32_t flags = sd_bus_message_get_allow_interactive_authorization(call) > 0;
	int r = sd_bus_message_new_method_call(sd_bus_message_get_bus(call), &m, "org.freedesktop.PolicyKit1",
					       "/org/freedesktop/PolicyKit1/Authority",
					       "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");

	if (r >= 0)
		r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
					  sd_bus_message_get_sender(call), action);
	if (r >= 0)
		r = sd_bus_message_append(m, "a{ss}us", 0, flags, "");
	if (r >= 0)
		*ret = steal_ptr(m);
	return r;
}

int polkit_ask(sd_bus *bus, sd_bus_message *call, const char *action, polkit_done done, void *userdata,
	       sd_bus_slot **ret_slot)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	auto_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	struct question *q;
	int r;

	if (sd_bus_message_get_bus(call) != bus || !sd_bus_message_get_sender(call))
		return -ENOLINK;
	q = malloc(sizeof(*q));
	r = q ? new_question(call, action, &m) : -ENOMEM;
	if (r >= 0) {
		*q = (struct question){ .done = done, .userdata = userdata };
		r = sd_bus_call_async(bus, &slot, m, on_answer, q, ANSWER_USEC);
	}
	if (r < 0) {
		free(q);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, free);
	*ret_slot = steal_ptr(slot);
	return 0;
}

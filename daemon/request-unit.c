/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the name of a unit to its cgroup. */
#include <string.h>

#include "manager.h"
#include "request-parts.h"
#include "util.h"

/* Nobody waits for systemd in here: it may be busy. */
#define SYSTEMD_USEC (20 * MCR_USEC_PER_SEC)

#define UNIT_NAME_MAX 255	/* systemd's */

char *request_own_unit_path(const struct request *r)
{
	const char *p = r->caller_cgroup;
	size_t len = strlen(r->unit);

	while ((p = strchr(p, '/'))) {
		p++;
		if (strncmp(p, r->unit, len) == 0 && (!p[len] || p[len] == '/'))
			return strndup(r->caller_cgroup, p + len - r->caller_cgroup);
	}
	return NULL;
}

static const char *unit_interface(const char *unit)
{
	static const char *const types[][2] = {
		{ ".service", "org.freedesktop.systemd1.Service" }, { ".scope", "org.freedesktop.systemd1.Scope" },
		{ ".slice", "org.freedesktop.systemd1.Slice" },	    { ".socket", "org.freedesktop.systemd1.Socket" },
		{ ".mount", "org.freedesktop.systemd1.Mount" },	    { ".swap", "org.freedesktop.systemd1.Swap" },
	};
	const char *suffix = strrchr(unit, '.');

	for (size_t i = 0; suffix && i < ARRAY_SIZE(types); i++)
		if (strcmp(suffix, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}

bool request_is_unit(const char *name)
{
	return unit_interface(name) && !strchr(name, '/') && strlen(name) <= UNIT_NAME_MAX;
}

static int on_unit(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	struct request *r = userdata;
	const char *path = "";

	(void)error;
	r->slot = sd_bus_slot_unref(r->slot);
	if (sd_bus_message_is_method_error(answer, NULL) || sd_bus_message_read(answer, "v", "s", &path) < 0 || !*path)
		path = NULL;
	r->unit_done(r, path);
	return 0;
}

int request_ask_unit(struct request *r, request_unit_done done)
{
	auto_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	auto_(freep) char *object = NULL;
	sd_bus *bus = r->m->bus;	/* whichever way the call came */
	int e = !bus ? -ENOTCONN : sd_bus_path_encode("/org/freedesktop/systemd1/unit", r->unit, &object);

	r->unit_done = done;
	if (e >= 0)
		e = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", object,
						   "org.freedesktop.DBus.Properties", "Get");
	if (e >= 0)
		e = sd_bus_message_append(m, "ss", unit_interface(r->unit), "ControlGroup");
	return e < 0 ? e : sd_bus_call_async(bus, &r->slot, m, on_unit, r, SYSTEMD_USEC);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may change something: root, and whomever polkit says.  Without polkit that is root alone.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Called once, later: allowed or not. */
typedef void (*polkit_done)(bool allowed, void *userdata);

/*
 * Asks polkit whether the sender of call may do action.  The caller has seen to root already.
 * 0: done will be called; -ENOLINK: the call did not come over this bus, the
 * system's; errno: nothing was asked, done is not called.  *ret_slot, when unref'd, takes the question back.
 */
int polkit_ask(sd_bus *bus, sd_bus_message *call, const char *action, polkit_done done, void *userdata, sd_bus_slot **ret_slot);

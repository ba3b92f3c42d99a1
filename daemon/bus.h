/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.memcgreaper1 on the system bus: connection, methods, signals, properties.  Without a bus (early, late, or never) the
 * daemon does its work all the same, and comes back to the bus when there is one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define BUS_NAME "org.memcgreaper1"
#define BUS_PATH "/org/memcgreaper1"
#define BUS_INTERFACE "org.memcgreaper1.Manager"

#define BUS_ERROR_NO_SUCH_CGROUP BUS_NAME ".Error.NoSuchCgroup"
#define BUS_ERROR_NOT_COVERED BUS_NAME ".Error.NotCovered"
#define BUS_ERROR_LIMIT BUS_NAME ".Error.LimitExceeded"
#define BUS_ERROR_CONFIGURATION BUS_NAME ".Error.Configuration"

struct manager;

/* The properties that change. */
struct bus_figures {
	uint64_t zombies, pinned, held, waiting, reaped, settled;
	uint64_t recharging, recharged_bytes, recharges_refused, recharges_unanswered, not_put_right;
};

/* Connects, or waits until there is a bus. 0 or errno. */
int bus_start(struct manager *m);
void bus_stop(struct manager *m);

/* The interface on a connection, whoever is at its other end. 0 or errno. */
int bus_add_methods(sd_bus *bus, struct manager *m);

/* Who sent the call, over the bus or the socket. 0 or errno. */
int bus_sender_uid(const struct manager *m, sd_bus_message *call, uid_t *ret);

/* figures.c: a property of that name, as sd_bus_property_get_t; userdata is the manager. */
int bus_get_figure(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *answer, void *userdata,
		   sd_bus_error *error);

/* Signals. Nothing happens without a bus. */
void bus_zombie_found(struct manager *m, uint64_t id, const char *path);
void bus_zombie_gone(struct manager *m, uint64_t id, const char *path);
void bus_zombie_pinned(struct manager *m, uint64_t id, const char *path, const char *reason);
void bus_settled(struct manager *m, uint64_t id, const char *path, uint64_t freed_bytes, uint64_t left_bytes);

/* figures.c: tells of properties that have changed since the last call. */
void bus_properties_changed(struct manager *m);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `memcg-reaper explain --json` says of one memcg; its fields are in memcg-reaper(8). */
#pragma once

struct json_object;
struct mcr_fit_opts;
struct mcr_pins;
struct mcr_pin_tally;
struct mcr_users;

/* users may be NULL: not known. The caller puts it back. */
struct json_object *mcr_pins_json(const struct mcr_pins *p, const struct mcr_users *users, const char *path);

/* The same with "recharge" in each pin that may be moved: whether it could be to who would pay. */
struct json_object *mcr_pins_json_fit(const struct mcr_pins *p, const struct mcr_users *users, const char *path,
				      const struct mcr_fit_opts *fit);

/* The sums as an array, in their order. The caller puts it back. */
struct json_object *mcr_pin_tally_json(const struct mcr_pin_tally *t);

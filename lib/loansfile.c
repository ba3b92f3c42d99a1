/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loansfile.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

#include "fileio.h"
#include "json.h"
#include "loans.h"
#include "util.h"

#define VERSION 1
#define SAMPLED_FIELDS 6

/* Empty if it cannot be known: then all boots are one. */
static void read_boot_id(char *buf, size_t size)
{
	if (mcr_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", buf, size) < 0)
		*buf = '\0';
}

/* ---- Writing ---- */

/* Bytes as they are: this is read back. */
static void add_raw(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, v ? json_object_new_string(v) : NULL);
}

static void add_sampled(struct json_object *o, const struct mcr_sampled *s)
{
	const uint64_t fields[SAMPLED_FIELDS] = { s->first_usec, s->last_usec, s->samples, s->bytes, s->peak_bytes, s->sum_bytes };
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < SAMPLED_FIELDS; i++)
		json_object_array_add(list, json_object_new_uint64(fields[i]));
	json_object_object_add(o, "sampled", list);
}

static struct json_object *loan_json(const struct mcr_loan *loan)
{
	struct json_object *o = json_object_new_object();

	add_raw(o, "cgroup", loan->cgroup);
	add_sampled(o, &loan->s);
	add_u64(o, "processes", loan->processes);
	return o;
}

static struct json_object *lent_json(const struct mcr_lent *l)
{
	struct json_object *o = json_object_new_object(), *loans = json_object_new_array();

	add_u64(o, "owner_id", l->key.owner_id);
	add_u64(o, "device", l->key.dev);
	add_u64(o, "inode", l->key.ino);
	add_u64(o, "generation", l->key.generation);
	add_raw(o, "kind", mcr_pin_kind_name(l->key.kind));
	add_raw(o, "name", l->name);
	add_sampled(o, &l->s);
	add_u64(o, "use", l->use);
	add_u64(o, "unborrowed_usec", l->unborrowed_usec);
	add_u64(o, "lost_usec", l->lost_usec);
	add_u64(o, "missed", l->missed);
	add_u64(o, "beyond", l->beyond);
	for (size_t i = 0; i < l->n; i++)
		json_object_array_add(loans, loan_json(&l->loans[i]));
	json_object_object_add(o, "loans", loans);
	return o;
}

static struct json_object *borrower_json(const struct mcr_borrower_sum *b)
{
	struct json_object *o = json_object_new_object();

	add_raw(o, "cgroup", b->cgroup);
	add_sampled(o, &b->s);
	add_u64(o, "objects", b->objects);
	return o;
}

int mcr_loans_write(int dir_fd, const char *name, const struct mcr_loans *l)
{
	struct json_object *o = json_object_new_object(), *lent = json_object_new_array(), *borrowers = json_object_new_array();
	char boot[64];
	const char *text;
	int r = -ENOMEM;

	read_boot_id(boot, sizeof(boot));
	add_u64(o, "version", VERSION);
	add_raw(o, "boot_id", boot);
	add_sampled(o, &l->s);
	add_u64(o, "cost_usec", l->cost_usec);
	add_u64(o, "beyond", l->beyond);
	for (size_t i = 0; i < l->n_lent; i++)
		json_object_array_add(lent, lent_json(&l->lent[i]));
	for (size_t i = 0; i < l->n_borrowers; i++)
		json_object_array_add(borrowers, borrower_json(&l->borrowers[i]));
	json_object_object_add(o, "lent", lent);
	json_object_object_add(o, "borrowers", borrowers);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		r = mcr_replace_at(dir_fd, name, text, strlen(text), 0600);
	json_object_put(o);
	return r;
}

/* ---- Reading ---- */

static uint64_t number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

/* -ENOMEM, also where there is none. */
static int read_text(struct json_object *o, const char *key, char **ret)
{
	const char *text = json_object_get_string(json_object_object_get(o, key));

	*ret = strdup(text ? text : "");
	return *ret ? 0 : -ENOMEM;
}

static int read_sampled(struct json_object *o, struct mcr_sampled *ret)
{
	struct json_object *list = json_object_object_get(o, "sampled");
	uint64_t fields[SAMPLED_FIELDS];

	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != SAMPLED_FIELDS)
		return -EBADMSG;
	for (size_t i = 0; i < SAMPLED_FIELDS; i++)
		fields[i] = json_object_get_uint64(json_object_array_get_idx(list, i));
	*ret = (struct mcr_sampled){ fields[0], fields[1], fields[2], fields[3], fields[4], fields[5] };
	return ret->first_usec && ret->samples && ret->last_usec >= ret->first_usec ? 0 : -EBADMSG;
}

/* An array of at most max. */
static struct json_object *read_list(struct json_object *o, const char *key, size_t max, size_t *ret_n)
{
	struct json_object *list = json_object_object_get(o, key);

	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) > max)
		return NULL;
	*ret_n = json_object_array_length(list);
	return list;
}

static int read_loan(struct json_object *o, struct mcr_loan *ret)
{
	int r = read_sampled(o, &ret->s);

	ret->processes = number(o, "processes");
	return r < 0 ? r : read_text(o, "cgroup", &ret->cgroup);
}

static int read_loans_of(struct json_object *o, struct mcr_lent *ret)
{
	size_t n = 0;
	struct json_object *list = read_list(o, "loans", MCR_LOANS_MAX, &n);
	int r = 0;

	if (!list)
		return -EBADMSG;
	ret->loans = calloc(MCR_LOANS_MAX, sizeof(*ret->loans));
	if (!ret->loans)
		return -ENOMEM;
	for (; r == 0 && ret->n < n; ret->n++)
		r = read_loan(json_object_array_get_idx(list, ret->n), &ret->loans[ret->n]);
	return r;
}

/* MCR_PIN_KINDS: it is no name of one. */
static enum mcr_pin_kind read_kind(struct json_object *o)
{
	const char *name = json_object_get_string(json_object_object_get(o, "kind"));
	enum mcr_pin_kind kind = 0;

	while (kind < MCR_PIN_KINDS && (!name || strcmp(mcr_pin_kind_name(kind), name) != 0))
		kind++;
	return kind;
}

static int read_lent(struct json_object *o, struct mcr_lent *ret)
{
	enum mcr_pin_kind kind = read_kind(o);
	int r = read_sampled(o, &ret->s);

	if (r < 0 || kind == MCR_PIN_KINDS || number(o, "use") > MCR_OBJECT_NONE)
		return -EBADMSG;
	ret->key = (struct mcr_lent_key){
		.owner_id = number(o, "owner_id"), .dev = number(o, "device"), .ino = number(o, "inode"),
		.generation = number(o, "generation"), .kind = kind,
	};
	ret->use = number(o, "use");
	ret->unborrowed_usec = number(o, "unborrowed_usec");
	ret->lost_usec = number(o, "lost_usec");
	ret->missed = number(o, "missed");
	ret->beyond = number(o, "beyond");
	if (json_object_object_get(o, "name"))
		r = read_text(o, "name", &ret->name);
	return r < 0 ? r : read_loans_of(o, ret);
}

static int read_borrower(struct json_object *o, struct mcr_borrower_sum *ret)
{
	int r = read_sampled(o, &ret->s);

	ret->objects = number(o, "objects");
	return r < 0 ? r : read_text(o, "cgroup", &ret->cgroup);
}

static bool is_of_this_boot(struct json_object *o)
{
	const char *text = json_object_get_string(json_object_object_get(o, "boot_id"));
	char boot[64];

	read_boot_id(boot, sizeof(boot));
	return text && strcmp(text, boot) == 0;
}

static int read_all(struct json_object *o, struct mcr_loans *l)
{
	size_t n_lent = 0, n_borrowers = 0;
	struct json_object *lent = read_list(o, "lent", MCR_LENT_MAX, &n_lent);
	struct json_object *borrowers = read_list(o, "borrowers", MCR_BORROWERS_MAX, &n_borrowers);
	int r = read_sampled(o, &l->s);

	if (r < 0 || !lent || !borrowers || number(o, "version") != VERSION || !is_of_this_boot(o))
		return -EBADMSG;
	l->cost_usec = number(o, "cost_usec");
	l->beyond = number(o, "beyond");
	l->lent = calloc(MCR_LENT_MAX, sizeof(*l->lent));
	l->borrowers = calloc(MCR_BORROWERS_MAX, sizeof(*l->borrowers));
	if (!l->lent || !l->borrowers)
		return -ENOMEM;
	for (; r == 0 && l->n_lent < n_lent; l->n_lent++)
		r = read_lent(json_object_array_get_idx(lent, l->n_lent), &l->lent[l->n_lent]);
	for (; r == 0 && l->n_borrowers < n_borrowers; l->n_borrowers++)
		r = read_borrower(json_object_array_get_idx(borrowers, l->n_borrowers), &l->borrowers[l->n_borrowers]);
	if (r == 0)
		mcr_loans_order(l);
	return r;
}

int mcr_loans_read(int dir_fd, const char *name, struct mcr_loans *ret)
{
	auto_(freep) char *text = NULL;
	struct mcr_loans l = { 0 };
	struct json_object *o;
	int r = mcr_read_all_at(dir_fd, name, &text);

	if (r < 0)
		return r;
	o = json_tokener_parse(text);
	r = json_object_is_type(o, json_type_object) ? read_all(o, &l) : -EBADMSG;
	json_object_put(o);
	if (r < 0)
		mcr_loans_done(&l);
	else
		*ret = l;
	return r;
}

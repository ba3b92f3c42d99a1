/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargeask.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fileio.h"
#include "json.h"
#include "util.h"

#define NAME_LEN_MAX 64

struct file_name {
	char text[NAME_LEN_MAX + sizeof(".request")];
};

void mcr_recharge_request_done(struct mcr_recharge_request *q)
{
	free(q->path);
	free(q->owner);
	*q = (struct mcr_recharge_request){ 0 };
}

bool mcr_recharge_name_ok(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isascii(name[i]) || (!isalnum((unsigned char)name[i]) && name[i] != '-'))
			return false;
	return n > 0 && n <= NAME_LEN_MAX;
}

static int file_name(const char *name, const char *kind, struct file_name *ret)
{
	if (!mcr_recharge_name_ok(name))
		return -EINVAL;
	snprintf(ret->text, sizeof(ret->text), "%s.%s", name, kind);
	return 0;
}

/* Puts o back. */
static int write_json(int dir_fd, const char *name, const char *kind, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct file_name file;
	int r = file_name(name, kind, &file);

	if (r == 0)
		r = mcr_replace_at(dir_fd, file.text, text, strlen(text), 0600);
	json_object_put(o);
	return r;
}

static int read_json(int dir_fd, const char *name, const char *kind, struct json_object **ret)
{
	auto_(freep) char *text = NULL;
	struct file_name file;
	int r = file_name(name, kind, &file);

	if (r == 0)
		r = mcr_read_all_at(dir_fd, file.text, &text);
	if (r < 0)
		return r;
	*ret = json_tokener_parse(text);
	return *ret ? 0 : -EBADMSG;
}

static void remove_file(int dir_fd, const char *name, const char *kind)
{
	struct file_name file;

	if (file_name(name, kind, &file) == 0)
		unlinkat(dir_fd, file.text, 0);
}

int mcr_recharge_ask(int dir_fd, const char *name, const struct mcr_recharge_request *q)
{
	struct json_object *o = json_object_new_object();

	add_u64(o, "cgroup_id", q->cgroup_id);
	/* As they are, bytes and all: this is read back. */
	json_object_object_add(o, "path", json_object_new_string(q->path));
	json_object_object_add(o, "owner", json_object_new_string(q->owner));
	add_bool(o, "owner_user", q->owner_user);
	add_bool(o, "only_empty", q->only_empty);
	add_u64(o, "pause_max_usec", q->pause_max_usec);
	return write_json(dir_fd, name, "request", o);
}

static char *member(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(o, key));

	return text ? strdup(text) : NULL;
}

static uint64_t number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

int mcr_recharge_asked(int dir_fd, const char *name, struct mcr_recharge_request *ret)
{
	struct mcr_recharge_request q;
	struct json_object *o = NULL;
	int r = read_json(dir_fd, name, "request", &o);

	if (r < 0)
		return r;
	q = (struct mcr_recharge_request){
		.cgroup_id = number(o, "cgroup_id"),
		.path = member(o, "path"),
		.owner = member(o, "owner"),
		.only_empty = json_object_get_boolean(json_object_object_get(o, "only_empty")),
		.owner_user = json_object_get_boolean(json_object_object_get(o, "owner_user")),
		.pause_max_usec = number(o, "pause_max_usec"),
	};
	json_object_put(o);
	if (!q.path || !q.owner || !q.pause_max_usec || (!q.cgroup_id && *q.path != '/')) {
		mcr_recharge_request_done(&q);
		return -EBADMSG;
	}
	*ret = q;
	return 0;
}

int mcr_recharge_tell_out(int dir_fd, const char *name)
{
	return write_json(dir_fd, name, "out", json_object_new_object());
}

void mcr_recharge_forget(int dir_fd, const char *name)
{
	remove_file(dir_fd, name, "request");
	remove_file(dir_fd, name, "out");
	remove_file(dir_fd, name, "result");
}

int mcr_recharge_answer(int dir_fd, const char *name, struct json_object *result)
{
	int r = write_json(dir_fd, name, "result", result);

	if (r == 0) {
		remove_file(dir_fd, name, "request");
		remove_file(dir_fd, name, "out");
	}
	return r;
}

int mcr_recharge_answered(int dir_fd, const char *name, struct json_object **ret)
{
	int r = read_json(dir_fd, name, "result", ret);

	if (r != -ENOENT)
		remove_file(dir_fd, name, "result");
	return r;
}

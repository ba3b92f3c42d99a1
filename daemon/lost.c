/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lost.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

#include "json.h"
#include "log.h"
#include "manager.h"
#include "util.h"

void losts_done(struct losts *l)
{
	while (l->n > 0)
		mcr_lost_done(&l->at[--l->n]);
	l->all = 0;
}

static bool is_known(const struct losts *l, const char *file)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->at[i].file, file) == 0)
			return true;
	return false;
}

static void tell(const struct mcr_lost *l)
{
	char reason[512];

	snprintf(reason, sizeof(reason), "%s; kept in %s", l->why, l->file);
	log_action(EVENT_LOST, LOG_CRIT, "not put right", l->path ? l->path : "?", l->bytes, reason);
}

/* A note whose copy was taken away is of no use any more. */
static void read_one(struct manager *m, const struct losts *before, struct losts *l, const char *note)
{
	struct mcr_lost one;

	if (mcr_lost_read(m->recharges.dir_fd, note, &one) < 0)
		return;
	if (faccessat(AT_FDCWD, one.file, F_OK, 0) < 0 && errno == ENOENT) {
		unlinkat(m->recharges.dir_fd, note, 0);
		mcr_lost_done(&one);
		return;
	}
	if (l->all++ >= LOST_SHOWN) {
		mcr_lost_done(&one);
		return;
	}
	if (!is_known(before, one.file))
		tell(&one);
	l->at[l->n++] = one;
}

void losts_read(struct manager *m)
{
	int fd = openat(m->recharges.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct losts now = { .n = 0 };
	struct dirent *e;

	if (!dir) {
		close_fd(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (mcr_lost_is_note(e->d_name))
			read_one(m, &m->recharges.losts, &now, e->d_name);
	closedir(dir);
	if (now.all != m->recharges.losts.all)
		m->report_due = true;
	losts_done(&m->recharges.losts);
	m->recharges.losts = now;
}

struct json_object *losts_json(const struct losts *l)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->n; i++) {
		struct json_object *o = json_object_new_object();

		add_str(o, "path", l->at[i].path);
		add_u64(o, "bytes", l->at[i].bytes);
		add_u64(o, "inode", l->at[i].ino);
		add_str(o, "reason", l->at[i].why);
		add_str(o, "file", l->at[i].file);
		json_object_array_add(list, o);
	}
	return list;
}

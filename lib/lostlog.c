/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lostlog.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chunklog.h"
#include "fileio.h"
#include "util.h"

#define COPY_BYTES 65536

void mcr_lost_done(struct mcr_lost *l)
{
	free(l->file);
	free(l->path);
	free(l->why);
	*l = (struct mcr_lost){ 0 };
}

/* ---- The copy ---- */

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && strcmp(name + len - n, suffix) == 0;
}

static size_t count_copies(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n = 0;

	while (dir && (e = readdir(dir)))
		n += ends_with(e->d_name, ".journal");
	if (dir)
		closedir(dir);
	else
		close_fd(fd);
	return n;
}

static bool is_zero(const char *p, size_t len)
{
	return len == 0 || (*p == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Most of a store is room that was never used: left out. */
static int copy_content(int from, int to)
{
	char buf[COPY_BYTES];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
		if (!is_zero(buf, n) && pwrite(to, buf, n, at) != n)
			return errno ? -errno : -EIO;
		at += n;
	}
	if (n < 0 || ftruncate(to, at) < 0 || fsync(to) < 0)
		return -errno;
	return 0;
}

/* Whoever puts it back is not to thaw anybody by it, who may be frozen for another reason by then. */
static void forget_frozen(int fd)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;

	if (mcr_chunklog_open(fd, &log) == 0)
		mcr_chunklog_thawed(log);
}

static int open_dir(const char *dir)
{
	int fd;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int mcr_lost_save(int fd, const char *dir, const char *name, char **ret)
{
	auto_(closep) int dir_fd = open_dir(dir), copy = -EBADF;
	auto_(freep) char *path = NULL;
	const char *file;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	if (count_copies(dir_fd) >= MCR_LOST_MAX)
		return -EDQUOT;
	if (asprintf(&path, "%s/%s-%" PRIx64 ".journal", dir, name, mcr_realtime_ns()) < 0)
		return -ENOMEM;
	file = path + strlen(dir) + 1;
	copy = openat(dir_fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = copy < 0 ? -errno : copy_content(fd, copy);
	if (r == 0) {
		forget_frozen(copy);
		r = fsync(copy) < 0 || fsync(dir_fd) < 0 ? -errno : 0;
	}
	if (r < 0) {
		if (copy >= 0)
			unlinkat(dir_fd, file, 0);
		return r;
	}
	*ret = steal_ptr(path);
	return 0;
}

int mcr_lost_put_back(const struct mcr_hierarchy *h, int journal_fd, int object_fd)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	int r = mcr_chunklog_open(journal_fd, &log);

	return r < 0 ? r : mcr_chunklog_repair(log, h, object_fd);
}

/* ---- The note ---- */

int mcr_lost_note(int dir_fd, const struct mcr_lost *l)
{
	struct json_object *o = json_object_new_object();
	const char *base = strrchr(l->file, '/'), *text;
	char note[NAME_MAX + 1];
	int r;

	base = base ? base + 1 : l->file;
	snprintf(note, sizeof(note), "%.*s.lost", (int)(strlen(base) - strlen(".journal")), base);
	/* As they are, bytes and all: this is read back. */
	json_object_object_add(o, "file", json_object_new_string(l->file));
	json_object_object_add(o, "path", l->path ? json_object_new_string(l->path) : NULL);
	json_object_object_add(o, "why", json_object_new_string(l->why));
	json_object_object_add(o, "bytes", json_object_new_uint64(l->bytes));
	json_object_object_add(o, "device", json_object_new_uint64(l->dev));
	json_object_object_add(o, "inode", json_object_new_uint64(l->ino));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	r = mcr_replace_at(dir_fd, note, text, strlen(text), 0600);
	json_object_put(o);
	return r;
}

bool mcr_lost_is_note(const char *name)
{
	return ends_with(name, ".lost");
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

int mcr_lost_read(int dir_fd, const char *note, struct mcr_lost *ret)
{
	auto_(freep) char *text = NULL;
	struct json_object *o;
	struct mcr_lost l;
	int r = mcr_read_all_at(dir_fd, note, &text);

	if (r < 0)
		return r;
	o = json_tokener_parse(text);
	l = (struct mcr_lost){
		.file = member(o, "file"), .path = member(o, "path"), .why = member(o, "why"),
		.bytes = number(o, "bytes"), .dev = number(o, "device"), .ino = number(o, "inode"),
	};
	json_object_put(o);
	if (!l.file || !l.why) {
		mcr_lost_done(&l);
		return -EBADMSG;
	}
	*ret = l;
	return 0;
}

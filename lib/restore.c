/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file: a line per knob, "ID KNOB OLD NEW", and a last line "end N SUBJECT".  Values are single words
 * (numbers or "max").  It lives on a tmpfs: it need survive processes, not power.
 */
#include "restore.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>

#include "cgroup.h"
#include "fileio.h"
#include "util.h"

#define WORD_MAX 32

struct knob {
	uint64_t id;
	char name[WORD_MAX], old[WORD_MAX], value[WORD_MAX];
};

struct mcr_restore {
	const struct mcr_hierarchy *h;
	int dir_fd;
	int lock_fd;
	char *name;
	struct knob *knobs;
	size_t n, size;
	uint64_t subject;
	bool on_disk;		/* the file is there, and is ours */
};

/* fd of the locked lock file; -EBUSY when somebody else has it. Root's alone: nobody can sit on it. */
static int take_lock(int dir_fd, const char *name)
{
	auto_(freep) char *path = NULL;
	auto_(closep) int fd = -EBADF;

	if (asprintf(&path, "%s.lock", name) < 0)
		return -ENOMEM;
	fd = openat(dir_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return steal_fd(fd);
}

static int begin(const struct mcr_hierarchy *h, int dir_fd, const char *name, struct mcr_restore **ret)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->h = h;
	r->dir_fd = dir_fd;
	r->lock_fd = take_lock(dir_fd, name);
	if (r->lock_fd < 0)
		return r->lock_fd;
	r->name = strdup(name);
	if (!r->name)
		return -ENOMEM;
	*ret = steal_ptr(r);
	return 0;
}

int mcr_restore_new(const struct mcr_hierarchy *h, int dir_fd, const char *name, struct mcr_restore **ret)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = NULL;
	int e = begin(h, dir_fd, name, &r);

	if (e < 0)
		return e;
	/* Writing over what somebody left would lose the true values for good. */
	if (faccessat(dir_fd, name, F_OK, 0) == 0)
		return -EBUSY;
	*ret = steal_ptr(r);
	return 0;
}

struct mcr_restore *mcr_restore_free(struct mcr_restore *r)
{
	if (!r)
		return NULL;
	close_fd(r->lock_fd);
	free(r->name);
	free(r->knobs);
	free(r);
	return NULL;
}

void mcr_restore_set_subject(struct mcr_restore *r, uint64_t id)
{
	r->subject = id;
}

uint64_t mcr_restore_subject(const struct mcr_restore *r)
{
	return r->subject;
}

size_t mcr_restore_count(const struct mcr_restore *r)
{
	return r->n;
}

static int append(struct mcr_restore *r, const struct knob *k)
{
	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 64;
		struct knob *bigger = realloc(r->knobs, size * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		r->knobs = bigger;
		r->size = size;
	}
	r->knobs[r->n++] = *k;
	return 0;
}

int mcr_restore_add(struct mcr_restore *r, int cgroup_fd, const char *knob, const char *value)
{
	struct knob k = { 0 };
	int e;

	if (strlen(knob) >= WORD_MAX || strlen(value) >= WORD_MAX)
		return -EINVAL;
	strcpy(k.name, knob);
	strcpy(k.value, value);
	e = mcr_cgroup_id(cgroup_fd, &k.id);
	if (e < 0)
		return e;
	e = mcr_read_at(cgroup_fd, knob, k.old, sizeof(k.old));
	if (e < 0)
		return e;
	return strcmp(k.old, value) == 0 ? 0 : append(r, &k);
}

static int save(struct mcr_restore *r)
{
	auto_(freep) char *text = NULL;
	auto_(fclosep) FILE *f = NULL;
	size_t len;
	int e;

	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		fprintf(f, "%" PRIu64 " %s %s %s\n", r->knobs[i].id, r->knobs[i].name, r->knobs[i].old,
			r->knobs[i].value);
	fprintf(f, "end %zu %" PRIu64 "\n", r->n, r->subject);
	if (fflush(f) != 0)
		return -ENOMEM;
	e = mcr_replace_at(r->dir_fd, r->name, text, len, 0600);
	r->on_disk = e == 0;
	return e;
}

/* The cgroup died, or its memory controller was switched off: nothing there to put back. */
static int gone(int error)
{
	return error == -ESTALE || error == -ENOENT || error == -ENODEV;
}

static int set_knob(const struct mcr_restore *r, const struct knob *k)
{
	auto_(closep) int fd = mcr_cgroup_open_id(r->h, k->id);
	int e = fd < 0 ? fd : mcr_write_at(fd, k->name, k->value);

	return gone(e) ? 0 : e;
}

static int put_back(const struct mcr_restore *r, const struct knob *k)
{
	auto_(closep) int fd = mcr_cgroup_open_id(r->h, k->id);
	char now[WORD_MAX];
	int e;

	if (fd < 0)
		return gone(fd) ? 0 : fd;
	e = mcr_read_at(fd, k->name, now, sizeof(now));
	if (e >= 0 && strcmp(now, k->value) != 0)
		return 0;	/* somebody else set it: theirs now */
	if (e >= 0)
		e = mcr_write_at(fd, k->name, k->old);
	return e < 0 && !gone(e) ? e : 0;
}

int mcr_restore_apply(struct mcr_restore *r)
{
	int e;

	if (r->n == 0)
		return 0;
	e = save(r);
	for (size_t i = 0; e == 0 && i < r->n; i++)
		e = set_knob(r, &r->knobs[i]);
	return e;
}

int mcr_restore_undo_knob(struct mcr_restore *r, const char *knob)
{
	int first = 0;

	for (size_t i = 0; r->on_disk && i < r->n; i++) {
		int e = !knob || strcmp(r->knobs[i].name, knob) == 0 ? put_back(r, &r->knobs[i]) : 0;

		if (e < 0 && first == 0)
			first = e;
	}
	return first;
}

int mcr_restore_undo(struct mcr_restore *r)
{
	int first = mcr_restore_undo_knob(r, NULL);

	if (first < 0 || !r->on_disk)
		return first;
	if (unlinkat(r->dir_fd, r->name, 0) < 0 && errno != ENOENT)
		return -errno;
	r->on_disk = false;
	return 0;
}

static int parse_line(struct mcr_restore *r, const char *line)
{
	struct knob k = { 0 };
	int end = 0;

	if (sscanf(line, "%" SCNu64 " %31s %31s %31s%n", &k.id, k.name, k.old, k.value, &end) != 4 ||
	    line[end] || strchr(k.name, '/') || strncmp(k.name, "memory.", 7) != 0)
		return -EBADMSG;
	return append(r, &k);
}

static int parse(struct mcr_restore *r, char *text)
{
	char *save_ptr, *line;
	size_t n;

	for (line = strtok_r(text, "\n", &save_ptr); line; line = strtok_r(NULL, "\n", &save_ptr)) {
		int e;

		int end = 0;

		if (sscanf(line, "end %zu %" SCNu64 "%n", &n, &r->subject, &end) == 2)
			return n == r->n && !line[end] ? 0 : -EBADMSG;
		e = parse_line(r, line);
		if (e < 0)
			return e;
	}
	return -EBADMSG;
}

int mcr_restore_load(const struct mcr_hierarchy *h, int dir_fd, const char *name, struct mcr_restore **ret)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = NULL;
	auto_(freep) char *text = NULL;
	int e;

	if (faccessat(dir_fd, name, F_OK, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	e = begin(h, dir_fd, name, &r);
	if (e == 0)
		e = mcr_read_all_at(dir_fd, name, &text);
	if (e == -ENOENT)
		return 0;	/* put back while we came */
	if (e == 0)
		e = parse(r, text);
	if (e < 0)
		return e;
	r->on_disk = true;
	*ret = steal_ptr(r);
	return 1;
}

int mcr_restore_recover(const struct mcr_hierarchy *h, int dir_fd, const char *name)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = NULL;
	int e = mcr_restore_load(h, dir_fd, name, &r);

	if (e > 0)
		e = mcr_restore_undo(r);
	else
		return e;
	return e < 0 ? e : 1;
}

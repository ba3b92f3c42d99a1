/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file: a line per knob, "ID KNOB OLD NEW", and a last line "end N".  Values are single words
 * (numbers or "max").  It lives on a tmpfs: it need survive processes, not power.
 */
#include "restore.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

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
	char *name;
	struct knob *knobs;
	size_t n, size;
};

int mcr_restore_new(const struct mcr_hierarchy *h, int dir_fd, const char *name, struct mcr_restore **ret)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->h = h;
	r->dir_fd = dir_fd;
	r->name = strdup(name);
	if (!r->name)
		return -ENOMEM;
	*ret = steal_ptr(r);
	return 0;
}

struct mcr_restore *mcr_restore_free(struct mcr_restore *r)
{
	if (!r)
		return NULL;
	free(r->name);
	free(r->knobs);
	free(r);
	return NULL;
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

static int save(const struct mcr_restore *r)
{
	auto_(freep) char *text = NULL;
	auto_(fclosep) FILE *f = NULL;
	size_t len;

	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		fprintf(f, "%" PRIu64 " %s %s %s\n", r->knobs[i].id, r->knobs[i].name, r->knobs[i].old,
			r->knobs[i].value);
	fprintf(f, "end %zu\n", r->n);
	if (fflush(f) != 0)
		return -ENOMEM;
	return mcr_replace_at(r->dir_fd, r->name, text, len, 0600);
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

int mcr_restore_undo(struct mcr_restore *r)
{
	int first = 0;

	for (size_t i = 0; i < r->n; i++) {
		int e = put_back(r, &r->knobs[i]);

		if (e < 0 && first == 0)
			first = e;
	}
	if (first == 0 && unlinkat(r->dir_fd, r->name, 0) < 0 && errno != ENOENT)
		first = -errno;
	return first;
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

		if (sscanf(line, "end %zu", &n) == 1)
			return n == r->n ? 0 : -EBADMSG;
		e = parse_line(r, line);
		if (e < 0)
			return e;
	}
	return -EBADMSG;
}

int mcr_restore_recover(const struct mcr_hierarchy *h, int dir_fd, const char *name)
{
	auto_(mcr_restore_freep) struct mcr_restore *r = NULL;
	auto_(freep) char *text = NULL;
	int e;

	e = mcr_read_all_at(dir_fd, name, &text);
	if (e == -ENOENT)
		return 0;
	if (e == 0)
		e = mcr_restore_new(h, dir_fd, name, &r);
	if (e == 0)
		e = parse(r, text);
	if (e == 0)
		e = mcr_restore_undo(r);
	return e < 0 ? e : 1;
}

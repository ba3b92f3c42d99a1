/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reach.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include "fileio.h"
#include "pins.h"
#include "shmobject.h"
#include "users.h"
#include "util.h"

/* "/proc/123" */
#define DIR_SIZE 512

/* One search. 1 is "found, or refused by name"; 0 is "go on". */
struct search {
	const char *proc;
	const struct mcr_pin *pin;
	struct mcr_shmobject *object;
	enum mcr_refusal *refusal;
	bool to_read;
	int result;
};

bool mcr_reach_is_shmem(const struct mcr_pin *p)
{
	switch (p->kind) {
	case MCR_PIN_TMPFS:
	case MCR_PIN_MEMFD:
	case MCR_PIN_SYSV:
	case MCR_PIN_SHARED_ANON:
		return true;
	default:
		return false;
	}
}

static bool is_it(const struct search *s, const char *path)
{
	uint64_t ino;
	dev_t dev;

	return mcr_identify_at(AT_FDCWD, path, &dev, &ino) == 0 && dev == s->pin->dev && ino == s->pin->ino;
}

/* Is it what was meant?  A path may have another end by now, a segment's number may have been given anew. */
static bool was_opened(struct search *s, int r)
{
	s->result = r;
	if (r == 0 && (s->object->dev != s->pin->dev || s->object->ino != s->pin->ino)) {
		mcr_shmobject_close(s->object);
		s->result = -ENOENT;
	}
	return s->result >= 0;
}

/* Numbers of segments, like their inodes', are those of an IPC namespace: another may have the same one. */
static bool is_our_segment(const struct mcr_pin *p)
{
	struct shmid_ds ds;

	return shmctl(p->shmid, IPC_STAT, &ds) == 0 && (uint32_t)ds.shm_perm.__key == p->key && ds.shm_segsz == p->size;
}

/* Looked at first: opening a wrong one could block, or wake a driver. */
static bool try(struct search *s, const char *path)
{
	if (!is_it(s, path))
		return false;
	return was_opened(s, s->to_read ? mcr_shmobject_open_to_read(path, s->object, s->refusal) :
			  mcr_shmobject_open(path, s->object, s->refusal));
}

static bool try_segment(struct search *s)
{
	if (s->pin->kind != MCR_PIN_SYSV || !is_our_segment(s->pin))
		return false;
	return was_opened(s, s->to_read ? mcr_shmobject_open_sysv_to_read(s->pin->shmid, s->object, s->refusal) :
			  mcr_shmobject_open_sysv(s->pin->shmid, s->object, s->refusal));
}

/* ---- Through a process ---- */

static bool try_mapping(struct search *s, const char *dir, const char *line)
{
	struct mcr_mapping m;
	char path[DIR_SIZE + NAME_MAX + 16];

	if (mcr_mapping_parse(line, &m) < 0 || m.ino != s->pin->ino || m.dev != s->pin->dev)
		return false;
	snprintf(path, sizeof(path), "%s/map_files/%.*s", dir, (int)strcspn(line, " "), line);
	return try(s, path);
}

static bool try_maps(struct search *s, const char *dir)
{
	auto_(fclosep) FILE *f = NULL;
	auto_(freep) char *line = NULL;
	char path[DIR_SIZE + NAME_MAX + 16];
	bool found = false;
	size_t size = 0;

	snprintf(path, sizeof(path), "%s/maps", dir);
	f = fopen(path, "re");
	while (!found && f && getline(&line, &size, f) > 0)
		found = try_mapping(s, dir, line);
	return found;
}

static bool try_descriptors(struct search *s, const char *dir)
{
	char path[DIR_SIZE + NAME_MAX + 16];
	struct dirent *e;
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "%s/fd", dir);
	fds = opendir(path);
	while (!found && fds && (e = readdir(fds))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/fd/%s", dir, e->d_name);
		found = try(s, path);
	}
	if (fds)
		closedir(fds);
	return found;
}

static bool try_processes(struct search *s)
{
	DIR *proc = opendir(s->proc);
	char dir[DIR_SIZE];
	struct dirent *e;
	bool found = false;

	while (!found && proc && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(dir, sizeof(dir), "%s/%s", s->proc, e->d_name);
		found = try_descriptors(s, dir) || try_maps(s, dir);
	}
	if (proc)
		closedir(proc);
	return found;
}

static int reach(struct search *s)
{
	if (!mcr_reach_is_shmem(s->pin))
		return -EINVAL;
	if (s->pin->path && try(s, s->pin->path))
		return s->result;
	if (!try_segment(s))
		try_processes(s);
	return s->result;
}

int mcr_reach_open(const char *proc, const struct mcr_pin *p, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	struct search s = { .proc = proc, .pin = p, .object = ret, .refusal = ret_refusal, .result = -ENOENT };

	return reach(&s);
}

int mcr_reach_open_to_read(const char *proc, const struct mcr_pin *p, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	struct search s = { .proc = proc, .pin = p, .object = ret, .refusal = ret_refusal, .to_read = true, .result = -ENOENT };

	return reach(&s);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernelrecharge.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "fileio.h"
#include "json.h"
#include "util.h"

#define COUNTER(name) { #name, offsetof(struct mcr_kernelrecharge_counters, name) }
#define SWITCH(name) { #name, offsetof(struct mcr_kernelrecharge, name) }

struct file {
	const char *name;
	size_t offset;
};

static const struct file switches[] = {
	SWITCH(enabled), SWITCH(mapped), SWITCH(on_access), SWITCH(evict),
};

static const struct file counters[] = {
	COUNTER(moved), COUNTER(moved_swap), COUNTER(moved_mapped), COUNTER(moved_on_access), COUNTER(evicted),
	COUNTER(failed_busy), COUNTER(failed_limit), COUNTER(failed_pinned),
};

/* So many are of requests, which come before the modes. */
#define REQUESTS_SWITCHES 1
#define REQUESTS_COUNTERS 2

static bool *switch_at(struct mcr_kernelrecharge *k, size_t i)
{
	return (bool *)((char *)k + switches[i].offset);
}

static uint64_t *counter_at(struct mcr_kernelrecharge *k, size_t i)
{
	return (uint64_t *)((char *)&k->counters + counters[i].offset);
}

static int open_dir(const char *dir)
{
	int fd = open(dir ? dir : MCR_KERNELRECHARGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_switch(int fd, const char *name, bool *ret)
{
	uint64_t v = 0;
	int r = mcr_read_u64_at(fd, name, &v);

	if (r < 0)
		return r;
	if (v > 1)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* The modes are patches of their own: without one its files, behind the first, are not there. */
static int unless_absent(int r, size_t i, size_t first)
{
	return r == -ENOENT && i >= first ? 0 : r;
}

int mcr_kernelrecharge_read(const char *dir, struct mcr_kernelrecharge *ret)
{
	auto_(closep) int fd = open_dir(dir);
	struct mcr_kernelrecharge k = { .enabled = false };
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(switches); i++)
		r = unless_absent(read_switch(fd, switches[i].name, switch_at(&k, i)), i, REQUESTS_SWITCHES);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(counters); i++)
		r = unless_absent(mcr_read_u64_at(fd, counters[i].name, counter_at(&k, i)), i, REQUESTS_COUNTERS);
	if (r == 0)
		*ret = k;
	return r;
}

bool mcr_kernelrecharge_is_on(const char *dir)
{
	auto_(closep) int fd = open_dir(dir);
	bool on = false;

	return fd >= 0 && read_switch(fd, "enabled", &on) == 0 && on;
}

/* No file to write to is another matter than no source. */
static int write_request(int dir_fd, const char *text)
{
	auto_(closep) int fd = openat(dir_fd, "recharge", O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ENOSYS : -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int mcr_kernelrecharge_request(const char *dir, uint64_t source, uint64_t target, uint64_t bytes)
{
	auto_(closep) int fd = open_dir(dir);
	char text[64];

	if (fd < 0)
		return fd == -ENOENT ? -ENOSYS : fd;
	if (bytes)
		snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64, source, target, bytes);
	else
		snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, source, target);
	return write_request(fd, text);
}

const char *mcr_kernelrecharge_text(const struct mcr_kernelrecharge *k, char *buf, size_t size)
{
	const struct { const char *name; bool on; } modes[] = {
		{ "mapped", k->mapped }, { "on_access", k->on_access }, { "evict", k->evict },
	};
	bool any = k->mapped || k->on_access || k->evict, first = true;
	int n;

	if (!k->enabled) {
		snprintf(buf, size, "off");
		return buf;
	}
	n = snprintf(buf, size, "on; modes: %s", any ? "" : "none");
	for (size_t i = 0; i < ARRAY_SIZE(modes) && n >= 0 && (size_t)n < size; i++) {
		if (!modes[i].on)
			continue;
		n += snprintf(buf + n, size - n, "%s%s", first ? "" : ", ", modes[i].name);
		first = false;
	}
	return buf;
}

struct json_object *mcr_kernelrecharge_json(const struct mcr_kernelrecharge *k)
{
	struct json_object *o = json_object_new_object();
	struct mcr_kernelrecharge copy;

	add_bool(o, "present", k != NULL);
	if (!k)
		return o;
	copy = *k;
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		add_bool(o, switches[i].name, *switch_at(&copy, i));
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		add_u64(o, counters[i].name, *counter_at(&copy, i));
	return o;
}

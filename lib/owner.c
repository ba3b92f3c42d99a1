/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "cgroup.h"
#include "config.h"
#include "fileio.h"
#include "shmobject.h"
#include "util.h"

#define START_USEC (5 * MCR_USEC_PER_SEC)
#define POLL_USEC 20000

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

bool mcr_owner_is(const char *path)
{
	const char *name = last_name(path);

	return strcmp(name, MCR_OWNER_NAME) == 0 || ends_with(name, "-" MCR_OWNER_NAME);
}

int mcr_owner_of_slice(const char *slice, char **ret)
{
	const char *name = last_name(slice);
	int stem = (int)strlen(name) - (int)strlen(".slice");

	if (stem <= 0 || !ends_with(name, ".slice"))
		return -EINVAL;
	if (stem + strlen("-" MCR_OWNER_NAME) > NAME_MAX)
		return -ENAMETOOLONG;
	return asprintf(ret, "%s/%.*s-" MCR_OWNER_NAME, slice, stem, name) < 0 ? -ENOMEM : 0;
}

static bool has_limit(const struct mcr_hierarchy *h, const char *path)
{
	static const char *const files[] = { "memory.max", "memory.high", "memory.swap.max" };
	auto_(closep) int fd = mcr_cgroup_open_path(h, path);
	uint64_t limit;

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(files); i++)
		if (mcr_read_u64_at(fd, files[i], &limit) == 0 && limit != UINT64_MAX)
			return true;
	return false;
}

/* Is the owner in this cgroup, or is it this one? */
static bool is_in(const char *owner, const char *path, size_t len)
{
	return strncmp(owner, path, len) == 0 && (owner[len] == '/' || !owner[len]);
}

int mcr_owner_within_limits(const struct mcr_hierarchy *h, const char *owner, const char *path)
{
	auto_(freep) char *at = strdup(path + strspn(path, "/"));
	char *slash;

	owner += strspn(owner, "/");
	if (!at)
		return -ENOMEM;
	while ((slash = strrchr(at, '/'))) {	/* from the parent up; its own limit goes with it */
		*slash = '\0';
		if (!is_in(owner, at, strlen(at)) && has_limit(h, at))
			return -EXDEV;
	}
	return 0;
}

int mcr_owner_room(const struct mcr_hierarchy *h, const char *owner, const char *path, uint64_t *ret)
{
	auto_(freep) char *at = strdup(owner + strspn(owner, "/"));
	uint64_t room = UINT64_MAX;
	int r = at ? 0 : -ENOMEM;
	char *slash;

	path += strspn(path, "/");
	while (r == 0 && *at && !is_in(path, at, strlen(at))) {
		auto_(closep) int fd = mcr_cgroup_open_path(h, at);

		r = fd < 0 ? fd : mcr_headroom_here(fd, &room);
		slash = strrchr(at, '/');
		*(slash ? slash : at) = '\0';
	}
	if (r == 0)
		*ret = room;
	return r;
}

char *mcr_owner_top_slice(const char *path)
{
	size_t lead = strspn(path, "/"), len = strcspn(path + lead, "/");
	char *name = strndup(path + lead, len);

	if (name && ends_with(name, ".slice"))
		return name;
	free(name);
	return NULL;
}

bool mcr_owner_is_user(const struct mcr_policy *p)
{
	return p->owner && strcmp(p->owner, "user") == 0;
}

int mcr_owner_by_policy(const struct mcr_policy *p, const char *slice, char **ret)
{
	if (!p->owner || !*p->owner || strcmp(p->owner, "slice") == 0 || mcr_owner_is_user(p))
		return mcr_owner_of_slice(slice, ret);
	*ret = strdup(p->owner);
	return *ret ? 0 : -ENOMEM;
}

/* Asks systemd for it; it answers when the job is queued. */
static int start_slice(const char *unit)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	if (r < 0)
		return -EHOSTDOWN;
	r = sd_bus_set_method_call_timeout(bus, START_USEC);
	if (r >= 0)
		r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
				       "org.freedesktop.systemd1.Manager", "StartUnit", &error, NULL, "ss", unit, "replace");
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return r < 0 ? r : 0;
}

static int wait_for_cgroup(const struct mcr_hierarchy *h, const char *path)
{
	uint64_t end = mcr_now_ns() + START_USEC * MCR_NSEC_PER_USEC;
	int fd;

	while ((fd = mcr_cgroup_open_path(h, path)) == -ENOENT && mcr_now_ns() < end)
		usleep(POLL_USEC);
	return fd == -ENOENT ? -ETIMEDOUT : fd;
}

/* May a process join it, and be charged there? */
static int check_leaf(int fd)
{
	char buf[256];
	int r = mcr_read_at(fd, "cgroup.subtree_control", buf, sizeof(buf));

	if (r < 0)
		return r;
	if (*buf && *buf != '\n')
		return -EBUSY;
	return faccessat(fd, "memory.current", F_OK, 0) < 0 ? -ENODEV : 0;
}

int mcr_owner_open_running(const struct mcr_hierarchy *h, const char *path)
{
	int fd = mcr_cgroup_open_path(h, path), r;

	if (fd < 0)
		return fd;
	r = check_leaf(fd);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int mcr_owner_open(const struct mcr_hierarchy *h, const char *path)
{
	int fd = mcr_owner_open_running(h, path), r;

	if (fd != -ENOENT || !ends_with(path, ".slice"))
		return fd;
	r = start_slice(last_name(path));
	if (r == 0)
		r = wait_for_cgroup(h, path);
	if (r < 0)
		return r;
	close(r);
	return mcr_owner_open_running(h, path);
}

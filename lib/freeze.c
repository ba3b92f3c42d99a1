/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freeze.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "cgroup.h"
#include "chunklog.h"
#include "fileio.h"
#include "hierarchy.h"
#include "util.h"

struct member {
	uint64_t id;
	int fd;
	bool ours;	/* frozen by us, at present */
};

struct mcr_freeze {
	const struct mcr_hierarchy *h;
	struct mcr_chunklog *log;
	char *own, *owner;
	struct member at[MCR_CHUNKLOG_CGROUPS];
	size_t n;
};

int mcr_freeze_new(const struct mcr_hierarchy *h, struct mcr_chunklog *log, const char *own, const char *owner,
		   struct mcr_freeze **ret)
{
	auto_(mcr_freeze_freep) struct mcr_freeze *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->h = h;
	f->log = log;
	f->own = strdup(own);
	f->owner = strdup(owner);
	if (!f->own || !f->owner)
		return -ENOMEM;
	*ret = steal_ptr(f);
	return 0;
}

struct mcr_freeze *mcr_freeze_free(struct mcr_freeze *f)
{
	if (!f)
		return NULL;
	mcr_freeze_thaw(f);
	for (size_t i = 0; i < f->n; i++)
		close_fd(f->at[i].fd);
	free(f->own);
	free(f->owner);
	free(f);
	return NULL;
}

/* Is path the ancestor, or below it? */
static bool within(const char *path, const char *ancestor)
{
	size_t len = strlen(ancestor);

	if (strcmp(ancestor, "/") == 0)
		return true;
	return strncmp(path, ancestor, len) == 0 && (!path[len] || path[len] == '/');
}

enum mcr_refusal mcr_freeze_allowed(const char *path, const char *own, const char *owner)
{
	if (strcmp(path, "/") == 0)
		return MCR_REFUSED_ROOT_CGROUP;
	if (within(path, "/init.scope"))
		return MCR_REFUSED_INIT;
	if (within(own, path))
		return MCR_REFUSED_OWN_CGROUP;
	if (within(owner, path))
		return MCR_REFUSED_OWNER_IN_IT;
	return MCR_REFUSED_NOT;
}

static bool is_threaded(int fd)
{
	char type[32];

	return mcr_read_at(fd, "cgroup.type", type, sizeof(type)) >= 0 && strcmp(type, "threaded") == 0;
}

enum mcr_refusal mcr_freeze_add(struct mcr_freeze *f, const char *path)
{
	enum mcr_refusal refusal = mcr_freeze_allowed(path, f->own, f->owner);
	auto_(closep) int fd = -EBADF;
	uint64_t id;

	if (refusal)
		return refusal;
	fd = mcr_cgroup_open_path(f->h, path);
	if (fd < 0 || mcr_cgroup_id(fd, &id) < 0)
		return fd == -ENOENT ? MCR_REFUSED_NOT : MCR_REFUSED_UNSEEN;
	for (size_t i = 0; i < f->n; i++)
		if (f->at[i].id == id)
			return MCR_REFUSED_NOT;
	if (is_threaded(fd))
		return MCR_REFUSED_THREADED;
	if (f->n == ARRAY_SIZE(f->at))
		return MCR_REFUSED_TOO_MANY_CGROUPS;
	f->at[f->n++] = (struct member){ .id = id, .fd = steal_fd(fd) };
	return MCR_REFUSED_NOT;
}

bool mcr_freeze_has(const struct mcr_freeze *f, uint64_t cgroup_id)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->at[i].id == cgroup_id)
			return true;
	return false;
}

size_t mcr_freeze_count(const struct mcr_freeze *f)
{
	return f->n;
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENODEV;
}

/* 1 or 0: the kernel has brought all that is in it to rest. */
static int read_frozen(int fd)
{
	char events[256];
	uint64_t frozen;
	int r = mcr_read_at(fd, "cgroup.events", events, sizeof(events));

	if (r < 0)
		return r;
	r = mcr_keyed_u64(events, "frozen", &frozen);
	return r < 0 ? r : frozen == 1;
}

static int begin(struct mcr_freeze *f, struct member *m)
{
	uint64_t frozen;
	int r = mcr_read_u64_at(m->fd, "cgroup.freeze", &frozen);

	if (r < 0)
		return is_gone(r) ? 0 : r;
	if (frozen && !m->ours)
		return 0;	/* by somebody else */
	r = mcr_chunklog_freezing(f->log, m->id);
	if (r < 0)
		return r;
	m->ours = true;
	r = mcr_write_at(m->fd, "cgroup.freeze", "1");
	return is_gone(r) ? 0 : r;
}

/* The kernel tells changes of cgroup.events by POLLPRI. */
static int await(const struct member *m, uint64_t end_ns)
{
	struct pollfd p = { .fd = openat(m->fd, "cgroup.events", O_RDONLY | O_CLOEXEC), .events = POLLPRI };
	char ignored[256];
	int r;

	if (p.fd < 0)
		return is_gone(-errno) ? 0 : -errno;
	for (;;) {
		uint64_t now = mcr_now_ns();

		if (pread(p.fd, ignored, sizeof(ignored), 0) < 0) {	/* from here on changes count */
			r = is_gone(-errno) ? 0 : -errno;
			break;
		}
		r = read_frozen(m->fd);
		if (r != 0)
			break;
		if (now >= end_ns) {
			r = -ETIMEDOUT;
			break;
		}
		poll(&p, 1, (end_ns - now) / 1000000 + 1);
	}
	close(p.fd);
	return r > 0 || is_gone(r) ? 0 : r;
}

int mcr_freeze_all(struct mcr_freeze *f, uint64_t timeout_usec)
{
	uint64_t end_ns = mcr_now_ns() + timeout_usec * MCR_NSEC_PER_USEC;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n; i++)
		r = begin(f, &f->at[i]);
	for (size_t i = 0; r == 0 && i < f->n; i++)
		r = await(&f->at[i], end_ns);
	if (r < 0)
		mcr_freeze_thaw(f);
	return r;
}

bool mcr_freeze_lasts(const struct mcr_freeze *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (read_frozen(f->at[i].fd) == 0)
			return false;
	return true;
}

int mcr_freeze_thaw(struct mcr_freeze *f)
{
	int r = 0;

	for (size_t i = 0; i < f->n; i++) {
		int e;

		if (!f->at[i].ours)
			continue;
		e = mcr_write_at(f->at[i].fd, "cgroup.freeze", "0");
		if (e == 0 || is_gone(e))
			f->at[i].ours = false;
		else if (r == 0)
			r = e;
	}
	if (r == 0)
		mcr_chunklog_thawed(f->log);
	return r;
}

int mcr_cgroup_frozen(const struct mcr_hierarchy *h, const char *path)
{
	auto_(closep) int fd = mcr_cgroup_open_path(h, path);

	return fd < 0 ? fd : read_frozen(fd);
}

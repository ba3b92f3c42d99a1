/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard.h"

#include <fcntl.h>
#include <sys/fanotify.h>

#include "util.h"

int mcr_guard_new(void)
{
	int fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int mark(int guard_fd, int object_fd, unsigned int flags)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", object_fd);
	return fanotify_mark(guard_fd, flags, FAN_OPEN_PERM, AT_FDCWD, link) < 0 ? -errno : 0;
}

int mcr_guard_raise(struct mcr_guard *g, int object_fd)
{
	return mark(g->fd, object_fd, FAN_MARK_ADD);
}

static void say_yes(int guard_fd, int waiting_fd)
{
	struct fanotify_response yes = { .fd = waiting_fd, .response = FAN_ALLOW };

	if (write(guard_fd, &yes, sizeof(yes)) < 0)
		errno = 0;	/* it was killed meanwhile */
	close(waiting_fd);
}

/* An event is read and not answered yet; its descriptor is how it is answered. */
size_t mcr_guard_waiting(struct mcr_guard *g)
{
	struct fanotify_event_metadata events[16], *e;
	ssize_t n;

	while (g->n + ARRAY_SIZE(events) <= MCR_GUARD_WAITING && (n = read(g->fd, events, sizeof(events))) > 0)
		for (e = events; FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n))
			if (e->fd >= 0)
				g->waiting[g->n++] = e->fd;
	return g->n;
}

int mcr_guard_lower(struct mcr_guard *g, int object_fd)
{
	int r = mark(g->fd, object_fd, FAN_MARK_REMOVE);

	while (mcr_guard_waiting(g))
		while (g->n)
			say_yes(g->fd, g->waiting[--g->n]);
	return r == -ENOENT ? 0 : r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "direct.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-login.h>

#include "bus.h"
#include "explain.h"
#include "fileio.h"
#include "log.h"
#include "manager.h"
#include "util.h"

/* Connections, in all and of one user: each is for one call. */
#define PEERS_MAX 128
#define PEERS_PER_USER 32	/* root has as many to itself */

/* Who says nothing is sent away; who was answered goes by himself, or after the longest request. */
#define SILENT_NSEC (10 * MCR_NSEC_PER_SEC)
#define OVERDUE_NSEC (16 * 60 * MCR_NSEC_PER_SEC)

/* Messages of a handshake, and one call. */
#define WAKES_MAX 8

struct peer {
	struct peer *next;
	struct manager *m;
	sd_bus *bus;
	uid_t uid;
	char *cgroup;		/* when it came; "" when unknown */
	uint64_t since_ns;
	bool called;
	bool waking, over;	/* being looked at, and ended meanwhile: freed afterwards */
};

static void end(struct peer *p)
{
	if (p->waking) {
		p->over = true;
		return;
	}
	for (struct peer **at = &p->m->direct.peers; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	requests_cancel(p->m, p->bus);
	explain_cancel(p->m, p->bus);
	sd_bus_close_unref(p->bus);
	free(p->cgroup);
	free(p);
}

/* One call a connection: nobody else bounds what a peer asks for and does not read. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct peer *p = userdata;

	(void)error;
	if (!sd_bus_message_is_method_call(message, NULL, NULL))
		return 0;
	if (p->called) {
		end(p);
		return 1;
	}
	p->called = true;
	return 0;
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	(void)message;
	(void)error;
	end(userdata);
	return 0;
}

static bool has_room(const struct direct *d, uid_t uid)
{
	unsigned int all = 0, own = 0;

	for (const struct peer *p = d->peers; p; p = p->next) {
		all++;
		own += p->uid == uid;
	}
	return uid == 0 ? all < PEERS_MAX + PEERS_PER_USER : all < PEERS_MAX && own < PEERS_PER_USER;
}

/* Takes fd over, whatever comes of it. */
static int serve(struct peer *p, int fd)
{
	sd_id128_t id;
	int r = sd_bus_new(&p->bus);

	if (r >= 0)
		r = sd_bus_set_fd(p->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_id128_randomize(&id);
	if (r >= 0)
		r = sd_bus_set_server(p->bus, true, id);
	if (r >= 0)
		r = sd_bus_start(p->bus);
	if (r >= 0)
		r = sd_bus_add_filter(p->bus, NULL, on_message, p);
	if (r >= 0)
		r = bus_add_methods(p->bus, p->m);
	if (r >= 0)
		r = sd_bus_match_signal_async(p->bus, NULL, "org.freedesktop.DBus.Local", NULL,
					      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, p);
	if (r >= 0)
		r = sd_bus_attach_event(p->bus, p->m->event, SD_EVENT_PRIORITY_NORMAL);
	return r;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct manager *m = userdata;
	auto_(closep) int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct peer *p;

	(void)source;
	(void)events;
	if (conn < 0 || getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || !has_room(&m->direct, cred.uid))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return 0;
	p->m = m;
	p->uid = cred.uid;
	p->since_ns = mcr_now_ns();
	if (sd_pid_get_cgroup(cred.pid, &p->cgroup) < 0)
		p->cgroup = NULL;
	p->next = m->direct.peers;
	m->direct.peers = p;
	if (serve(p, steal_fd(conn)) < 0)
		end(p);
	return 0;
}

static int listen_at(const char *path, int *ret)
{
	auto_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || chmod(path, 0666) < 0 || listen(fd, PEERS_MAX) < 0)
		return -errno;
	*ret = steal_fd(fd);
	return 0;
}

const char *direct_sender(const struct manager *m, const sd_bus *bus, uid_t *ret_uid)
{
	for (const struct peer *p = m->direct.peers; p; p = p->next) {
		if (p->bus != bus)
			continue;
		*ret_uid = p->uid;
		return p->cgroup ? p->cgroup : "";
	}
	return NULL;
}

/*
 * A call that came in one piece with the end of the handshake lies in sd-bus's buffer: no descriptor tells of it.  libdbus and
 * GDBus send so; sd-bus itself waits for the handshake's answer first.
 */
static void wake(struct peer *p)
{
	for (int i = 0; i < WAKES_MAX && !p->called && sd_bus_process(p->bus, NULL) > 0; i++)
		;
}

void direct_expire(struct manager *m)
{
	uint64_t now = mcr_now_ns();

	for (struct peer *p = m->direct.peers, *next; p; p = next) {
		next = p->next;
		if (!p->called) {
			p->waking = true;
			wake(p);
			p->waking = false;
			if (p->over) {
				end(p);
				continue;
			}
		}
		if (now - p->since_ns > (p->called ? OVERDUE_NSEC : SILENT_NSEC))
			end(p);
	}
}

int direct_start(struct manager *m)
{
	int fd = -EBADF, r = listen_at(RUN_DIR "/" DIRECT_SOCKET, &fd);

	if (r < 0)
		return r;
	r = sd_event_add_io(m->event, &m->direct.listener, fd, EPOLLIN, on_connection, m);
	if (r < 0) {
		close(fd);
		return r;
	}
	sd_event_source_set_io_fd_own(m->direct.listener, true);
	return sd_event_source_set_description(m->direct.listener, "direct");
}

void direct_stop(struct manager *m)
{
	if (!m->direct.listener)
		return;
	m->direct.listener = sd_event_source_disable_unref(m->direct.listener);
	unlink(RUN_DIR "/" DIRECT_SOCKET);
	while (m->direct.peers)
		end(m->direct.peers);
}

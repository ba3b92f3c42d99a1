/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bus.h"
#include "census.h"
#include "config.h"
#include "fileio.h"
#include "fit.h"
#include "kernelrecharge.h"
#include "manager.h"
#include "owner.h"
#include "pinjson.h"
#include "pins.h"
#include "users.h"
#include "util.h"

/* An answer has to fit into a message, and into memory. */
#define ANSWER_MAX (4U << 20)

struct explain_arg {
	uint64_t id;
	const char *path;
	int fd;			/* where the text goes */
	struct mcr_fit_opts fit;	/* who would pay for what it pins */
};

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -errno;
		text += n;
		len -= n;
	}
	return 0;
}

/* Reports its result, 4 bytes; the text is in the memfd. */
static int explain(const struct explain_arg *arg)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = NULL;
	auto_(mcr_users_freep) struct mcr_users *u = NULL;
	auto_(mcr_pins_freep) struct mcr_pins *p = NULL;
	struct json_object *o;
	const char *text;
	int r = mcr_pins_walker_new(&w, NULL);

	if (r == 0)
		r = mcr_pins_walk(w, arg->id, &p);
	if (r < 0)
		return r;
	mcr_users_find("/proc", p, &u);
	o = mcr_pins_json_fit(p, u, arg->path, &arg->fit);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	r = strlen(text) > ANSWER_MAX ? -EFBIG : write_all(arg->fd, text, strlen(text));
	json_object_put(o);
	return r;
}

static int explain_in_worker(void *userdata, int out_fd)
{
	const int32_t r = explain(userdata);

	return mcr_worker_report(out_fd, &r, sizeof(r));
}

static void on_result(const void *record, void *userdata)
{
	struct manager *m = userdata;

	memcpy(&m->explain_result, record, sizeof(m->explain_result));
}

static char *read_text(int fd)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st) < 0 || !(text = calloc(1, st.st_size + 1)))
		return NULL;
	if (pread(fd, text, st.st_size, 0) == st.st_size)
		return text;
	free(text);
	return NULL;
}

static void on_end(bool late, void *userdata)
{
	struct manager *m = userdata;
	auto_(sd_bus_message_unrefp) sd_bus_message *call = steal_ptr(m->explain_call);
	auto_(freep) char *text = m->explain_result == 0 ? read_text(m->explain_fd) : NULL;

	m->explain_fd = close_fd(m->explain_fd);
	if (!call)
		return;
	if (text)
		sd_bus_reply_method_return(call, "s", text);
	else if (m->explain_result == -ESTALE)
		sd_bus_reply_method_errorf(call, BUS_ERROR_NO_SUCH_CGROUP, "it has gone");
	else
		sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "%s",
					   late ? "the worker took too long" : strerror(-m->explain_result));
}

static const struct job_ops explain_ops = {
	.name = "explain",
	.record_size = sizeof(int32_t),
	.on_record = on_result,
	.on_end = on_end,
};

static const struct mcr_zombie *find_zombie(const struct manager *m, uint64_t id)
{
	for (size_t i = 0; m->census && m->census->named && i < m->census->n; i++)
		if (m->census->zombies[i].id == id)
			return &m->census->zombies[i];
	return NULL;
}

/* A dead cgroup has no owner any more; below a user's slice it was theirs. */
static bool may_ask(uid_t uid, const char *path)
{
	char slice[64];

	if (uid == 0)
		return true;
	snprintf(slice, sizeof(slice), "/user.slice/user-%u.slice/", uid);
	return strncmp(path, slice, strlen(slice)) == 0;
}

static int start(struct manager *m, sd_bus_message *call, const struct mcr_zombie *z)
{
	const struct mcr_policy *p = coverage_policy(m, z->id, z->path, NULL);
	struct explain_arg arg = { .id = z->id, .path = z->path, .fit = {
		.owner_user = p && mcr_owner_is_user(p), .kernel = mcr_kernelrecharge_is_on(NULL),
	} };
	auto_(freep) char *owner = NULL;
	int r;

	if (recharge_owner_of(m->config, p ? p : m->config->policies[0], z->path, &owner) == 0)
		arg.fit.owner = owner;
	arg.fd = m->explain_fd = memfd_create("explain", MFD_CLOEXEC);
	if (arg.fd < 0)
		return -errno;
	m->explain_result = -EIO;	/* until it says otherwise */
	m->explain_call = sd_bus_message_ref(call);
	r = job_start(&m->explain_job, m->event, &explain_ops, m, m->config->worker_max_usec, explain_in_worker, &arg,
		      &arg.fd, 1);
	if (r < 0) {
		m->explain_call = sd_bus_message_unref(m->explain_call);
		m->explain_fd = close_fd(m->explain_fd);
		return r;
	}
	return 1;
}

int explain_start(struct manager *m, sd_bus_message *call, uint64_t id, sd_bus_error *error)
{
	const struct mcr_zombie *z = find_zombie(m, id);
	uid_t uid;
	int r = bus_sender_uid(m, call, &uid);

	if (r < 0)
		return r;
	if (!z || !may_ask(uid, z->path))	/* the same answer: ids are not to be guessed */
		return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_CGROUP, "no zombie%s has this id",
					 uid == 0 ? "" : " of yours");
	if (job_runs(&m->explain_job))
		return sd_bus_error_set(error, BUS_ERROR_LIMIT, "another one is being explained");
	return start(m, call, z);
}

void explain_cancel(struct manager *m, const sd_bus *bus)
{
	if (m->explain_call && (!bus || sd_bus_message_get_bus(m->explain_call) == bus))
		m->explain_call = sd_bus_message_unref(m->explain_call);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "unitname.h"
#include "util.h"

/*
 * Plain messages go by the stream, which is the unit's: a process that ends at once is gone before the
 * journal has learned from its pid whose it was.  Actions have fields, and are the daemon's at work.
 */
static int max_level = LOG_INFO;

/* Never changed: who filters by them must find them. */
static const char *const message_ids[EVENTS] = {
	[EVENT_FOUND] = "bb743891b21c44b6b74270b3c1532471",
	[EVENT_REAPED] = "d4ee0092158242c989b508c5b60eb5e9",
	[EVENT_PINNED] = "320aa22043844c8da5eda08cdce262a0",
	[EVENT_EXPIRED] = "9c98b8c9abb34f94a2c7f448e5ee2f61",
	[EVENT_BUDGET] = "a883d230ebd445cbb815c8ed6e5f936a",
	[EVENT_MISSING] = "1df4537d66d04b2983dfb56520817bae",
	[EVENT_CONFIG] = "84878e7803f84a4398a06d95dd57d7aa",
	[EVENT_RECHARGED] = "ce1167807b0d4dab9734d881d10e39f0",
	[EVENT_LOST] = "29e1f6b674164bdfb1785094d3e5d53c",
	[EVENT_RESTORED] = "5a4b68efb02c49928dbe80812b1e360d",
};

void log_set_level(int level)
{
	max_level = level;
}

/* JOURNAL_STREAM names the socket stderr was connected to when the service was started. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

/* The text, allocated; NULL when nobody wants to read it, or without memory. */
static char *format_text(int level, const char *format, va_list ap)
{
	char *text;

	return level > max_level || vasprintf(&text, format, ap) < 0 ? NULL : text;
}

void log_msg(int level, const char *format, ...)
{
	auto_(freep) char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = format_text(level, format, ap);
	va_end(ap);
	if (!text)
		return;
	if (to_journal())
		fprintf(stderr, "<%d>%s\n", level, text);	/* sd-daemon(3) */
	else
		fprintf(stderr, "%s\n", text);
}

/* Fields of one entry of the journal. */
struct fields {
	struct iovec at[12];
	size_t n;
};

static void add_field(struct fields *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_field(struct fields *f, const char *format, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, format);
	len = vasprintf(&text, format, ap);
	va_end(ap);
	if (len < 0)
		return;
	if (f->n == ARRAY_SIZE(f->at))
		free(text);
	else
		f->at[f->n++] = (struct iovec){ .iov_base = text, .iov_len = len };
}

static void send_fields(struct fields *f, enum log_event event, int level)
{
	add_field(f, "PRIORITY=%i", level);
	if (event)
		add_field(f, "MESSAGE_ID=%s", message_ids[event]);
	sd_journal_sendv(f->at, f->n);
	while (f->n > 0)
		free(f->at[--f->n].iov_base);
}

void log_event(enum log_event event, int level, const char *format, ...)
{
	auto_(freep) char *text = NULL;
	struct fields f = { 0 };
	va_list ap;

	va_start(ap, format);
	text = format_text(level, format, ap);
	va_end(ap);
	if (!text)
		return;
	if (!to_journal()) {
		fprintf(stderr, "%s\n", text);
		return;
	}
	add_field(&f, "MESSAGE=%s", text);
	send_fields(&f, event, level);
}

void log_action(enum log_event event, int level, const char *action, const char *cgroup, uint64_t bytes,
		const char *reason)
{
	struct fields f = { 0 };
	char unit[256];
	bool is_unit;

	if (level > max_level)
		return;
	if (!to_journal()) {
		fprintf(stderr, "%s %s: %" PRIu64 " KiB, %s\n", action, cgroup, bytes / 1024, reason);
		return;
	}
	is_unit = mcr_unit_of(cgroup, unit, sizeof(unit)) != MCR_UNIT_NONE;
	add_field(&f, "MESSAGE=%s %s: %" PRIu64 " KiB, %s", action, cgroup, bytes / 1024, reason);
	add_field(&f, "ACTION=%s", action);
	add_field(&f, "CGROUP=%s", cgroup);
	add_field(&f, "BYTES=%" PRIu64, bytes);
	add_field(&f, "REASON=%s", reason);
	if (is_unit)
		add_field(&f, "UNIT=%s", unit);
	send_fields(&f, event, level);
}

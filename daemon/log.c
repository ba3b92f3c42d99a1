/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "util.h"

/*
 * Plain messages go by the stream, which is the unit's: a process that ends at once is gone before the
 * journal has learned from its pid whose it was.  Actions have fields, and are the daemon's at work.
 */
static int max_level = LOG_INFO;

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

void log_msg(int level, const char *format, ...)
{
	auto_(freep) char *text = NULL;
	va_list ap;
	int n;

	if (level > max_level)
		return;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (to_journal())
		fprintf(stderr, "<%d>%s\n", level, text);	/* sd-daemon(3) */
	else
		fprintf(stderr, "%s\n", text);
}

void log_action(int level, const char *action, const char *cgroup, uint64_t bytes, const char *reason)
{
	if (level > max_level)
		return;
	if (to_journal())
		sd_journal_send("MESSAGE=%s %s: %" PRIu64 " KiB, %s", action, cgroup, bytes / 1024, reason,
				"PRIORITY=%i", level, "ACTION=%s", action, "CGROUP=%s", cgroup,
				"BYTES=%" PRIu64, bytes, "REASON=%s", reason, NULL);
	else
		fprintf(stderr, "%s %s: %" PRIu64 " KiB, %s\n", action, cgroup, bytes / 1024, reason);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "util.h"

static int max_level = LOG_INFO;
static bool stderr_only;

void log_set_level(int level)
{
	max_level = level;
}

void log_to_stderr(void)
{
	stderr_only = true;
}

/* JOURNAL_STREAM names the socket stderr was connected to when the service was started. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return !stderr_only && stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
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
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", level, NULL);
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

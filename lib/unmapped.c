/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unmapped.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "pins.h"
#include "util.h"
#include "wanted.h"

static uint64_t unmapped(const struct mcr_pin *p)
{
	bool here = p->kind == MCR_PIN_FILE && p->path && mcr_wanted_judge(p->magic, p->dev) == MCR_REFUSED_NOT;

	return here && p->bytes > p->mapped_bytes ? p->bytes - p->mapped_bytes : 0;
}

uint64_t mcr_unmapped_bytes(const struct mcr_pins *pins)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < pins->n; i++)
		sum += unmapped(&pins->pins[i]);
	return sum;
}

/*
 * The very file, or errno.  A user may have put anything in its place by now, or in that of a directory on the way: to
 * open a device or a FIFO is to do something, so it is looked at before.
 */
static int open_file(const struct mcr_pin *p)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	auto_(closep) int look = syscall(SYS_openat2, AT_FDCWD, p->path, &how, sizeof(how));
	char link[64];
	struct stat st;
	int fd;

	if (look < 0 || fstat(look, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != p->ino || st.st_dev != (p->stat_dev ? p->stat_dev : p->dev))
		return -ESTALE;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", look);
	fd = open(link, O_RDONLY | O_NOATIME | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Returns how much of max_bytes it took. */
static uint64_t drop(const struct mcr_pin *p, uint64_t max_bytes)
{
	auto_(closep) int fd = open_file(p);
	uint64_t left = max_bytes;

	for (size_t r = 0; fd >= 0 && left && r < p->n_ranges; r++) {
		uint64_t len = p->ranges[r].len < left ? p->ranges[r].len : left;

		posix_fadvise(fd, p->ranges[r].offset, len, POSIX_FADV_DONTNEED);
		left -= len;
	}
	return max_bytes - left;
}

void mcr_unmapped_drop(const struct mcr_pins *pins, uint64_t max_bytes)
{
	for (size_t i = 0; max_bytes && i < pins->n; i++)
		if (unmapped(&pins->pins[i]))
			max_bytes -= drop(&pins->pins[i], max_bytes);
}

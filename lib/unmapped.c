/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unmapped.h"

#include <fcntl.h>
#include <sys/stat.h>

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

/* The very file, or errno. */
static int open_file(const struct mcr_pin *p)
{
	auto_(closep) int fd = open(p->path, O_RDONLY | O_NOATIME | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != p->ino || st.st_dev != (p->stat_dev ? p->stat_dev : p->dev))
		return -ESTALE;
	return steal_fd(fd);
}

void mcr_unmapped_drop(const struct mcr_pins *pins, uint64_t max_bytes)
{
	for (size_t i = 0; i < pins->n; i++) {
		const struct mcr_pin *p = &pins->pins[i];
		uint64_t bytes = unmapped(p);
		auto_(closep) int fd = bytes && bytes <= max_bytes ? open_file(p) : -ENOENT;

		if (fd < 0)
			continue;
		max_bytes -= bytes;
		for (size_t r = 0; r < p->n_ranges; r++)
			posix_fadvise(fd, p->ranges[r].offset, p->ranges[r].len, POSIX_FADV_DONTNEED);
	}
}

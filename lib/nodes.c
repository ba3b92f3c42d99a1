/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nodes.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "fileio.h"
#include "util.h"

unsigned int mcr_list_end(const char *list)
{
	const char *last = list + strlen(list);
	uint64_t v;

	while (last > list && last[-1] >= '0' && last[-1] <= '9')
		last--;
	if (mcr_parse_u64(last, &v) < 0 || v >= UINT_MAX)
		return 0;
	return v + 1;
}

static unsigned int possible(const char *path)
{
	char list[4096];
	unsigned int n = 0;

	if (mcr_read_at(AT_FDCWD, path, list, sizeof(list)) > 0)
		n = mcr_list_end(list);
	return n ? n : 1;
}

unsigned int mcr_numa_nodes(void)
{
	return possible("/sys/devices/system/node/possible");
}

unsigned int mcr_possible_cpus(void)
{
	return possible("/sys/devices/system/cpu/possible");
}

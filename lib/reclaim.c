/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reclaim.h"

#include <inttypes.h>

#include "cgroup.h"
#include "fileio.h"
#include "util.h"

/* The size koordinator and katalyst settled on; a write of this size takes milliseconds. */
#define STEP_BYTES_DEFAULT (32ULL << 20)

/* The root has no memory.current: there only the writes' own answers count. */
static uint64_t usage_or(int cgroup_fd, uint64_t otherwise)
{
	uint64_t usage;

	return mcr_read_u64_at(cgroup_fd, "memory.current", &usage) == 0 ? usage : otherwise;
}

static int write_step(int cgroup_fd, uint64_t bytes, bool swappiness_key)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRIu64 "%s", bytes, swappiness_key ? " swappiness=0" : "");
	return mcr_write_at(cgroup_fd, "memory.reclaim", text);
}

int mcr_reclaim(int cgroup_fd, const struct mcr_reclaim_opts *opts, struct mcr_reclaim_result *ret)
{
	uint64_t step = opts->step_bytes ? opts->step_bytes : STEP_BYTES_DEFAULT;
	uint64_t before = usage_or(cgroup_fd, UINT64_MAX);
	uint64_t todo = opts->max_bytes ? opts->max_bytes : before;
	struct mcr_reclaim_result res = { .left_bytes = before };

	while (todo > 0 && res.left_bytes > 0 && !res.partial) {
		uint64_t bytes = todo < step ? todo : step;
		int r = opts->only_empty ? mcr_cgroup_populated(cgroup_fd) : 0;

		if (r > 0)
			return -EBUSY;
		if (r == 0)
			r = write_step(cgroup_fd, bytes, opts->swappiness_key);
		if (r < 0 && r != -EAGAIN)
			return r;
		res.partial = r == -EAGAIN;
		res.writes++;
		todo -= bytes;
		res.left_bytes = usage_or(cgroup_fd, before);
	}
	res.freed_bytes = before > res.left_bytes ? before - res.left_bytes : 0;
	*ret = res;
	return 0;
}

int mcr_reclaim_has_swappiness(int cgroup_fd)
{
	int r = write_step(cgroup_fd, 0, true);

	if (r == -EINVAL)
		return 0;
	return r < 0 && r != -EAGAIN ? r : 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to find the policy of a cgroup: by depth of its path, by number of policies, and for 10,000 cgroups of
 * mixed depth under 200 policies.  In instructions of user space where the machine counts them, else in nanoseconds of
 * the best of several rounds; unit.policy asserts how it grows by counting comparisons.
 */
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "config.h"
#include "policy.h"
#include "util.h"

#define CGROUPS 10000
#define ROUNDS 5
#define DEPTH_MAX 32

static int counter_fd;
static volatile size_t covered;	/* or the calls would be left out */

static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1, .exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t now(void)
{
	struct timespec ts;
	uint64_t n;

	if (counter_fd >= 0 && read(counter_fd, &n, sizeof(n)) == sizeof(n))
		return n;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * MCR_NSEC_PER_SEC + ts.tv_nsec;
}

/* Where the slices of the policies are. */
enum shape {
	SPREAD,		/* each policy has a slice of its own, every fourth with two globs */
	NESTED,		/* on the way to the cgroup there are as many as fit */
	CROWDED,	/* all have the same slice, and a glob: each is asked until one matches */
};

static void write_policy(FILE *f, unsigned int i, enum shape shape)
{
	fprintf(f, "[Policy p%u]\nSlice=", i);
	if (shape == SPREAD)
		fprintf(f, "s%u.slice/t%u.slice\n", i % 16, i);
	if (shape == CROWDED)
		fprintf(f, "s0.slice\nMatch=job-%u-*\n", i);
	if (shape == NESTED) {
		fprintf(f, "s0.slice");
		for (unsigned int d = 1; d < i % DEPTH_MAX && d < 20; d++)
			fprintf(f, "/n%u", d);
		fprintf(f, "\nMatch=batch-%u-*\n", i);
	} else if (shape == SPREAD && i % 4 == 0) {
		fprintf(f, "Match=batch-* job-?%u\n", i);
	}
}

/* A number of policies, "default" included. */
static struct mcr_config *make_config(unsigned int policies, enum shape shape)
{
	struct mcr_config *c = NULL;
	char path[64];
	int fd = memfd_create("policies", MFD_CLOEXEC);
	FILE *f = fdopen(fd, "w");

	for (unsigned int i = 1; f && i < policies; i++)
		write_policy(f, i, shape);
	if (!f || fflush(f) != 0 || mcr_config_new(&c) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (mcr_config_read(c, path, NULL, NULL) != 0 || mcr_config_finish(c, NULL, NULL) != 0)
		abort();
	fclose(f);
	return c;
}

/* The path of the i-th cgroup; below the slice of some policy, with names that no glob is for. */
static char *make_path(unsigned int i, unsigned int depth, unsigned int policies, enum shape shape)
{
	unsigned int of = i % policies;
	char *path = NULL;
	size_t size;
	FILE *f = open_memstream(&path, &size);

	for (unsigned int d = 0; f && d < depth; d++) {
		if (d == 0)
			fprintf(f, "/s%u.slice", shape == SPREAD ? of % 16 : 0);
		else if (shape == SPREAD)
			fprintf(f, d == 1 ? "/t%u.slice" : "/n%u.service", of);
		else
			fprintf(f, "/n%u", d);
	}
	if (!f || fclose(f) != 0)
		abort();
	return path;
}

/* Instructions or nanoseconds per resolution; depth 0: 1 to 32 in turn. */
static double measure(unsigned int policies, unsigned int depth, enum shape shape)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = make_config(policies, shape);
	static char *paths[CGROUPS];
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < CGROUPS; i++)
		paths[i] = make_path(i, depth ? depth : i % DEPTH_MAX + 1, policies, shape);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t before = now(), took;

		for (unsigned int i = 0; i < CGROUPS; i++)
			covered += mcr_policy_for(c, paths[i], NULL) != NULL;
		took = now() - before;
		if (took < best)
			best = took;
	}
	for (unsigned int i = 0; i < CGROUPS; i++)
		free(paths[i]);
	return (double)best / CGROUPS;
}

int main(void)
{
	static const unsigned int numbers[] = { 1, 10, 100, 200 };
	static const struct {
		const char *what;
		enum shape shape;
	} shapes[] = {
		{ "each policy with a slice of its own", SPREAD },
		{ "policies with globs in up to 20 slices on the way", NESTED },
		{ "all policies with globs in one slice (the worst case)", CROWDED },
	};

	counter_fd = open_counter();
	printf("%s per resolution, the average of %d cgroups\n", counter_fd >= 0 ? "instructions" : "nanoseconds", CGROUPS);
	for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
		printf("\n%s\n%-13s", shapes[s].what, "depth");
		for (unsigned int depth = 1; depth <= DEPTH_MAX; depth *= 2)
			printf("%9u", depth);
		printf("%9s\n", "1 to 32");
		for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
			printf("%3u %-9s", numbers[n], numbers[n] > 1 ? "policies" : "policy");
			for (unsigned int depth = 1; depth <= DEPTH_MAX; depth *= 2)
				printf("%9.0f", measure(numbers[n], depth, shapes[s].shape));
			printf("%9.0f\n", measure(numbers[n], 0, shapes[s].shape));
		}
	}
	return 0;
}

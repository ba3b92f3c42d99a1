/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swapflush.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "hierarchy.h"
#include "util.h"
#include "worker.h"

#define SLOTS 64		/* SWAP_SLOTS_CACHE_SIZE */
#define PAGES (2 * SLOTS)	/* some may stay in memory: on their way to a list, or held by chance */
#define MAX_MSEC 20000

/* Shared memory rather than private: reading it back waits until the device is done, and always frees the entry. */
static int flush_here(int cpu)
{
	size_t page = sysconf(_SC_PAGESIZE), len = PAGES * page;
	int fd = memfd_create("memcg-reaper-flush", MFD_CLOEXEC), out;
	cpu_set_t set;
	char *at;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (fd < 0 || ftruncate(fd, len) < 0 || sched_setaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < len; i += page)
		at[i] = 1;
	out = madvise(at, len, MADV_PAGEOUT) < 0 ? -errno : 0;
	for (size_t i = 0; i < len; i += page)
		((volatile char *)at)[i];
	munmap(at, len);
	close(fd);
	return out;
}

static int job_flush(void *arg, int out_fd)
{
	int cpu = *(int *)arg, done = 0, r = 0;
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return -errno;
	for (int i = 0; r == 0 && i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all) || (cpu >= 0 && i != cpu))
			continue;
		r = flush_here(i);
		done += r == 0;
	}
	if (!done && r < 0)
		done = r;
	return mcr_worker_report(out_fd, &done, sizeof(done));
}

int mcr_swap_flush(const struct mcr_hierarchy *h, int fallback_fd, int cpu)
{
	struct mcr_worker w = MCR_WORKER_INIT;
	struct pollfd p = { .events = POLLIN };
	int done, r = mcr_worker_start_in(&w, mcr_hierarchy_fd(h), job_flush, &cpu, NULL, 0);

	if (r < 0)
		r = mcr_worker_start_in(&w, fallback_fd, job_flush, &cpu, NULL, 0);
	if (r < 0)
		return r;
	p.fd = w.pidfd;
	poll(&p, 1, MAX_MSEC);
	if (read(w.fd, &done, sizeof(done)) != sizeof(done))
		done = -ETIMEDOUT;
	mcr_worker_end(&w);
	return done;
}

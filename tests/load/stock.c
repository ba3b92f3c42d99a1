/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "stock.h"
#include "util.h"

/* The mapping first: what that frees of kernel memory of others is kept in advance, too, and given back by the page. */
static int touch_on_each_cpu(void)
{
	int nr = sysconf(_SC_NPROCESSORS_CONF);

	for (int cpu = 0; cpu < nr; cpu++) {
		cpu_set_t set;
		char *page;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			continue;	/* offline */
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (page == MAP_FAILED)
			return 1;
		munmap(page, 4096);
	}
	return 0;
}

static int run_in(int cgroup_fd)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd };
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));
	int status;

	if (pid == 0)
		_exit(touch_on_each_cpu());
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return status ? -EIO : 0;
}

int mcr_stock_drain(const char *root)
{
	auto_(closep) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
	char name[32];
	int r;

	if (root_fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "mcr-drain-%d", getpid());
	if (mkdirat(root_fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : run_in(fd);
	for (int i = 0; i < 100 && unlinkat(root_fd, name, AT_REMOVEDIR) < 0; i++)
		usleep(10000);		/* the child is still leaving */
	return r;
}

/* From a node to the same node: nothing moves, but all lists are made complete for it. */
int mcr_lists_drain(void)
{
	unsigned long node = 1;

	return syscall(SYS_migrate_pages, 0, 8 * sizeof(node), &node, &node) < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "census.h"
#include "cgroup.h"
#include "fileio.h"
#include "gate.h"
#include "hierarchy.h"
#include "kernelrecharge.h"
#include "pressure.h"
#include "reclaim.h"
#include "util.h"

#define PROBE_WAIT_USEC 100000
#define PROBE_TRIES 20

static void try_reclaim(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	bool there = faccessat(mcr_hierarchy_fd(h), "memory.reclaim", F_OK, 0) == 0;

	f->answer = there ? MCR_YES : MCR_NO;
	f->why = there ? "the file exists" : "no memory.reclaim: the kernel is older than 5.19";
}

static void try_swappiness(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	int r = mcr_reclaim_has_swappiness(mcr_hierarchy_fd(h));

	f->answer = r < 0 ? MCR_UNKNOWN : r ? MCR_YES : MCR_NO;
	f->why = r < 0 ? "memory.reclaim could not be written" :
		 r ? "memory.reclaim took swappiness=0" : "memory.reclaim answered EINVAL to swappiness=0";
}

static void try_recursive(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	f->answer = mcr_hierarchy_recursive_protection(h) ? MCR_YES : MCR_NO;
	f->why = f->answer == MCR_YES ? "mounted with memory_recursiveprot" :
					"not mounted with memory_recursiveprot";
}

static void try_psi(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	auto_(closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mcr_pressure p = { 0 };

	(void)h;
	f->answer = mcr_pressure_read(proc, &p) == 0 && p.psi ? MCR_YES : MCR_NO;
	f->why = f->answer == MCR_YES ? "/proc/pressure/memory has figures" :
					"no /proc/pressure/memory: boot with psi=1";
}

static void try_btf(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	struct stat st;

	(void)h;
	f->answer = stat("/sys/kernel/btf/vmlinux", &st) == 0 && st.st_size > 0 ? MCR_YES : MCR_NO;
	f->why = f->answer == MCR_YES ? "/sys/kernel/btf/vmlinux exists" : "the kernel was built without BTF";
}

static void try_census(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	int r;

	(void)h;
	f->why = "the program was loaded and has walked all memcgs";
	r = mcr_census_walker_new(&w, &f->why);
	if (r == 0)
		r = mcr_census_walk(w, &c);
	f->answer = r == 0 ? MCR_YES : MCR_NO;
}

static void ignore_event(const struct mcr_gate_event *e, void *userdata)
{
	(void)e;
	(void)userdata;
}

static void try_gate(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	/* Without a heartbeat it lets everything through. */
	const struct mcr_gate_opts opts = { .held_max = 1 };
	auto_(mcr_gate_freep) struct mcr_gate *g = NULL;
	int r = mcr_gate_new(&opts, ignore_event, NULL, &g, &f->why);

	(void)h;
	f->answer = r == 0 ? MCR_YES : MCR_NO;
	if (r == 0)
		f->why = mcr_gate_how(g) == MCR_GATE_LSM ? "by BPF LSM" : "by fmod_ret; BPF LSM is not active";
}

static void try_lsm(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	(void)h;
	f->answer = mcr_gate_lsm_active() ? MCR_YES : MCR_NO;
	f->why = f->answer == MCR_YES ? "bpf is in /sys/kernel/security/lsm" :
					"bpf is not in /sys/kernel/security/lsm";
}

/* In the probe cgroup: charge one page of the memory file to it. */
static int charge_page(int cgroup_fd, int memfd)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(mcr_write_at(cgroup_fd, "cgroup.procs", "0") < 0 || pwrite(memfd, "x", 1, 0) != 1);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* Is the removed probe among the dying?  By id where the census works, by number otherwise. */
static int still_dying(const struct mcr_hierarchy *h, struct mcr_census_walker *w, uint64_t id, uint64_t before)
{
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	uint64_t now;
	int r;

	if (!w) {
		r = mcr_count_total(h, &now);
		return r < 0 ? r : now > before;
	}
	r = mcr_census_walk(w, &c);
	for (size_t i = 0; r == 0 && i < c->n; i++)
		if (c->zombies[i].id == id)
			return 1;
	return r;
}

/* 1: it goes away although a page is charged to it. 0: the page keeps it. */
static int watch_dying(const struct mcr_hierarchy *h, uint64_t id, uint64_t before)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = NULL;

	mcr_census_walker_new(&w, NULL);
	for (int i = 0; i < PROBE_TRIES; i++) {
		int r = still_dying(h, w, id, before);

		if (r <= 0)
			return r < 0 ? r : 1;
		usleep(PROBE_WAIT_USEC);
	}
	return 0;
}

static int probe_reparenting(const struct mcr_hierarchy *h)
{
	auto_(closep) int memfd = memfd_create("memcg-reaper-probe", MFD_CLOEXEC);
	auto_(closep) int fd = -EBADF;
	uint64_t before = 0, id = 0;
	char name[64];
	int r;

	snprintf(name, sizeof(name), "memcg-reaper-probe-%d", getpid());
	if (memfd < 0 || mkdirat(mcr_hierarchy_fd(h), name, 0700) < 0)
		return -errno;
	fd = openat(mcr_hierarchy_fd(h), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : charge_page(fd, memfd);
	if (r == 0)
		r = mcr_cgroup_id(fd, &id);
	if (r == 0)
		r = mcr_count_total(h, &before);
	if (unlinkat(mcr_hierarchy_fd(h), name, AT_REMOVEDIR) < 0 && r == 0)
		r = -errno;
	return r < 0 ? r : watch_dying(h, id, before);
}

static void try_reparenting(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	int r = probe_reparenting(h);

	f->answer = r < 0 ? MCR_UNKNOWN : r ? MCR_YES : MCR_NO;
	f->why = r < 0 ? "no probe cgroup could be made at the root" :
		 r ? "a probe cgroup with a page left went away at once" :
		     "a probe cgroup with a page left stayed as a zombie";
}

static void try_recharge(const struct mcr_hierarchy *h, struct mcr_feature *f)
{
	static char why[160];
	struct mcr_kernelrecharge k;
	char text[64];
	int r = mcr_kernelrecharge_read(NULL, &k);

	(void)h;
	f->answer = r == 0 && k.enabled ? MCR_YES : r == 0 || r == -ENOENT ? MCR_NO : MCR_UNKNOWN;
	if (r == -ENOENT)
		snprintf(why, sizeof(why), "absent: no " MCR_KERNELRECHARGE_DIR);
	else if (r < 0)
		snprintf(why, sizeof(why), "present, but cannot be read: %s", strerror(-r));
	else
		snprintf(why, sizeof(why), "present, %s%s", mcr_kernelrecharge_text(&k, text, sizeof(text)),
			 k.enabled ? "" : "; on with: echo 1 >" MCR_KERNELRECHARGE_DIR "/enabled");
	f->why = why;
}

struct trial {
	const char *name, *what, *cost;
	void (*run)(const struct mcr_hierarchy *h, struct mcr_feature *f);
	bool needs_cgroup2, probe;
};

static const struct trial trials[] = {
	{ "reclaim", "memory.reclaim", "nothing can be drained or reaped", try_reclaim, true, false },
	{ "swappiness", "swappiness= in memory.reclaim",
	  "none: memory.swap.max=0 on the empty cgroup does the same", try_swappiness, true, false },
	{ "recursiveprot", "recursive memory protection",
	  "no shielded reclaim: grandchildren would not be protected", try_recursive, true, false },
	{ "psi", "memory pressure figures", "pressure is judged by free memory alone", try_psi, false, false },
	{ "btf", "kernel type information", "no BPF: neither census by name nor gate", try_btf, false, false },
	{ "census", "census of dying memcgs by BPF", "zombies are counted per subtree, not named",
	  try_census, false, false },
	{ "lsm", "BPF LSM", "none: the gate uses fmod_ret", try_lsm, false, false },
	{ "gate", "holding removals", "zombies are made as ever and reaped afterwards", try_gate, false, false },
	{ "recharge", "kernel recharge",
	  "shared memory is rewritten while its users wait, and private memory stays where it is", try_recharge, true, false },
	{ "reparenting", "kernel reparents user pages",
	  "none: that is what the reaper is for; where it does, pages pile up in parents instead",
	  try_reparenting, true, true },
};

size_t mcr_features(const struct mcr_hierarchy *h, bool probe, struct mcr_feature *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(trials) && n < max; i++) {
		const struct trial *t = &trials[i];

		if (t->probe && !probe)
			continue;
		ret[n] = (struct mcr_feature){ .name = t->name, .what = t->what, .cost = t->cost,
					       .answer = MCR_NO, .why = "no cgroup v2 with a memory controller" };
		if (h || !t->needs_cgroup2)
			t->run(h, &ret[n]);
		n++;
	}
	return n;
}

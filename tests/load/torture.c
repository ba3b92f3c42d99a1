/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything at once, while the kernel recharges to and fro: memory of each class is made, changed, moved to the other
 * node, pushed out and read back, in cgroups that come and go.
 *
 *	mcr-torture DIR SECONDS SEED [switch]
 *
 * DIR is a new cgroup with the memory controller; /run/torture-huge a tmpfs. switch: the whole interface is switched
 * off and on as well. A kernel that has none is only loaded. Prints "quiet" when all have stopped: they stay as they
 * are, and whoever wants to count can do so. On SIGTERM they end, and a line of figures is printed; exits with 1 if
 * content was lost or an answer was none of the known.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fileio.h"
#include "torture.h"
#include "util.h"

static const char *const names[NR_CGROUPS] = {
	[CG_A] = "a", [CG_B] = "b", [CG_C] = "deep/mid/c", [CG_Q] = "p/q", [CG_SMALL] = "small", [CG_P] = "p",
	[CG_MID] = "deep/mid", [CG_DEEP] = "deep", [CG_TOP] = ".",
};

static const struct {
	void (*run)(struct torture *t);
	int cgroup;		/* -1: the harness's own */
} workers[] = {
	{ torture_load, CG_A }, { torture_load, CG_B }, { torture_load, CG_C }, { torture_load, CG_A },
	{ torture_move, -1 }, { torture_move, -1 }, { torture_churn, CG_A }, { torture_reclaim, -1 },
	{ torture_switch, -1 },
};

static uint64_t state;

void torture_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
}

unsigned int torture_rand(unsigned int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 20) % n;
}

void torture_bad(struct torture *t, const char *format, ...)
{
	va_list args;

	__atomic_add_fetch(&t->shared->bad, 1, __ATOMIC_RELAXED);
	va_start(args, format);
	fprintf(stderr, "bad: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
}

void torture_join(const struct torture *t, enum torture_cgroup cgroup)
{
	if (mcr_write_at(t->fd[cgroup], "cgroup.procs", "0") < 0)
		perror("join");
}

static int die(const char *what, int r)
{
	fprintf(stderr, "mcr-torture: %s: %s\n", what, strerror(-r));
	exit(2);
}

static void open_cgroup(struct torture *t, int top, enum torture_cgroup i, bool inner)
{
	struct stat st;
	int r;

	if (i != CG_TOP && mkdirat(top, names[i], 0755) < 0 && errno != EEXIST)
		die(names[i], -errno);
	t->fd[i] = openat(top, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->fd[i] < 0 || fstat(t->fd[i], &st) < 0)
		die(names[i], -errno);
	t->id[i] = st.st_ino;
	r = inner ? mcr_write_at(t->fd[i], "cgroup.subtree_control", "+memory") : 0;
	if (r < 0)
		die("memory controller", r);
}

static void open_cgroups(struct torture *t, const char *dir)
{
	int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (top < 0)
		die(dir, -errno);
	/* Those above first. */
	for (int i = NR_CGROUPS - 1; i >= 0; i--)
		open_cgroup(t, top, i, i >= CG_P);
	/* No swap: what is read back into a cgroup that is full and has no process to kill is never there. */
	r = mcr_write_at(t->fd[CG_SMALL], "memory.swap.max", "0");
	if (r >= 0)
		r = mcr_write_at(t->fd[CG_SMALL], "memory.max", "1M");
	if (r < 0)
		die("limits", r);
}

static pid_t start(struct torture *t, size_t i)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork", -errno);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	torture_seed(t->seed * 100 + i);
	if (workers[i].cgroup >= 0)
		torture_join(t, workers[i].cgroup);
	workers[i].run(t);
	__atomic_add_fetch(&t->shared->quiet, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* A worker that ends by itself has not been through with its work. */
static bool await_quiet(struct torture *t)
{
	for (int i = 0; i < 6000; i++) {
		if (__atomic_load_n(&t->shared->quiet, __ATOMIC_ACQUIRE) == ARRAY_SIZE(workers))
			return true;
		if (waitpid(-1, NULL, WNOHANG) > 0)
			torture_bad(t, "a worker has ended");
		usleep(100000);
	}
	torture_bad(t, "not quiet: %d of %zu", t->shared->quiet, ARRAY_SIZE(workers));
	return false;
}

static void end_all(const pid_t *pids)
{
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void print_figures(const struct torture_shared *s)
{
	const uint64_t *r = s->results;

	printf("rounds %" PRIu64 " done %" PRIu64 " busy %" PRIu64 " limit %" PRIu64 " gone %" PRIu64, s->rounds,
	       r[R_DONE], r[R_BUSY], r[R_LIMIT], r[R_GONE]);
	printf(" invalid %" PRIu64 " off %" PRIu64 " bad %d\n", r[R_INVALID], r[R_OFF], s->bad);
}

static void make_shared(struct torture *t)
{
	t->shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (t->shared == MAP_FAILED)
		die("mmap", -errno);
	t->recharging = access(TORTURE_KNOBS, F_OK) == 0;
}

static void make_common(struct torture *t)
{
	size_t len = TORTURE_COMMON_PAGES * TORTURE_PAGE;

	t->common_fd = memfd_create("common", MFD_CLOEXEC);
	if (t->common_fd < 0 || ftruncate(t->common_fd, len) < 0)
		die("memfd", -errno);
	t->common = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, t->common_fd, 0);
	if (t->common == MAP_FAILED)
		die("mmap", -errno);
}

int main(int argc, char **argv)
{
	struct torture t = { 0 };
	pid_t pids[ARRAY_SIZE(workers)];

	if (argc < 4) {
		fputs("usage: mcr-torture DIR SECONDS SEED [switch]\n", stderr);
		return 2;
	}
	t.switching = argc > 4 && strcmp(argv[4], "switch") == 0;
	t.seed = strtoull(argv[3], NULL, 0);
	make_shared(&t);
	make_common(&t);
	signal(SIGTERM, on_term);
	open_cgroups(&t, argv[1]);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		pids[i] = start(&t, i);
	for (int i = atoi(argv[2]) * 10; i > 0 && !over; i--)
		usleep(100000);
	t.shared->stop = 1;
	if (await_quiet(&t))
		puts("quiet");
	fflush(stdout);
	while (!over)
		usleep(100000);
	end_all(pids);
	print_figures(t.shared);
	return t.shared->bad > 0;
}

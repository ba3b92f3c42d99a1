/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counts the pages that are charged to cgroups and all below them, one by one, and compares with what the kernel
 * says in memory.stat and memory.current.
 *
 *	mcr-recount CGROUP...
 *
 * A page is on a list and has an owner by /proc/kpageflags and kpagecgroup. That names the nearest living ancestor of
 * an owner that is dying, and counters of the living include the dying below them: so the two agree at every cgroup
 * given. Prints a line "CGROUP FIELD counted COUNTED stat STAT" for each, in pages, with "DIFFERS" after it where they
 * do; exits with 1 then. The cgroups are to be quiet: after five looks without agreement the last one is told.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "stock.h"
#include "util.h"

#define PAGE		4096
#define LOOKS		5
#define CHUNK		8192	/* page frames read at once */
#define MAX_CGROUPS	4096

enum flag {		/* include/uapi/linux/kernel-page-flags.h */
	DIRTY = 4, LRU = 5, ACTIVE = 6, WRITEBACK = 8, ANON = 12, SWAPCACHE = 13, SWAPBACKED = 14, TAIL = 16, HUGE = 17,
	UNEVICTABLE = 18,
};

enum field {
	F_ANON, F_FILE, F_SHMEM, F_MAPPED, F_DIRTY, F_WRITEBACK, F_SWAPCACHED, F_SHMEM_THP, F_ANON_LISTS, F_FILE_LISTS,
	F_UNEVICTABLE, F_CHARGED, F_INACTIVE_ANON, F_ACTIVE_ANON, F_INACTIVE_FILE, F_ACTIVE_FILE, NR_FIELDS,
};

/* Keys of memory.stat, added up.  Of lists by generations the kernel alone knows which are active. */
static const struct {
	const char *name, *keys[2];
	bool two_lists;
} fields[NR_FIELDS] = {
	[F_ANON] = { "anon", { "anon" }, false },
	[F_FILE] = { "file", { "file" }, false },
	[F_SHMEM] = { "shmem", { "shmem" }, false },
	[F_MAPPED] = { "file_mapped", { "file_mapped" }, false },
	[F_DIRTY] = { "file_dirty", { "file_dirty" }, false },
	[F_WRITEBACK] = { "file_writeback", { "file_writeback" }, false },
	[F_SWAPCACHED] = { "swapcached", { "swapcached" }, false },
	[F_SHMEM_THP] = { "shmem_thp", { "shmem_thp" }, false },
	[F_ANON_LISTS] = { "lists-anon", { "inactive_anon", "active_anon" }, false },
	[F_FILE_LISTS] = { "lists-file", { "inactive_file", "active_file" }, false },
	[F_UNEVICTABLE] = { "unevictable", { "unevictable" }, false },
	[F_CHARGED] = { "charged", { NULL }, false },
	[F_INACTIVE_ANON] = { "inactive_anon", { "inactive_anon" }, true },
	[F_ACTIVE_ANON] = { "active_anon", { "active_anon" }, true },
	[F_INACTIVE_FILE] = { "inactive_file", { "inactive_file" }, true },
	[F_ACTIVE_FILE] = { "active_file", { "active_file" }, true },
};

/* One that was given, with the ids of all below it. */
struct group {
	const char *path;
	uint64_t ids[MAX_CGROUPS];
	size_t nr_ids;
	int64_t counted[NR_FIELDS], stat[NR_FIELDS];
};

static bool two_lists;

static int die(const char *what, int r)
{
	fprintf(stderr, "mcr-recount: %s: %s\n", what, strerror(-r));
	exit(2);
}

static void add_ids(struct group *g, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!dir || fstat(fd, &st) < 0)
		die(g->path, -errno);
	if (g->nr_ids == MAX_CGROUPS)
		die(g->path, -E2BIG);
	g->ids[g->nr_ids++] = st.st_ino;
	while ((e = readdir(dir))) {
		int below;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0)
			add_ids(g, below);
	}
	closedir(dir);
}

static void find_ids(struct group *g)
{
	int fd = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die(g->path, -errno);
	g->nr_ids = 0;
	add_ids(g, fd);
}

static bool has_id(const struct group *g, uint64_t id)
{
	for (size_t i = 0; i < g->nr_ids; i++)
		if (g->ids[i] == id)
			return true;
	return false;
}

static bool is(uint64_t flags, enum flag flag)
{
	return flags >> flag & 1;
}

/* What a page is, by the flags of the first page of its folio, which alone are kept up. */
static void add_page(int64_t *n, uint64_t head, uint64_t mapped, bool compound)
{
	bool anon = is(head, ANON), swapcache = is(head, SWAPCACHE), backed = is(head, SWAPBACKED);
	bool active = is(head, ACTIVE), shmem = !anon && backed && !swapcache;

	n[F_CHARGED]++;
	n[F_ANON] += anon && mapped;
	n[F_FILE] += !anon && !swapcache;
	n[F_SHMEM] += shmem;
	n[F_SHMEM_THP] += shmem && compound;
	n[F_MAPPED] += !anon && mapped;
	n[F_DIRTY] += !anon && !backed && is(head, DIRTY);
	n[F_WRITEBACK] += is(head, WRITEBACK);
	n[F_SWAPCACHED] += swapcache;
	if (is(head, UNEVICTABLE)) {
		n[F_UNEVICTABLE]++;
		return;
	}
	n[backed ? F_ANON_LISTS : F_FILE_LISTS]++;
	n[(backed ? F_INACTIVE_ANON : F_INACTIVE_FILE) + active]++;
}

struct frames {
	int flags_fd, count_fd, cgroup_fd;
	uint64_t flags[CHUNK], count[CHUNK], cgroup[CHUNK];
};

static ssize_t read_frames(struct frames *f, uint64_t first)
{
	ssize_t n = pread(f->flags_fd, f->flags, sizeof(f->flags), first * 8), m;

	if (n <= 0)
		return n;
	m = pread(f->count_fd, f->count, n, first * 8);
	if (m == n)
		m = pread(f->cgroup_fd, f->cgroup, n, first * 8);
	return m == n ? n / 8 : -1;
}

/* A folio begins in a chunk and may end in the next one: head and owner outlive it. */
static void count_pages(struct frames *f, struct group *groups, int nr)
{
	uint64_t head = 0, owner = 0;
	bool compound = false;
	ssize_t n;

	for (uint64_t first = 0; (n = read_frames(f, first)) > 0; first += n)
		for (ssize_t i = 0; i < n; i++) {
			compound = is(f->flags[i], TAIL) || (f->flags[i] >> 15 & 1);
			if (!is(f->flags[i], TAIL)) {
				head = f->flags[i];
				owner = f->cgroup[i];
			}
			if (!is(head, LRU) || is(head, HUGE) || !owner)
				continue;
			for (int g = 0; g < nr; g++)
				if (has_id(&groups[g], owner))
					add_page(groups[g].counted, head, f->count[i], compound);
		}
}

static int64_t stat_value(const char *text, const char *key)
{
	uint64_t value;

	return mcr_keyed_u64(text, key, &value) < 0 ? 0 : (int64_t)(value / PAGE);
}

static void read_stat(struct group *g)
{
	auto_(closep) int fd = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[8192];
	uint64_t current;
	int r;

	/* Reading cpu.stat has what CPUs keep back added up, of all controllers; memory.stat may put that off. */
	r = mcr_read_at(fd, "cpu.stat", text, sizeof(text));
	if (r >= 0)
		r = mcr_read_u64_at(fd, "memory.current", &current);
	if (r >= 0)
		r = mcr_read_at(fd, "memory.stat", text, sizeof(text));
	if (r < 0)
		die(g->path, r);
	for (int i = 0; i < NR_FIELDS; i++) {
		g->stat[i] = 0;
		for (int k = 0; k < 2; k++)
			if (fields[i].keys[k])
				g->stat[i] += stat_value(text, fields[i].keys[k]);
	}
	g->stat[F_CHARGED] = current / PAGE - stat_value(text, "kernel") - stat_value(text, "sock");
}

static bool differs(const struct group *g, int field)
{
	return g->counted[field] != g->stat[field] && (two_lists || !fields[field].two_lists);
}

static bool agrees(const struct group *g)
{
	for (int i = 0; i < NR_FIELDS; i++)
		if (differs(g, i))
			return false;
	return true;
}

static bool look(struct frames *f, struct group *groups, int nr)
{
	bool all = true;
	int r = mcr_stock_drain("/sys/fs/cgroup");

	if (r >= 0)
		r = mcr_lists_drain();
	if (r < 0)
		die("cannot have CPUs give back what they keep", r);
	for (int g = 0; g < nr; g++) {
		find_ids(&groups[g]);
		memset(groups[g].counted, 0, sizeof(groups[g].counted));
	}
	count_pages(f, groups, nr);
	for (int g = 0; g < nr; g++) {
		read_stat(&groups[g]);
		all = agrees(&groups[g]) && all;
	}
	return all;
}

static void tell(const struct group *g)
{
	for (int i = 0; i < NR_FIELDS; i++)
		if (two_lists || !fields[i].two_lists)
			printf("%s %s counted %ld stat %ld%s\n", g->path, fields[i].name, (long)g->counted[i],
			       (long)g->stat[i], differs(g, i) ? " DIFFERS" : "");
}

static void open_frames(struct frames *f)
{
	f->flags_fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	f->count_fd = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	f->cgroup_fd = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	if (f->flags_fd < 0 || f->count_fd < 0 || f->cgroup_fd < 0)
		die("/proc/kpage*", -errno);
}

/* Bit 0 is the switch of the whole. */
static bool has_two_lists(void)
{
	char text[32];

	return mcr_read_at(AT_FDCWD, "/sys/kernel/mm/lru_gen/enabled", text, sizeof(text)) < 0 ||
	       !(strtoul(text, NULL, 0) & 1);
}

int main(int argc, char **argv)
{
	static struct frames frames;
	struct group *groups;
	bool same = false;

	if (argc < 2) {
		fputs("usage: mcr-recount CGROUP...\n", stderr);
		return 2;
	}
	groups = calloc(argc - 1, sizeof(*groups));
	if (!groups)
		die("memory", -ENOMEM);
	for (int g = 0; g < argc - 1; g++)
		groups[g].path = argv[g + 1];
	two_lists = has_two_lists();
	open_frames(&frames);
	for (int i = 0; i < LOOKS && !same; i++) {
		if (i)
			usleep(500000);
		same = look(&frames, groups, argc - 1);
	}
	for (int g = 0; g < argc - 1; g++)
		tell(&groups[g]);
	return !same;
}

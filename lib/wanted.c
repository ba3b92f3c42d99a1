/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wanted.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cgroup.h"
#include "fileio.h"
#include "pins.h"
#include "users.h"
#include "util.h"

#define RANGES_MAX 65536
#define CGROUPS_MAX 256
/* Page table entries that are read at once. */
#define ENTRIES 512
/* /proc/PID/pagemap: there is a page, and it is one of a file or of shared memory, no private copy. */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_FILE (1ULL << 61)

/* Not in linux/magic.h everywhere. */
#define MAGIC_XFS 0x58465342
#define MAGIC_FUSE 0x65735546
#define MAGIC_CIFS 0xFF534D42
#define MAGIC_SMB2 0xFE534D42
#define MAGIC_CEPH 0x00c36400
#define MAGIC_9P 0x01021997
#define MAGIC_GFS2 0x01161970
#define MAGIC_OCFS2 0x7461636f
#define MAJOR_LOOP 7
#define MAJOR_NBD 43

struct search {
	struct mcr_wanted *w;
	size_t ranges;
	char *cgroups[CGROUPS_MAX];
	uint64_t page;
	/* The process in hand. */
	pid_t pid;
	int pagemap_fd;
	bool wants;
};

/* ---- Ranges ---- */

/* The first range that ends at offset or behind it. */
static size_t find_range(const struct mcr_range *ranges, size_t n, uint64_t offset)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ranges[mid].offset + ranges[mid].len < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int insert_range(struct mcr_range **ranges, size_t *n, size_t *size, size_t at, const struct mcr_range *new)
{
	if (*n == *size) {
		size_t more = *size ? *size * 2 : 8;
		struct mcr_range *bigger = reallocarray(*ranges, more, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		*ranges = bigger;
		*size = more;
	}
	memmove(*ranges + at + 1, *ranges + at, (*n - at) * sizeof(**ranges));
	(*ranges)[at] = *new;
	(*n)++;
	return 0;
}

int mcr_ranges_put(struct mcr_range **ranges, size_t *n, size_t *size, uint64_t offset, uint64_t len)
{
	struct mcr_range whole = { offset, len };
	size_t at = find_range(*ranges, *n, offset), to = at;
	uint64_t end = offset + len;

	if (!len)
		return 0;
	for (; to < *n && (*ranges)[to].offset <= end; to++) {
		uint64_t its_end = (*ranges)[to].offset + (*ranges)[to].len;

		if ((*ranges)[to].offset < whole.offset)
			whole.offset = (*ranges)[to].offset;
		end = its_end > end ? its_end : end;
	}
	whole.len = end - whole.offset;
	if (to == at)
		return insert_range(ranges, n, size, at, &whole);
	(*ranges)[at] = whole;
	memmove(*ranges + at + 1, *ranges + to, (*n - to) * sizeof(**ranges));
	*n -= to - at - 1;
	return 0;
}

/* ---- Files ---- */

/* A loop device is on top of a file, which may be anywhere. */
static enum mcr_refusal by_device(dev_t dev)
{
	switch (major(dev)) {
	case 0:
	case MAJOR_LOOP:
		return MCR_REFUSED_FILE_SYSTEM;
	case MAJOR_NBD:
		return MCR_REFUSED_NETWORK_FS;
	default:
		return MCR_REFUSED_NOT;
	}
}

enum mcr_refusal mcr_wanted_judge(uint64_t magic, dev_t dev)
{
	switch (magic) {
	case MAGIC_FUSE:
		return MCR_REFUSED_FUSE;
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case MAGIC_CIFS:
	case MAGIC_SMB2:
	case MAGIC_CEPH:
	case MAGIC_9P:
	case MAGIC_GFS2:
	case MAGIC_OCFS2:
	case AFS_SUPER_MAGIC:
	case AFS_FS_MAGIC:
	case CODA_SUPER_MAGIC:
		return MCR_REFUSED_NETWORK_FS;
	case EXT4_SUPER_MAGIC:		/* ext2 and ext3 too */
	case MAGIC_XFS:
	case F2FS_SUPER_MAGIC:
		return by_device(dev);
	case BTRFS_SUPER_MAGIC:		/* whose device numbers are its own */
		return MCR_REFUSED_NOT;
	default:
		return MCR_REFUSED_FILE_SYSTEM;
	}
}

static int by_inode(const void *a, const void *b)
{
	const struct mcr_wanted_file *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->dev > y->dev) - (x->dev < y->dev);
}

static struct mcr_wanted_file *find_file(const struct mcr_wanted *w, dev_t dev, uint64_t ino)
{
	const struct mcr_wanted_file key = { .dev = dev, .ino = ino };

	return ino && w->n ? bsearch(&key, w->files, w->n, sizeof(key), by_inode) : NULL;
}

/* Nobody maps what has not a page that is mapped. */
static bool may_be_wanted(const struct mcr_pin *p)
{
	return p->kind == MCR_PIN_FILE && p->ino && p->mapped_bytes && p->n_ranges;
}

static int add_file(struct mcr_wanted *w, const struct mcr_pin *p)
{
	struct mcr_wanted_file *f = &w->files[w->n];

	*f = (struct mcr_wanted_file){
		.dev = p->dev, .stat_dev = p->stat_dev, .ino = p->ino, .magic = p->magic,
		.refusal = mcr_wanted_judge(p->magic, p->dev),
	};
	w->n++;		/* what it owns is freed with the rest, also if it is not whole */
	if (p->name) {
		f->name = strdup(p->name);
		if (!f->name)
			return -ENOMEM;
	}
	f->cached = calloc(p->n_ranges, sizeof(*f->cached));
	if (!f->cached)
		return -ENOMEM;
	memcpy(f->cached, p->ranges, p->n_ranges * sizeof(*f->cached));
	f->n_cached = p->n_ranges;
	return 0;
}

static void file_free(struct mcr_wanted_file *f)
{
	free(f->name);
	free(f->ranges);
	free(f->cached);
}

struct mcr_wanted *mcr_wanted_free(struct mcr_wanted *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->n; i++)
		file_free(&w->files[i]);
	free(w->files);
	free(w);
	return NULL;
}

/* The same file charged to two memcgs becomes one. */
static int join_files(struct mcr_wanted *w)
{
	size_t to = 0;

	for (size_t i = 1; i < w->n; i++) {
		struct mcr_wanted_file *f = &w->files[i], *before = &w->files[to];
		size_t size = before->n_cached;

		if (by_inode(before, f) != 0) {
			if (++to != i) {
				w->files[to] = *f;
				*f = (struct mcr_wanted_file){ 0 };
			}
			continue;
		}
		for (size_t k = 0; k < f->n_cached; k++) {
			const struct mcr_range *its = &f->cached[k];

			if (mcr_ranges_put(&before->cached, &before->n_cached, &size, its->offset, its->len) < 0)
				return -ENOMEM;
		}
		file_free(f);
		*f = (struct mcr_wanted_file){ 0 };
	}
	w->n = w->n ? to + 1 : 0;
	return 0;
}

static int collect_files(struct mcr_wanted *w, struct mcr_pins *const *pins, size_t n)
{
	size_t max = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		max += pins[i] ? pins[i]->n : 0;
	w->files = calloc(max + 1, sizeof(*w->files));
	if (!w->files)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; r == 0 && pins[i] && k < pins[i]->n; k++)
			if (may_be_wanted(&pins[i]->pins[k]))
				r = add_file(w, &pins[i]->pins[k]);
	if (r < 0)
		return r;
	qsort(w->files, w->n, sizeof(*w->files), by_inode);
	return join_files(w);
}

/* ---- Who maps them ---- */

static void add_way(struct mcr_wanted_file *f, pid_t pid, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < f->n_ways; i++)
		if (f->ways[i].pid == pid)
			return;
	if (f->n_ways < MCR_WANTED_WAYS)
		f->ways[f->n_ways++] = (struct mcr_wanted_way){ pid, start, end };
}

/* [offset, offset + len) is in page tables: what of it is charged where we look is wanted. */
static int want(struct search *s, struct mcr_wanted_file *f, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len;

	for (size_t i = find_range(f->cached, f->n_cached, offset); i < f->n_cached && f->cached[i].offset < end; i++) {
		uint64_t from = f->cached[i].offset > offset ? f->cached[i].offset : offset;
		uint64_t to = f->cached[i].offset + f->cached[i].len;
		size_t before = f->n_ranges;

		to = to < end ? to : end;
		if (to <= from)
			continue;
		s->wants = true;
		if (mcr_ranges_within(f->ranges, f->n_ranges, from, to - from) == to - from)
			continue;
		if (s->ranges >= RANGES_MAX) {
			s->w->complete = false;
			return 0;
		}
		if (mcr_ranges_put(&f->ranges, &f->n_ranges, &f->size, from, to - from) < 0)
			return -ENOMEM;
		s->ranges += f->n_ranges - before;
	}
	return 0;
}

/* Runs of pages that are there, by their entries. */
static int want_entries(struct search *s, struct mcr_wanted_file *f, const uint64_t *entries, size_t n, uint64_t offset)
{
	const uint64_t both = ENTRY_PRESENT | ENTRY_FILE;
	int r = 0;

	for (size_t i = 0, first; r == 0 && i < n; i++) {
		for (first = i; i < n && (entries[i] & both) == both; i++)
			;
		if (i > first)
			r = want(s, f, offset + first * s->page, (i - first) * s->page);
	}
	return r;
}

/* Without its page table all of the mapping counts. */
static int look_at_entries(struct search *s, struct mcr_wanted_file *f, uint64_t start, const struct mcr_mapping *m)
{
	uint64_t entries[ENTRIES], pages = m->len / s->page;
	int r = 0;

	if (s->pagemap_fd < 0)
		return want(s, f, m->offset, m->len);
	for (uint64_t at = 0; r == 0 && at < pages;) {
		uint64_t todo = pages - at < ENTRIES ? pages - at : ENTRIES;
		ssize_t got = pread(s->pagemap_fd, entries, todo * sizeof(*entries),
				    (start / s->page + at) * sizeof(*entries));

		if (got < (ssize_t)sizeof(*entries))
			return 0;	/* it has ended */
		r = want_entries(s, f, entries, got / sizeof(*entries), m->offset + at * s->page);
		at += got / sizeof(*entries);
	}
	return r;
}

static int look_at_mapping(struct search *s, const char *line)
{
	struct mcr_wanted_file *f;
	struct mcr_mapping m;
	uint64_t start, end, before;
	int r;

	if (mcr_mapping_parse(line, &m) < 0 || sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
		return 0;
	f = find_file(s->w, m.dev, m.ino);
	if (!f)
		return 0;
	before = f->n_ranges;
	r = look_at_entries(s, f, start, &m);
	if (f->n_ranges > before || f->n_ways < MCR_WANTED_WAYS)
		add_way(f, s->pid, start, end);
	return r;
}

static void note_cgroup(struct search *s, int dir_fd)
{
	char *path = mcr_cgroup_of_process(dir_fd);

	for (size_t i = 0; path && i < s->w->cgroups; i++)
		if (strcmp(s->cgroups[i], path) == 0) {
			free(path);
			return;
		}
	if (path && s->w->cgroups < CGROUPS_MAX)
		s->cgroups[s->w->cgroups++] = path;
	else
		free(path);
}

static int look_at_process(struct search *s, int proc_fd, const char *name)
{
	auto_(closep) int dir_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_(closep) int pagemap_fd = -EBADF;
	auto_(fclosep) FILE *f = NULL;
	auto_(freep) char *line = NULL;
	int fd = dir_fd < 0 ? -1 : openat(dir_fd, "maps", O_RDONLY | O_CLOEXEC), r = 0;
	size_t size = 0;

	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		s->w->complete = s->w->complete && errno != EACCES && errno != EPERM;
		close_fd(fd);
		return 0;
	}
	pagemap_fd = openat(dir_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	s->pagemap_fd = pagemap_fd;
	s->wants = false;
	while (r == 0 && getline(&line, &size, f) > 0)
		r = look_at_mapping(s, line);
	if (s->wants)
		note_cgroup(s, dir_fd);
	return r;
}

static int look_at_all(struct search *s, const char *proc)
{
	DIR *dir = opendir(proc);
	struct dirent *e;
	uint64_t pid;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]) || mcr_parse_u64(e->d_name, &pid) < 0 ||
		    (pid_t)pid == getpid())
			continue;
		s->pid = pid;
		r = look_at_process(s, dirfd(dir), e->d_name);
	}
	closedir(dir);
	return r;
}

/* Drops files that nobody wants anything of, and adds up the rest. */
static void sum_up(struct mcr_wanted *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct mcr_wanted_file f = w->files[i];

		w->files[i] = (struct mcr_wanted_file){ 0 };
		for (size_t k = 0; k < f.n_ranges; k++)
			f.bytes += f.ranges[k].len;
		w->bytes += f.bytes;
		if (f.bytes)
			w->files[n++] = f;
		else
			file_free(&f);
	}
	w->n = n;
}

int mcr_wanted_note(const char *proc, struct mcr_pins *const *pins, size_t n, struct mcr_wanted **ret)
{
	auto_(mcr_wanted_freep) struct mcr_wanted *w = calloc(1, sizeof(*w));
	struct search s = { .w = w, .page = sysconf(_SC_PAGESIZE), .pagemap_fd = -EBADF };
	int r;

	if (!w)
		return -ENOMEM;
	w->complete = true;
	r = collect_files(w, pins, n);
	if (r == 0 && w->n)
		r = look_at_all(&s, proc);
	for (size_t i = 0; i < w->cgroups; i++)
		free(s.cgroups[i]);
	if (r < 0)
		return r;
	sum_up(w);
	*ret = steal_ptr(w);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The census where BPF is refused: numbers per subtree, no names.
 *
 * cgroup.stat counts dying descendants; a cgroup's count less its live children's is what hangs
 * directly below it.  /proc/kpagecgroup attributes every page to the nearest cgroup that is still
 * online, and on cgroup v2 an inner node has no processes: its pages were charged by dead children.
 */
#include "census.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "fileio.h"
#include "hierarchy.h"
#include "util.h"

struct mcr_count *mcr_count_free(struct mcr_count *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		free(c->at[i].path);
	free(c->at);
	free(c);
	return NULL;
}

static int read_dying(int fd, uint64_t *ret)
{
	char stat[1024];
	int r = mcr_read_at(fd, "cgroup.stat", stat, sizeof(stat));

	if (r < 0)
		return r;
	/* The exact one first: it counts memory controllers only (6.12 and later). */
	r = mcr_keyed_u64(stat, "nr_dying_subsys_memory", ret);
	return r == -ENOENT ? mcr_keyed_u64(stat, "nr_dying_descendants", ret) : r;
}

int mcr_count_total(const struct mcr_hierarchy *h, uint64_t *ret)
{
	return read_dying(mcr_hierarchy_fd(h), ret);
}

static int add(struct mcr_count *c, int fd, const char *path, uint64_t dying)
{
	struct mcr_dying_count *bigger = realloc(c->at, (c->n + 1) * sizeof(*c->at));
	char *copy = strdup(path);

	if (bigger)
		c->at = bigger;
	if (!bigger || !copy) {
		free(copy);
		return -ENOMEM;
	}
	c->at[c->n] = (struct mcr_dying_count){ .path = copy, .dying = dying, .held_pages = UINT64_MAX };
	mcr_cgroup_id(fd, &c->at[c->n].id);
	c->n++;
	return 0;
}

static int visit(struct mcr_count *c, int fd, const char *path, uint64_t *ret_dying);

/* Whose children are visited, and what is dying below them. */
struct below {
	struct mcr_count *c;
	const char *path;
	uint64_t dying;
};

static int visit_child(int fd, const char *name, void *userdata)
{
	struct below *b = userdata;
	auto_(freep) char *path = NULL;
	uint64_t dying = 0;
	int r;

	if (asprintf(&path, "%s/%s", strcmp(b->path, "/") == 0 ? "" : b->path, name) < 0)
		return -ENOMEM;
	r = visit(b->c, fd, path, &dying);
	b->dying += dying;
	return r;
}

static int visit(struct mcr_count *c, int fd, const char *path, uint64_t *ret_dying)
{
	struct below below = { .c = c, .path = path };
	uint64_t dying = 0;
	int r = read_dying(fd, &dying);

	if (r < 0)
		return 0;	/* removed while we came */
	*ret_dying = dying;
	if (dying == 0)
		return 0;
	r = mcr_cgroup_children(fd, visit_child, &below);
	if (r < 0)
		return r;
	return dying > below.dying ? add(c, fd, path, dying - below.dying) : 0;
}

static struct mcr_dying_count *find_id(struct mcr_count *c, uint64_t id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->at[i].id == id)
			return &c->at[i];
	return NULL;
}

/* Counts the pages of the cgroups found; leaves "unknown" where the file cannot be read. */
static void count_pages(struct mcr_count *c)
{
	auto_(closep) int fd = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	struct mcr_dying_count *last = NULL;
	uint64_t ids[8192], last_id = 0;
	ssize_t n;

	if (fd < 0)
		return;
	for (size_t i = 0; i < c->n; i++)
		c->at[i].held_pages = 0;
	while ((n = read(fd, ids, sizeof(ids))) > 0) {
		for (size_t i = 0; i < n / sizeof(*ids); i++) {
			if (!ids[i])
				continue;
			if (ids[i] != last_id) {
				last_id = ids[i];
				last = find_id(c, last_id);
			}
			if (last)
				last->held_pages++;
		}
	}
}

int mcr_census_count(const struct mcr_hierarchy *h, struct mcr_count **ret)
{
	auto_(mcr_count_freep) struct mcr_count *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	r = visit(c, mcr_hierarchy_fd(h), "/", &c->dying);
	if (r < 0)
		return r;
	count_pages(c);
	*ret = steal_ptr(c);
	return 0;
}

static int fill_entry(struct mcr_census *census, const struct mcr_dying_count *at)
{
	struct mcr_zombie *z = &census->zombies[census->n];
	char *anchor = strdup(at->path);

	if (!anchor)
		return -ENOMEM;
	census->strings[census->n_strings++] = anchor;
	if (asprintf(&z->path, "%s/*", strcmp(at->path, "/") == 0 ? "" : at->path) < 0)
		return -ENOMEM;
	z->name = strrchr(z->path, '/') + 1;
	z->anchor = anchor;
	z->id = z->anchor_id = at->id;
	z->refs = at->dying;
	if (at->held_pages != UINT64_MAX)
		z->usage_bytes = at->held_pages * sysconf(_SC_PAGESIZE);
	census->n++;
	return 0;
}

int mcr_census_from_count(const struct mcr_count *count, struct mcr_census **ret)
{
	auto_(mcr_census_freep) struct mcr_census *census = calloc(1, sizeof(*census));

	if (!census)
		return -ENOMEM;
	census->zombies = calloc(count->n + 1, sizeof(*census->zombies));
	census->strings = calloc(count->n + 1, sizeof(*census->strings));
	if (!census->zombies || !census->strings)
		return -ENOMEM;
	for (size_t i = 0; i < count->n; i++) {
		int r = fill_entry(census, &count->at[i]);

		if (r < 0)
			return r;
	}
	census->dying = count->dying;
	census->complete = true;
	*ret = steal_ptr(census);
	return 0;
}

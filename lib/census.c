/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the BPF walker and makes records into zombies with paths.
 *
 * Records come in pre-order, parents first, so the chain of ancestors of the current record is a
 * stack: whoever's id is the record's parent_id is on it.
 */
#include "census.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "bpf/census.h"
#include "bpf/census.skel.h"
#include "bpfenv.h"
#include "nodes.h"
#include "util.h"

#define RING_BYTES_FIRST (256U * 1024)
#define RING_BYTES_MAX (64U * 1024 * 1024)	/* some 500,000 zombies */

struct mcr_census_walker {
	struct census_bpf *skel;
	struct ring_buffer *ring;
	unsigned int ring_bytes;
	struct collect *collect;
};

struct ancestor {
	uint64_t id;
	const char *path;
	bool dying;
};

struct collect {
	struct mcr_census *census;
	struct ancestor *stack;
	size_t depth, stack_size;
	size_t zombies_size, strings_size;
	uint64_t page_size;
	int error;
};

uint64_t mcr_zombie_pages(const struct mcr_zombie *z)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MCR_LRUS; i++)
		sum += z->lru_pages[i];
	return sum;
}

struct mcr_census *mcr_census_free(struct mcr_census *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		free(c->zombies[i].path);
	for (size_t i = 0; i < c->n_strings; i++)
		free(c->strings[i]);
	free(c->zombies);
	free(c->strings);
	free(c);
	return NULL;
}

/* Makes room for one more element; the array and its size are updated together. */
static int grow(void *array, size_t *size, size_t used, size_t element)
{
	void **p = array, *bigger;
	size_t n = *size ? *size * 2 : 32;

	if (used < *size)
		return 0;
	bigger = realloc(*p, n * element);
	if (!bigger)
		return -ENOMEM;
	*p = bigger;
	*size = n;
	return 0;
}

static char *join(const char *parent, const char *name)
{
	char *path;

	if (!name[0])
		return strdup("/");
	if (asprintf(&path, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0)
		return NULL;
	return path;
}

static int push(struct collect *c, const struct census_record *rec, const char *path)
{
	int r = grow(&c->stack, &c->stack_size, c->depth, sizeof(*c->stack));

	if (r < 0)
		return r;
	c->stack[c->depth++] = (struct ancestor){
		.id = rec->id, .path = path, .dying = rec->flags & CENSUS_DYING,
	};
	return 0;
}

static void fill(struct collect *c, const struct census_record *rec, struct mcr_zombie *z)
{
	z->id = rec->id;
	z->level = rec->level;
	z->refs = rec->refs > 0 ? rec->refs : 0;
	z->usage_bytes = rec->usage_pages * c->page_size;
	z->swap_bytes = rec->swap_pages * c->page_size;
	for (size_t i = 0; i < MCR_LRUS; i++)
		z->lru_pages[i] = rec->lru_pages[i];
}

/* Takes ownership of path in any case. */
static int add_zombie(struct collect *c, const struct census_record *rec, char *path)
{
	struct mcr_zombie z = { .path = path, .name = strrchr(path, '/') + 1 };
	size_t i = c->depth;
	int r = grow(&c->census->zombies, &c->zombies_size, c->census->n, sizeof(z));

	if (r < 0) {
		free(path);
		return r;
	}
	while (i > 0 && c->stack[i - 1].dying)
		i--;
	z.anchor_id = i ? c->stack[i - 1].id : 0;
	z.anchor = i ? c->stack[i - 1].path : "/";
	fill(c, rec, &z);
	c->census->zombies[c->census->n++] = z;
	return 0;
}

static int add_string(struct collect *c, char *path)
{
	int r = grow(&c->census->strings, &c->strings_size, c->census->n_strings, sizeof(char *));

	if (r < 0) {
		free(path);
		return r;
	}
	c->census->strings[c->census->n_strings++] = path;
	return 0;
}

static int collect_one(struct collect *c, const struct census_record *rec)
{
	char *path;
	int r;

	while (c->depth > 0 && c->stack[c->depth - 1].id != rec->parent_id)
		c->depth--;
	path = join(c->depth ? c->stack[c->depth - 1].path : "/", rec->name);
	if (!path)
		return -ENOMEM;
	r = rec->flags & CENSUS_DYING ? add_zombie(c, rec, path) : add_string(c, path);
	if (r == 0 && rec->flags & CENSUS_INNER)
		r = push(c, rec, path);
	return r;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct mcr_census_walker *w = ctx;
	const struct census_record *rec = data;
	struct collect *c = w->collect;

	if (size < CENSUS_HEAD_BYTES + 1 || size != CENSUS_HEAD_BYTES + rec->name_len)
		c->error = -EPROTO;
	else if (!c->error)
		c->error = collect_one(c, rec);
	return 0;
}

static int load(struct mcr_census_walker *w)
{
	int r;

	w->ring = w->ring ? (ring_buffer__free(w->ring), NULL) : NULL;
	census_bpf__destroy(w->skel);
	w->skel = census_bpf__open();
	if (!w->skel)
		return -errno;
	w->skel->rodata->nr_nodes = mcr_numa_nodes();
	bpf_map__set_max_entries(w->skel->maps.records, w->ring_bytes);
	r = census_bpf__load(w->skel);
	if (r < 0)
		return r;
	w->ring = ring_buffer__new(bpf_map__fd(w->skel->maps.records), on_record, w, NULL);
	return w->ring ? 0 : -errno;
}

struct mcr_census_walker *mcr_census_walker_free(struct mcr_census_walker *w)
{
	if (!w)
		return NULL;
	ring_buffer__free(w->ring);
	census_bpf__destroy(w->skel);
	free(w);
	return NULL;
}

/* One run of the program and its records; -ENOBUFS when the ring was too small for all of them. */
static int walk_once(struct mcr_census_walker *w, struct mcr_census **ret)
{
	auto_(mcr_census_freep) struct mcr_census *census = calloc(1, sizeof(*census));
	struct collect c = { .census = census, .page_size = sysconf(_SC_PAGESIZE) };
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r;

	if (!census)
		return -ENOMEM;
	w->collect = &c;
	r = bpf_prog_test_run_opts(bpf_program__fd(w->skel->progs.census), &opts);
	if (r == 0 && opts.retval)
		r = -EFAULT;
	if (r == 0)
		r = ring_buffer__consume(w->ring);
	w->collect = NULL;
	free(c.stack);
	if (r < 0)
		return r;
	if (c.error)
		return c.error;
	if (w->skel->bss->dropped)
		return -ENOBUFS;
	census->visited = w->skel->bss->visited;
	census->complete = !w->skel->bss->unfinished;
	census->dying = census->n;
	census->named = true;
	*ret = steal_ptr(census);
	return 0;
}

int mcr_census_walk(struct mcr_census_walker *w, struct mcr_census **ret)
{
	for (;;) {
		int r = walk_once(w, ret);

		if (r != -ENOBUFS || w->ring_bytes >= RING_BYTES_MAX)
			return r;
		w->ring_bytes *= 4;
		r = load(w);
		if (r < 0)
			return r;
	}
}

/* Does the program find the root? */
static int try_root(struct mcr_census_walker *w)
{
	struct mcr_census *census = NULL;
	int r = mcr_census_walk(w, &census);

	mcr_census_free(census);
	return r;
}

int mcr_census_walker_new(struct mcr_census_walker **ret, const char **ret_why)
{
	auto_(mcr_census_walker_freep) struct mcr_census_walker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	mcr_bpf_quiet();
	w->ring_bytes = RING_BYTES_FIRST;
	r = load(w);
	if (r == 0 && try_root(w) < 0)
		r = -EPERM;	/* without CAP_SYSLOG, kernel symbols have the address 0 */
	if (r < 0) {
		if (ret_why)
			*ret_why = mcr_bpf_why(r);
		return r;
	}
	*ret = steal_ptr(w);
	return 0;
}

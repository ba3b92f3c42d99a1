/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the programs of pins.bpf.c, portion by portion, and makes pins of what they say.
 *
 * The lists come first: they cost by what the memcg holds.  What they leave unexplained (pages on no list)
 * is looked for among all pages of the machine, which costs by the machine.
 */
#include "pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf/pins.h"
#include "bpf/pins.skel.h"
#include "bpfenv.h"
#include "nodes.h"
#include "pinset.h"
#include "pinview.h"
#include "util.h"

#define PORTIONS_MAX (1U << 17)	/* a list that grows as fast as it is walked has no end */
#define TRIES 3			/* when references come or go meanwhile */
#define SETTLE_TRIES 25		/* of SETTLE_NSEC, for a removal to take effect */
#define SETTLE_NSEC 20000000

/* include/linux/cgroup-defs.h */
#define CSS_ONLINE (1U << 1)
#define CSS_DYING (1U << 4)

/* The pages of a memcg that a scan for several has found. */
struct found {
	uint64_t id;
	int64_t refs;			/* it had then */
	struct mcr_runs runs;
};

struct mcr_pins_walker {
	struct pins_bpf *skel;
	struct bpf_link *files;		/* NULL: the kernel does not list open files to programs */
	bool scan;
	unsigned int scans;
	struct found *found;
	size_t n_found;
};

/* The program's result, or errno. */
static int run(const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (r < 0)
		return r;
	return (int)opts.retval < 0 ? -ESTALE : (int)opts.retval;
}

void mcr_pins_walker_scan(struct mcr_pins_walker *w, bool allowed)
{
	w->scan = allowed;
}

unsigned int mcr_pins_walker_scans(const struct mcr_pins_walker *w)
{
	return w->scans;
}

static void forget_found(struct mcr_pins_walker *w)
{
	for (size_t i = 0; i < w->n_found; i++)
		free(w->found[i].runs.run);
	free(w->found);
	w->found = NULL;
	w->n_found = 0;
}

struct mcr_pins_walker *mcr_pins_walker_free(struct mcr_pins_walker *w)
{
	if (!w)
		return NULL;
	forget_found(w);
	bpf_link__destroy(w->files);
	pins_bpf__destroy(w->skel);
	free(w);
	return NULL;
}

static int load(struct mcr_pins_walker *w)
{
	int r;

	w->skel = pins_bpf__open();
	if (!w->skel)
		return -errno;
	w->skel->rodata->nr_nodes = mcr_numa_nodes();
	w->skel->rodata->nr_cpus = mcr_possible_cpus();
	r = pins_bpf__load(w->skel);
	if (r < 0)
		return r;
	w->files = bpf_program__attach(w->skel->progs.pins_files);
	w->skel->bss->state.want_id = 0;
	r = run(w->skel->progs.pins_find);
	return r == -ESTALE ? -EPERM : r < 0 ? r : 0;	/* without CAP_SYSLOG, kernel symbols have the address 0 */
}

int mcr_pins_walker_new(struct mcr_pins_walker **ret, const char **ret_why)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	mcr_bpf_quiet();
	w->scan = true;
	r = load(w);
	if (r < 0) {
		if (ret_why)
			*ret_why = mcr_bpf_why(r);
		return r;
	}
	*ret = steal_ptr(w);
	return 0;
}

/* Runs a program until it has no further portion. */
static int collect(struct mcr_pins_walker *w, const struct bpf_program *prog, struct mcr_runs *runs)
{
	struct pins_state *s = &w->skel->bss->state;

	for (unsigned int i = 0; !s->done; i++) {
		int r = run(prog);

		if (r == 0)
			r = mcr_runs_add(runs, w->skel->bss->runs, s->n_runs);
		if (r < 0)
			return r;
		if (i >= PORTIONS_MAX) {
			s->unfinished++;
			break;
		}
	}
	return 0;
}

static int walk_lists(struct mcr_pins_walker *w, struct mcr_runs *runs)
{
	int r = run(w->skel->progs.pins_begin);

	runs->n = 0;
	return r < 0 ? r : collect(w, w->skel->progs.pins_pages, runs);
}

/* 1: the runs are those of all pages now; 0: pages cannot be scanned here. */
static int walk_all_pages(struct mcr_pins_walker *w, struct mcr_runs *runs)
{
	int r = run(w->skel->progs.pins_begin);

	if (r == 0)
		r = run(w->skel->progs.pins_scan_begin);
	if (r <= 0)
		return r;
	runs->n = 0;
	w->scans++;
	r = collect(w, w->skel->progs.pins_scan, runs);
	return r < 0 ? r : 1;
}

/* The same out of a scan for several, if as many references are there as were then: as above, or 0. */
static int take_found(struct mcr_pins_walker *w, struct mcr_runs *runs)
{
	struct pins_state *s = &w->skel->bss->state;

	for (size_t i = 0; i < w->n_found; i++) {
		const struct mcr_runs *known = &w->found[i].runs;
		int r;

		if (w->found[i].id != s->want_id || w->found[i].refs != s->refs)
			continue;
		runs->n = 0;
		r = mcr_runs_add(runs, known->run, known->n);
		s->unfinished = 0;
		s->pages_seen = 0;
		for (size_t k = 0; k < known->n; k++)
			s->pages_seen += known->run[k].pages;
		return r < 0 ? r : 1;
	}
	return 0;
}

static int ask_names(struct mcr_pins_walker *w, struct mcr_pins *p, size_t first, const struct pins_ask *asks, size_t n)
{
	struct pins_bpf__bss *b = w->skel->bss;
	size_t done = 0;

	while (done < n) {
		int r;

		b->state.n_asks = n - done < PINS_ASKS ? n - done : PINS_ASKS;
		memcpy(b->asks, asks + done, b->state.n_asks * sizeof(*asks));
		r = run(w->skel->progs.pins_names);
		if (r < 0)
			return r;
		if (!b->state.n_asks || b->state.n_asks > PINS_ASKS)
			return -EPROTO;
		for (size_t i = 0; i < b->state.n_asks; i++) {
			r = mcr_pin_name(&p->pins[first + done + i], &b->answers[i], b->names, sizeof(b->names));
			if (r < 0)
				return r;
		}
		done += b->state.n_asks;
	}
	return 0;
}

/* Sorted runs to pins with names; those without a mapping come first and have none. */
static int add_pages(struct mcr_pins_walker *w, struct mcr_runs *runs, struct mcr_pins *p)
{
	auto_(freep) struct pins_ask *asks = calloc(runs->n + 1, sizeof(*asks));
	uint64_t page_size = sysconf(_SC_PAGESIZE);
	size_t n_asks = 0, same;

	if (!asks)
		return -ENOMEM;
	mcr_runs_sort(runs);
	for (size_t i = 0; i < runs->n; i += same) {
		const struct pins_run *first = &runs->run[i];
		struct mcr_pin pin;
		int r;

		same = mcr_runs_same(first, runs->n - i);
		r = mcr_pin_sum(first, same, page_size, &pin);
		if (r == 0)
			r = mcr_pins_add(p, &pin);
		if (r < 0)
			return r;
		if (first->mapping)
			asks[n_asks++] = mcr_runs_ask(first, same);
	}
	return ask_names(w, p, p->n - n_asks, asks, n_asks);
}

/* While it is online the id has a reference of its own. */
static uint64_t swap_entries(const struct pins_state *s)
{
	return s->css_flags & CSS_ONLINE ? s->id_refs - !!s->id_refs : s->id_refs;
}

static int add_refs(const struct mcr_pins_walker *w, struct mcr_pins *p)
{
	const struct pins_state *s = &w->skel->bss->state;
	uint64_t entries = swap_entries(s);
	uint64_t page_size = sysconf(_SC_PAGESIZE);
	struct mcr_pin swap = {
		.kind = MCR_PIN_SWAP, .refs = 1, .count = entries, .bytes = entries * page_size, .freed = s->swap_freed,
	};

	for (size_t i = 0; i < p->n; i++)
		if (p->pins[i].kind != MCR_PIN_VANISHED)
			swap.in_files += p->pins[i].swap_bytes / page_size;

	for (uint32_t i = 0; i < s->n_refs && i < PINS_REFS; i++) {
		struct mcr_pin pin;
		int r = mcr_pin_from_ref(&w->skel->bss->refs[i], &pin);

		if (r == 0)
			r = mcr_pins_add(p, &pin);
		if (r < 0)
			return r;
	}
	return entries ? mcr_pins_add(p, &swap) : 0;
}

/* References that are no pages. */
static uint64_t other_refs(const struct pins_state *s)
{
	uint64_t sum = swap_entries(s) ? 1 : 0;

	for (unsigned int i = 0; i < PINS_REF_KINDS; i++)
		sum += s->refs_by_kind[i];
	return sum;
}

/* What has no descriptor; after the open files, which tell more. */
static int walk_sockets(struct mcr_pins_walker *w, struct mcr_runs *runs)
{
	int r = run(w->skel->progs.pins_sockets_begin);

	return r < 0 ? r : collect(w, w->skel->progs.pins_sockets, runs);
}

/* Appends the runs of what is in swap. */
static int walk_swap(struct mcr_pins_walker *w, struct mcr_runs *runs)
{
	int r;

	w->skel->bss->state.swap_freed = 0;
	if (!swap_entries(&w->skel->bss->state))
		return 0;
	r = run(w->skel->progs.pins_swap_begin);
	return r < 0 ? r : collect(w, w->skel->progs.pins_swap, runs);
}

/* The iterator calls the program for each open file, while it is read. */
static int walk_open_files(struct mcr_pins_walker *w)
{
	auto_(closep) int fd = -EBADF;
	char none[64];
	ssize_t n;

	if (!w->files)
		return 0;
	fd = bpf_iter_create(bpf_link__fd(w->files));
	if (fd < 0)
		return -errno;
	while ((n = read(fd, none, sizeof(none))) > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		;
	return n < 0 ? -errno : 0;
}

static bool explained(const struct mcr_pins_walker *w, const struct mcr_runs *runs, const struct mcr_pins *p)
{
	const struct pins_state *s = &w->skel->bss->state;

	if (!p->dying)
		return !s->unevictable_pages;
	return mcr_runs_folios(runs) + other_refs(s) >= p->refs_held;
}

/*
 * Right after rmdir the references are not counted in one place yet, then the kernel takes its own back: it has done
 * both some grace periods later, when the memcg is no longer online.
 */
static bool settling(const struct pins_state *s)
{
	return s->css_flags & CSS_DYING && (s->css_flags & CSS_ONLINE || s->refs < 0);
}

static int find(struct mcr_pins_walker *w, uint64_t id, struct mcr_pins *p)
{
	const struct timespec pause = { .tv_nsec = SETTLE_NSEC };
	struct pins_state *s = &w->skel->bss->state;

	s->want_id = id;
	s->walk++;
	for (unsigned int i = 0; i < SETTLE_TRIES; i++) {
		int r = run(w->skel->progs.pins_find);

		if (r <= 0)
			return r < 0 ? r : -ESTALE;
		if (!settling(s))
			break;
		nanosleep(&pause, NULL);
	}
	p->id = id;
	p->level = s->level;
	p->dying = s->css_flags & CSS_DYING;
	p->refs_held = p->dying && s->refs > 0 ? s->refs : 0;
	p->scanned = false;
	return 0;
}

/* From what costs little to what costs much, as long as something is unexplained. */
static int walk_once(struct mcr_pins_walker *w, uint64_t id, struct mcr_runs *runs, struct mcr_pins *p)
{
	struct pins_state *s = &w->skel->bss->state;
	uint64_t unfinished;
	int r = find(w, id, p);

	if (r < 0)
		return r;
	r = walk_lists(w, runs);
	if (r == 0)
		r = run(w->skel->progs.pins_refs);
	if (r == 0 && (!explained(w, runs, p) || !p->dying))
		r = walk_open_files(w);
	if (r == 0 && (!explained(w, runs, p) || !p->dying))
		r = walk_sockets(w, runs);
	unfinished = s->unfinished;
	if (r == 0 && w->scan && !explained(w, runs, p)) {
		r = take_found(w, runs);
		if (r == 0)
			r = walk_all_pages(w, runs);
		if (r > 0) {
			p->scanned = true;
			unfinished = s->unfinished;
			r = 0;
		}
	}
	s->unfinished = unfinished;
	if (r == 0)
		r = walk_swap(w, runs);
	p->pages = s->pages_seen;
	p->complete = !s->unfinished;
	return r < 0 ? r : run(w->skel->progs.pins_end);
}

int mcr_pins_walk(struct mcr_pins_walker *w, uint64_t cgroup_id, struct mcr_pins **ret)
{
	auto_(mcr_pins_freep) struct mcr_pins *p = calloc(1, sizeof(*p));
	const struct pins_state *s = &w->skel->bss->state;
	struct mcr_runs runs = { .n = 0 };
	bool steady = false;
	int r = 0;

	if (!p)
		return -ENOMEM;
	for (unsigned int i = 0; i < TRIES && r == 0 && !steady; i++) {
		r = walk_once(w, cgroup_id, &runs, p);
		steady = !p->dying || (!settling(s) && s->refs == s->refs_after);
	}
	if (r == 0)
		r = add_pages(w, &runs, p);
	if (r == 0)
		r = add_refs(w, p);
	free(runs.run);
	if (r < 0)
		return r;
	p->complete &= steady;
	mcr_pins_order(p);
	mcr_pins_view("/proc/self/mountinfo", p);	/* without it the rest is as true */
	for (size_t i = 0; i < p->n; i++)
		p->refs_explained += p->pins[i].refs;
	*ret = steal_ptr(p);
	return 0;
}

/* Each run to its memcg. */
static int share_out(struct mcr_pins_walker *w, const struct mcr_runs *all)
{
	for (size_t i = 0; i < all->n; i++) {
		int r = all->run[i].list < w->n_found ? mcr_runs_add(&w->found[all->run[i].list].runs, &all->run[i], 1) : -EPROTO;

		if (r < 0)
			return r;
	}
	return 0;
}

static int want(struct mcr_pins_walker *w, uint64_t id)
{
	const struct pins_state *s = &w->skel->bss->state;
	const uint32_t number = w->n_found;
	struct mcr_pins p;
	int r = find(w, id, &p);

	if (r < 0)
		return r == -ESTALE ? 0 : r;
	r = bpf_map_update_elem(bpf_map__fd(w->skel->maps.wanted), &s->found, &number, BPF_ANY);
	if (r < 0)
		return r;
	w->found[w->n_found++] = (struct found){ .id = id, .refs = s->refs };
	return 0;
}

static void want_none(struct mcr_pins_walker *w)
{
	int fd = bpf_map__fd(w->skel->maps.wanted);
	uint64_t key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0 && bpf_map_delete_elem(fd, &key) == 0)
		;
}

/* One look at all pages for these memcgs. */
static int scan_for(struct mcr_pins_walker *w, const uint64_t *ids, size_t n)
{
	struct mcr_runs all = { .n = 0 };
	int r = 0;

	forget_found(w);
	want_none(w);
	w->found = calloc(n, sizeof(*w->found));
	if (!w->found)
		return -ENOMEM;
	for (size_t i = 0; i < n && i < PINS_WANTED && r == 0; i++)
		r = want(w, ids[i]);
	if (r == 0)
		r = run(w->skel->progs.pins_begin);
	if (r == 0 || r == -ESTALE)	/* the last one is gone: the others are not */
		r = run(w->skel->progs.pins_scan_begin);
	if (r > 0) {
		w->scans++;
		r = collect(w, w->skel->progs.pins_scan_many, &all);
		r = r < 0 ? r : share_out(w, &all);
	} else {
		forget_found(w);
	}
	free(all.run);
	return r;
}

static int walk_each(struct mcr_pins_walker *w, const uint64_t *ids, size_t n, struct mcr_pins **pins)
{
	for (size_t i = 0; i < n; i++) {
		struct mcr_pins *p;
		int r = mcr_pins_walk(w, ids[i], &p);

		if (r < 0 && r != -ESTALE)
			return r;
		mcr_pins_free(pins[i]);
		pins[i] = r == 0 ? p : NULL;
	}
	return 0;
}

static bool lacks_some(const struct mcr_pins *p)
{
	return p && p->dying && p->refs_explained < p->refs_held;
}

/* With what looking at all pages says about those that lack something. */
static int walk_rest(struct mcr_pins_walker *w, const uint64_t *ids, size_t n, struct mcr_pins **pins)
{
	auto_(freep) uint64_t *rest = calloc(n + 1, sizeof(*rest));
	size_t n_rest = 0;
	int r = 0;

	if (!rest)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (lacks_some(pins[i]))
			rest[n_rest++] = ids[i];
	if (n_rest)
		r = scan_for(w, rest, n_rest);
	for (size_t i = 0; i < n && r == 0; i++)
		if (lacks_some(pins[i]))
			r = walk_each(w, &ids[i], 1, &pins[i]);
	return r;
}

int mcr_pins_walk_all(struct mcr_pins_walker *w, const uint64_t *ids, size_t n, struct mcr_pins **pins)
{
	bool scan = w->scan;
	int r;

	w->scan = false;
	r = walk_each(w, ids, n, pins);
	w->scan = scan;
	if (r == 0 && scan)
		r = walk_rest(w, ids, n, pins);
	forget_found(w);
	return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holderwalk.h"

#include <bpf/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/holders.h"
#include "bpf/holders.skel.h"
#include "bpfenv.h"
#include "util.h"

struct mcr_holderwalk {
	struct holders_bpf *skel;
	int object_fd;
	struct holders_record *records;
	size_t n, size;
	struct mcr_reach *reach;
};

/* 0, or errno. */
static int run(const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	return r < 0 ? r : (int)opts.retval < 0 ? -ESTALE : 0;
}

struct mcr_holderwalk *mcr_holderwalk_free(struct mcr_holderwalk *w)
{
	if (!w)
		return NULL;
	holders_bpf__destroy(w->skel);
	free(w->records);
	free(w->reach);
	free(w);
	return NULL;
}

/* A name of a tmpfs file is in memory for as long as it exists; a SysV segment has a file of its own. */
static size_t count_kernel_refs(int fd)
{
	char link[64], target[8] = "";
	struct stat st;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, target, sizeof(target) - 1) > 0 && strncmp(target, "/SYSV", 5) == 0)
		return 1;
	return fstat(fd, &st) == 0 ? st.st_nlink : 0;
}

static int load(struct mcr_holderwalk *w)
{
	int r;

	w->skel = holders_bpf__open();
	if (!w->skel)
		return -errno;
	r = holders_bpf__load(w->skel);
	if (r < 0)
		return r;
	w->skel->links.holders_files = bpf_program__attach(w->skel->progs.holders_files);
	if (!w->skel->links.holders_files)
		return -errno;
	w->skel->links.holders_maps = bpf_program__attach(w->skel->progs.holders_maps);
	if (!w->skel->links.holders_maps)
		return -errno;
	return 0;
}

int mcr_holderwalk_identify(struct mcr_holderwalk *w, int fd, uint64_t *ret_inode, uint32_t *ret_generation)
{
	struct holders_state *s = &w->skel->bss->state, aimed = *s;
	int r;

	s->fd = fd;
	r = run(w->skel->progs.holders_target);
	if (r == 0) {
		*ret_inode = s->inode;
		*ret_generation = s->generation;
	}
	*s = aimed;
	return r;
}

int mcr_holderwalk_aim(struct mcr_holderwalk *w, int object_fd)
{
	w->object_fd = object_fd;
	w->skel->bss->state.fd = object_fd;
	return run(w->skel->progs.holders_target);
}

int mcr_holderwalk_new(struct mcr_holderwalk **ret, const char **ret_why)
{
	auto_(mcr_holderwalk_freep) struct mcr_holderwalk *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	mcr_bpf_quiet();
	w->object_fd = -EBADF;
	r = load(w);
	if (r < 0) {
		if (ret_why)
			*ret_why = mcr_bpf_why(r);
		return r;
	}
	*ret = steal_ptr(w);
	return 0;
}

size_t mcr_holderwalk_fds(const struct mcr_holderwalk *w, int *fds, size_t n)
{
	const int all[] = {
		bpf_link__fd(w->skel->links.holders_files), bpf_link__fd(w->skel->links.holders_maps),
		bpf_program__fd(w->skel->progs.holders_names), bpf_program__fd(w->skel->progs.holders_pages),
	};

	if (n < ARRAY_SIZE(all))
		return 0;
	memcpy(fds, all, sizeof(all));
	return ARRAY_SIZE(all);
}

static int make_room(struct mcr_holderwalk *w)
{
	size_t size = w->size ? w->size * 2 : 1024;
	struct holders_record *bigger;
	struct mcr_reach *reach;

	if (w->n < w->size)
		return 0;
	bigger = reallocarray(w->records, size, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	w->records = bigger;
	reach = reallocarray(w->reach, size, sizeof(*reach));
	if (!reach)
		return -ENOMEM;
	w->reach = reach;
	w->size = size;
	return 0;
}

/* The iterator calls its program while it is read. */
static int read_records(struct mcr_holderwalk *w, const struct bpf_link *link)
{
	auto_(closep) int fd = bpf_iter_create(bpf_link__fd(link));

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;
		int r = make_room(w);

		if (r < 0)
			return r;
		n = read(fd, w->records + w->n, (w->size - w->n) * sizeof(*w->records));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (n % sizeof(*w->records))
			return -EIO;
		w->n += n / sizeof(*w->records);
	}
}

static int by_file(const void *a, const void *b)
{
	const struct holders_record *x = a, *y = b;

	return (x->file > y->file) - (x->file < y->file);
}

static size_t count_files(struct mcr_holderwalk *w)
{
	size_t n = 0;

	if (w->n)
		qsort(w->records, w->n, sizeof(*w->records), by_file);
	for (size_t i = 0; i < w->n; i++)
		n += i == 0 || w->records[i].file != w->records[i - 1].file;
	return n;
}

static size_t list_reach(struct mcr_holderwalk *w)
{
	uint32_t self = getpid();
	size_t n = 0, k;

	for (size_t i = 0; i < w->n; i++) {
		const struct holders_record *r = &w->records[i];

		if (r->tgid == self || (!r->maps && r->file == w->skel->bss->state.file))
			continue;
		for (k = 0; k < n && (w->reach[k].tgid != r->tgid || w->reach[k].cgroup_id != r->cgroup_id); k++)
			;
		w->reach[k] = (struct mcr_reach){ r->tgid, r->cgroup_id };
		n += k == n;
	}
	return n;
}

int mcr_holderwalk_find(struct mcr_holderwalk *w, const struct mcr_reach **ret, size_t *ret_n, size_t *ret_unseen)
{
	size_t known;
	int r;

	w->n = 0;
	r = read_records(w, w->skel->links.holders_files);
	if (r == 0)
		r = read_records(w, w->skel->links.holders_maps);
	if (r == 0)
		r = run(w->skel->progs.holders_names);
	if (r < 0)
		return r;
	known = count_files(w) + count_kernel_refs(w->object_fd);
	*ret_unseen = w->skel->bss->state.name_refs > known ? w->skel->bss->state.name_refs - known : 0;
	*ret_n = list_reach(w);
	*ret = w->reach;
	return 0;
}

int mcr_holderwalk_pages(struct mcr_holderwalk *w, const uint64_t *pfns, size_t n, size_t *ret_held)
{
	struct holders_state *s = &w->skel->bss->state;
	size_t held = 0;

	for (size_t i = 0; i < n; i += HOLDERS_PAGES) {
		size_t part = n - i < HOLDERS_PAGES ? n - i : HOLDERS_PAGES;
		int r;

		memcpy(w->skel->bss->pfns, pfns + i, part * sizeof(*pfns));
		s->n_pages = part;
		r = run(w->skel->progs.holders_pages);
		if (r < 0)
			return r;
		held += s->n_held;
	}
	*ret_held = held;
	return 0;
}

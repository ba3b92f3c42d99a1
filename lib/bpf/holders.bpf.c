// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holders: who can reach one inode, and whether the kernel holds pages of it.
 *
 * holders_target takes the inode from a descriptor of the caller. The iterators are called for each open file and each
 * mapping of each process and write a record for those of the inode. holders_names counts the references to its
 * names: each open file has one, whoever it belongs to.  holders_pages compares the references of pages with what the page
 * cache and page tables account for.
 */
#include "kernel-mm.h"
#include "holders.h"

char LICENSE[] SEC("license") = "GPL";

extern const void vmemmap_base __ksym __weak;

struct holders_state state;
__u64 pfns[HOLDERS_PAGES];

#define BPF_ANY_PAGE_BYTES 64	/* sizeof(struct page) */

struct fdtable {
	struct file **fd;
	unsigned int max_fds;
} MCR_CORE;

struct files_struct {
	struct fdtable *fdt;
} MCR_CORE;

struct file___inode {
	struct inode *f_inode;
} MCR_CORE;

struct css_set___dfl {
	struct cgroup *dfl_cgrp;
} MCR_CORE;

struct task_struct___files {
	int tgid;
	struct files_struct *files;
	struct css_set___dfl *cgroups;
} MCR_CORE;

struct lockref {
	int count;
} MCR_CORE;

struct dentry___refs {
	struct lockref d_lockref;
	union {
		struct hlist_node d_alias;
	} d_u;
} MCR_CORE;

struct vm_area_struct___file {
	struct file *vm_file;
} MCR_CORE;

struct page___refs {
	unsigned long flags;
	unsigned long compound_head;
	atomic_t _mapcount;
	atomic_t _refcount;
} MCR_CORE;

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
} MCR_CORE;

struct bpf_iter__task_file___seq {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
} MCR_CORE;

struct bpf_iter_meta {
	struct seq_file *seq;
} MCR_CORE;

SEC("raw_tp")
int holders_target(void *ctx)
{
	struct task_struct___files *task = (void *)bpf_get_current_task();
	struct file **fds = BPF_CORE_READ(task, files, fdt, fd);
	struct file___inode *file = NULL;

	state.inode = 0;
	if (state.fd >= BPF_CORE_READ(task, files, fdt, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), fds + state.fd) || !file)
		return -1;
	state.file = (__u64)file;
	state.inode = (__u64)BPF_CORE_READ(file, f_inode);
	state.generation = BPF_CORE_READ(file, f_inode, i_generation);
	return 0;
}

static __always_inline int tell(struct seq_file *seq, struct task_struct *t, struct file *f, __u32 maps)
{
	struct task_struct___files *task = (void *)t;
	struct file___inode *file = (void *)f;
	struct holders_record r = { .maps = maps };

	if ((__u64)BPF_CORE_READ(file, f_inode) != state.inode)
		return 0;
	r.file = (__u64)file;
	r.tgid = BPF_CORE_READ(task, tgid);
	r.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_seq_write(seq, &r, sizeof(r));
	return 0;
}

SEC("iter/task_file")
int holders_files(struct bpf_iter__task_file___seq *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	return task && file && state.inode ? tell(ctx->meta->seq, task, file, 0) : 0;
}

SEC("iter/task_vma")
int holders_maps(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct___file *vma = (void *)ctx->vma;
	struct file *file;

	if (!task || !vma || !state.inode)
		return 0;
	file = BPF_CORE_READ(vma, vm_file);
	return file ? tell(ctx->meta->seq, task, file, 1) : 0;
}

SEC("raw_tp")
int holders_names(void *ctx)
{
	struct inode *inode = (void *)state.inode;
	struct hlist_node *node;

	state.name_refs = 0;
	if (!inode)
		return -1;
	node = BPF_CORE_READ(inode, i_dentry.first);
	for (int i = 0; i < HOLDERS_NAMES && node; i++) {
		struct dentry___refs *d = (void *)node - bpf_core_field_offset(struct dentry___refs, d_u.d_alias);

		state.name_refs += BPF_CORE_READ(d, d_lockref.count);
		if (bpf_probe_read_kernel(&node, sizeof(node), node))
			return -1;
	}
	return node ? -1 : 0;
}

/* One reference is the page cache's, one each those of page tables. */
static long page_step(__u32 i, void *ctx)
{
	struct page___refs *page;
	__u64 base;

	if (i >= state.n_pages || i >= HOLDERS_PAGES)
		return 1;
	if (bpf_probe_read_kernel(&base, sizeof(base), &vmemmap_base))
		return 1;
	page = (void *)(base + pfns[i & (HOLDERS_PAGES - 1)] * BPF_ANY_PAGE_BYTES);
	if (BPF_CORE_READ(page, compound_head) & 1 ||
	    BPF_CORE_READ(page, flags) >> bpf_core_enum_value(enum pageflags, PG_head) & 1) {
		state.n_unread++;
		return 0;
	}
	if (BPF_CORE_READ(page, _refcount.counter) > BPF_CORE_READ(page, _mapcount.counter) + 2)
		state.n_held++;
	return 0;
}

SEC("raw_tp")
int holders_pages(void *ctx)
{
	state.n_held = 0;
	state.n_unread = 0;
	if (!&vmemmap_base)
		return -1;
	bpf_loop(HOLDERS_PAGES, page_step, NULL, 0);
	return 0;
}

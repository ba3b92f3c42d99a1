/* SPDX-License-Identifier: GPL-2.0-only */
/* Of pins.bpf.c: what the mappings are that pages belong to. */
#pragma once

#include "pins-swap.h"

static __u32 ask;		/* the one in hand */
static __u64 dentry;		/* 0: nothing read yet of this one */
static __u32 path_len;
/* Of what is being read; the stack has no room for it beside that of find_slot(). */
static __u64 copy[SNAP_WORDS], sb_copy[SNAP_WORDS];

static __always_inline bool page_is_there(const struct pins_ask *q)
{
	if (!q->folio)
		return swapped_is_there(q->mapping, q->index);
	return snap(copy, SNAP_BYTES(struct folio, memcg_data), (void *)q->folio) &&
	       SNAP_FIELD(copy, struct folio, memcg_data) == memcg &&
	       (__u64)SNAP_FIELD(copy, struct folio, mapping) == q->mapping;
}

static __always_inline long answered(const struct pins_ask *q, struct pins_answer *a)
{
	a->name_len = path_len;
	if (!page_is_there(q))
		a->flags |= PINS_STALE;
	dentry = 0;
	path_len = 0;
	ask++;
	return 0;
}

/* Looks for a vma that covers the page, from the top of the interval tree down one path. */
static __always_inline void read_owner(const struct pins_ask *q, struct pins_answer *a)
{
	struct anon_vma *av = (void *)(q->mapping & ~3ULL);
	struct vm_area_struct *vma = NULL;
	struct task_struct *owner = NULL;
	struct mm_struct *mm = NULL;
	__u64 rb = 0, avc, left, last, start, end, pgoff;
	int i;

	bpf_probe_read_kernel(&rb, 8, &av->rb_root.rb_root.rb_node);
	for (i = 0; i < 16 && rb; i++) {
		avc = rb - OFF(struct anon_vma_chain, rb);
		if (!read_word((__u64 *)&vma, avc + OFF(struct anon_vma_chain, vma)) ||
		    !read_word(&start, (__u64)&vma->vm_start) || !read_word(&end, (__u64)&vma->vm_end) ||
		    !read_word(&pgoff, (__u64)&vma->vm_pgoff))
			return;
		if (q->index >= pgoff && q->index - pgoff < (end - start) >> 12)
			break;
		vma = NULL;
		if (read_word(&left, rb + OFF(struct rb_node, rb_left)) && left &&
		    read_word(&last, left - OFF(struct anon_vma_chain, rb) +
				     OFF(struct anon_vma_chain, rb_subtree_last)) && last >= q->index)
			rb = left;
		else if (!read_word(&rb, rb + OFF(struct rb_node, rb_right)))
			return;
	}
	if (!vma || !read_word((__u64 *)&mm, (__u64)&vma->vm_mm) || !read_word((__u64 *)&owner, (__u64)&mm->owner))
		return;
	bpf_probe_read_kernel(&a->pid, 4, &owner->tgid);
	bpf_probe_read_kernel_str(a->comm, sizeof(a->comm), &owner->comm);
}

/* The one the last inode was of; most are of the same. */
static __u64 sb_known;
static __u64 sb_root;
static struct pins_answer sb_answer;

static __always_inline bool read_sb(__u64 sb)
{
	struct file_system_type *type;
	const char *name;

	if (sb == sb_known)
		return true;
	sb_known = 0;
	if (!snap(sb_copy, SNAP_BYTES(struct super_block, s_root), (void *)sb))
		return false;
	sb_answer.dev = SNAP_FIELD(sb_copy, struct super_block, s_dev);
	sb_answer.magic = SNAP_FIELD(sb_copy, struct super_block, s_magic);
	sb_root = (__u64)SNAP_FIELD(sb_copy, struct super_block, s_root);
	type = SNAP_FIELD(sb_copy, struct super_block, s_type);
	bpf_probe_read_kernel_str(sb_answer.sb_id, sizeof(sb_answer.sb_id), (void *)(sb + OFF(struct super_block, s_id)));
	sb_answer.fstype[0] = 0;
	if (read_word((__u64 *)&name, (__u64)&type->name))
		bpf_probe_read_kernel_str(sb_answer.fstype, sizeof(sb_answer.fstype), name);
	sb_known = sb;
	return true;
}

/* Whether there is a name to read, too. */
static __always_inline bool read_inode(const struct pins_ask *q, struct pins_answer *a)
{
	struct address_space *as = (void *)q->mapping;
	__u64 inode, alias;

	if (!read_word(&inode, (__u64)&as->host) || !snap(copy, SNAP_BYTES(struct inode, i_size), (void *)inode) ||
	    !read_sb((__u64)SNAP_FIELD(copy, struct inode, i_sb))) {
		a->flags |= PINS_STALE;
		return false;
	}
	a->ino = SNAP_FIELD(copy, struct inode, i_ino);
	a->size = SNAP_FIELD(copy, struct inode, i_size);
	a->nlink = SNAP_FIELD(copy, struct inode, i_nlink);
	a->mode = SNAP_FIELD(copy, struct inode, i_mode);
	a->rdev = SNAP_FIELD(copy, struct inode, i_rdev);
	a->inode = inode;
	bpf_probe_read_kernel(&a->generation, 4, (void *)(inode + OFF(struct inode, i_generation)));
	a->dev = sb_answer.dev;
	a->magic = sb_answer.magic;
	__builtin_memcpy(a->fstype, sb_answer.fstype, sizeof(a->fstype));
	__builtin_memcpy(a->sb_id, sb_answer.sb_id, sizeof(a->sb_id));
	if (!read_word(&alias, inode + OFF(struct inode, i_dentry.first)) || !alias) {
		a->flags |= PINS_NAMELESS;
		return false;
	}
	dentry = alias - OFF(struct dentry, d_u.d_alias);
	return true;
}

/* Half a path would be a false one. */
static __always_inline long nameless(const struct pins_ask *q, struct pins_answer *a)
{
	a->flags |= PINS_NAMELESS;
	return answered(q, a);
}

static __always_inline __u32 dentry_seq(void)
{
	__u32 seq = 1;

	bpf_probe_read_kernel(&seq, 4, (void *)(dentry + OFF(struct dentry, d_seq.seqcount.sequence)));
	return seq;
}

/* One mapping, or one component of its path, a step. */
static long name_step(__u32 i, void *ctx)
{
	__u64 parent, name;
	struct pins_answer *a;
	struct pins_ask *q;
	__u32 at, seq;
	long len;

	if (ask >= state.n_asks || ask >= PINS_ASKS) {
		state.done = 1;
		return 1;
	}
	if (state.names_used > PINS_NAMES_BYTES - PINS_PATH_MAX - 256 && !dentry)
		return 1;
	q = &asks[ask & (PINS_ASKS - 1)];
	a = &answers[ask & (PINS_ASKS - 1)];
	if (!dentry) {
		__builtin_memset(a, 0, sizeof(*a));
		a->name = state.names_used;
		path_len = 0;
		if (q->mapping & 1) {
			a->flags = PINS_ANON | (q->mapping & 2 ? PINS_KSM : 0);
			if (!(q->mapping & 2))
				read_owner(q, a);
			return answered(q, a);
		}
		return read_inode(q, a) ? 0 : answered(q, a);
	}
	if (dentry == sb_root)
		return answered(q, a);
	if (!snap(copy, SNAP_BYTES(struct dentry, d_name), (void *)dentry))
		return nameless(q, a);
	seq = SNAP_FIELD(copy, struct dentry, d_seq.seqcount.sequence);
	parent = (__u64)SNAP_FIELD(copy, struct dentry, d_parent);
	name = (__u64)SNAP_FIELD(copy, struct dentry, d_name.name);
	if (path_len >= PINS_PATH_MAX) {
		a->flags |= PINS_CUT;
		return answered(q, a);
	}
	at = state.names_used;
	if (at > PINS_NAMES_BYTES)
		return 1;
	len = bpf_probe_read_kernel_str(&names[at], 256, (void *)name);
	if (len < 1 || len > 256)
		return nameless(q, a);
	if (seq & 1 || seq != dentry_seq())
		return 0;	/* it is being renamed: read it again */
	state.names_used = at + len;
	path_len += len;
	if (parent == dentry) {
		a->flags |= PINS_PSEUDO;
		return answered(q, a);
	}
	dentry = parent;
	return 0;
}

SEC("raw_tp")
int pins_names(void *ctx)
{
	state.names_used = state.done = 0;
	sb_known = 0;
	ask = path_len = 0;
	dentry = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_ASKS * 64, name_step, NULL, 0);
	state.n_asks = ask;
	return 0;
}

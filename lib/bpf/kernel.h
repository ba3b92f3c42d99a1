/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel structures the BPF programs read, cut down to the fields they read.
 *
 * Everything here is relocated by CO-RE against the running kernel's BTF: order, size and
 * missing neighbours do not matter, names and nesting do.  A field that was renamed gets a
 * second definition with a ___suffix, and the program asks bpf_core_field_exists() first.
 * Written by hand, so that a reader sees at a glance what the project depends on.
 */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define MCR_CORE __attribute__((preserve_access_index))

typedef struct {
	long counter;
} atomic_long_t;

struct list_head {
	struct list_head *next;
	struct list_head *prev;
} MCR_CORE;

struct percpu_ref_data {
	atomic_long_t count;
} MCR_CORE;

struct percpu_ref {
	unsigned long percpu_count_ptr;
	struct percpu_ref_data *data;
} MCR_CORE;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct percpu_ref refcnt;
	struct list_head sibling;
	struct list_head children;
	unsigned int flags;
	struct cgroup_subsys_state *parent;
} MCR_CORE;

struct kernfs_node {
	struct kernfs_node *parent;
	const char *name;
	void *priv;
	__u64 id;
} MCR_CORE;

/* The parent pointer was renamed when kernfs made it RCU-managed. */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
} MCR_CORE;

enum cgroup_subsys_id {
	memory_cgrp_id = 0,	/* the value is relocated; this one is never used */
};

struct cgroup {
	int level;
	int nr_descendants;
	int nr_populated_csets;
	int nr_populated_domain_children;
	int nr_populated_threaded_children;
	struct kernfs_node *kn;
	struct cgroup_subsys_state *subsys[1];
} MCR_CORE;

struct page_counter {
	atomic_long_t usage;
} MCR_CORE;

struct mem_cgroup_per_node {
	unsigned long lru_zone_size[1];
} MCR_CORE;

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	struct page_counter swap;
	struct mem_cgroup_per_node *nodeinfo[1];
} MCR_CORE;

struct file_system_type {
	const char *name;
} MCR_CORE;

struct super_block {
	__u32 s_dev;
	struct file_system_type *s_type;
	unsigned long s_magic;
	struct dentry *s_root;
	char s_id[32];
} MCR_CORE;

struct hlist_node {
	struct hlist_node *next;
} MCR_CORE;

struct hlist_head {
	struct hlist_node *first;
} MCR_CORE;

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_rdev;
	struct address_space *i_mapping;
	long long i_size;
	__u32 i_generation;
	struct hlist_head i_dentry;
	void *i_private;
} MCR_CORE;

struct qstr {
	__u32 len;
	const unsigned char *name;
} MCR_CORE;

/* Inside of a type that may have a lock with it. */
struct seqcount {
	unsigned int sequence;
} MCR_CORE;

struct seqcount_spinlock {
	struct seqcount seqcount;
} MCR_CORE;

struct dentry {
	struct seqcount_spinlock d_seq;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	union {
		struct hlist_node d_alias;
	} d_u;
} MCR_CORE;

struct filename {
	const char *name;
} MCR_CORE;

/* cgroup_subsys_state.flags, include/linux/cgroup-defs.h */
#define CSS_ONLINE	(1U << 1)
#define CSS_DYING	(1U << 4)

/*
 * One bounded copy of the head of a kernel object, then plain loads: a helper call costs about
 * as many instructions as copying a dozen words, so reading four fields one by one costs four
 * times as much.  SNAP_FIELD() is a constant offset into the copy after relocation.
 */
#define SNAP_WORDS 24
#define SNAP_FIELD(buf, type, field) \
	(*(typeof(((type *)0)->field) *)((char *)(buf) + bpf_core_field_offset(type, field)))
#define SNAP_BYTES(type, last) \
	(bpf_core_field_offset(type, last) + bpf_core_field_size(type, last))

static __always_inline bool snap(void *buf, __u32 bytes, const void *src)
{
	if (bytes > SNAP_WORDS * 8)
		return false;
	return bpf_probe_read_kernel(buf, bytes, src) == 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * More of the kernel's structures, cut down as in kernel.h: pages and what they belong to, and
 * everything else that keeps a reference on a memcg.
 */
#pragma once

#include "kernel.h"

typedef struct {
	int counter;
} atomic_t;

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
} MCR_CORE;

struct rb_root {
	struct rb_node *rb_node;
} MCR_CORE;

struct rb_root_cached {
	struct rb_root rb_root;
} MCR_CORE;

/* ---- Pages, and the lists they stand in ---- */

enum pageflags {
	PG_dirty = 1,		/* values are relocated; these are never used */
	PG_writeback,
	PG_head,
	PG_swapbacked,
	PG_unevictable,
	PG_mlocked,
	PG_swapcache,
	PG_lru,
};

struct address_space;

struct page {
	unsigned long flags;
} MCR_CORE;

struct folio {
	unsigned long flags;
	struct list_head lru;
	struct address_space *mapping;
	unsigned long index;
	atomic_t _mapcount;
	unsigned long memcg_data;
	unsigned char _folio_order;
	atomic_t _total_mapcount;
} MCR_CORE;

/* The order is the low byte of the flags of the second page since 6.6, the mapcount has its own word. */
struct folio___later {
	unsigned long _flags_1;
	atomic_t _large_mapcount;
} MCR_CORE;

struct lru_gen_struct {
	struct list_head folios[1];
} MCR_CORE;

struct lru_gen_struct___first {
	struct list_head lists[1];
} MCR_CORE;

struct lruvec {
	struct list_head lists[1];
	struct lru_gen_struct lrugen;
} MCR_CORE;

struct lruvec___first {
	struct lru_gen_struct___first lrugen;
} MCR_CORE;

struct mem_cgroup_per_node___lists {
	struct lruvec lruvec;
} MCR_CORE;

/* ---- Files ---- */

struct xarray {
	void *xa_head;
} MCR_CORE;

struct address_space {
	struct inode *host;
	struct xarray i_pages;
} MCR_CORE;

struct xa_node {
	unsigned char shift;
	void *slots[64];
} MCR_CORE;

/* ---- Swap ---- */

struct shmem_inode_info {
	unsigned long swapped;
	struct list_head swaplist;
	struct inode vfs_inode;
} MCR_CORE;

struct swap_cgroup_ctrl {
	struct page **map;
	unsigned long length;
} MCR_CORE;

struct swap_slots_cache {
	void *slots_ret;
	int n_ret;
} MCR_CORE;

/* ---- Anonymous memory and its owner ---- */

struct pid {
	struct hlist_head tasks[1];
} MCR_CORE;

struct task_struct {
	int tgid;
	struct hlist_node pid_links[1];
	char comm[16];
	struct list_head cg_list;
} MCR_CORE;

struct lru_gen_mm_entry {
	struct list_head list;
} MCR_CORE;

struct mm_struct {
	struct task_struct *owner;
	struct lru_gen_mm_entry lru_gen;
} MCR_CORE;

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_pgoff;
} MCR_CORE;

struct anon_vma {
	struct rb_root_cached rb_root;
} MCR_CORE;

struct anon_vma_chain {
	struct vm_area_struct *vma;
	struct rb_node rb;
	unsigned long rb_subtree_last;
} MCR_CORE;

/* ---- Other holders of references ---- */

struct css_set {
	int nr_tasks;
	struct list_head tasks;
	struct list_head dying_tasks;
	struct list_head e_cset_node[1];
} MCR_CORE;

struct cgroup___csets {
	struct list_head e_csets[1];
} MCR_CORE;

struct bdi_writeback {
	struct list_head bdi_node;
	struct cgroup_subsys_state *memcg_css;
} MCR_CORE;

struct backing_dev_info {
	struct list_head bdi_list;
	struct list_head wb_list;
	char dev_name[64];
} MCR_CORE;

struct memcg_stock_pcp {
	struct mem_cgroup *cached;
} MCR_CORE;

struct mem_cgroup_id {
	int id;
	atomic_t ref;
} MCR_CORE;

struct lru_gen_mm_list {
	struct list_head fifo;
} MCR_CORE;

/* What of the memcg only this file's readers need. */
struct mem_cgroup___refs {
	struct mem_cgroup_id id;
	struct lru_gen_mm_list mm_list;
} MCR_CORE;

/* ---- Open files ---- */

struct sk_buff {
	struct sk_buff *next;
	struct sock *sk;
	char cb[48];
} MCR_CORE;

struct sk_buff_head {
	struct sk_buff *next;
} MCR_CORE;

struct sock_common {
	unsigned short skc_family;
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned char skc_state;
	struct hlist_node skc_node;
} MCR_CORE;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	struct sk_buff_head sk_receive_queue;
	struct socket *sk_socket;
	struct pid *sk_peer_pid;
	struct mem_cgroup *sk_memcg;
} MCR_CORE;

struct in6_addr {
	__u8 s6[16];
};

struct sock_common___v6 {
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} MCR_CORE;

struct sockaddr_un {
	char sun_path[108];
} MCR_CORE;

struct unix_address {
	int len;
	struct sockaddr_un name[1];
} MCR_CORE;

struct unix_sock {
	struct unix_address *addr;
} MCR_CORE;

struct socket {
	struct sock *sk;
} MCR_CORE;

/* ---- Sockets that are not open ---- */

struct scm_fp_list {
	short count;
	struct file *fp[1];
} MCR_CORE;

struct unix_skb_parms {
	struct scm_fp_list *fp;
} MCR_CORE;

struct unix_table {
	struct hlist_head *buckets;
} MCR_CORE;

struct netns_unix {
	struct unix_table table;
} MCR_CORE;

struct net {
	struct list_head list;
	struct netns_unix unx;
} MCR_CORE;

struct inet_hashinfo {
	void *ehash;
	unsigned int ehash_mask;
} MCR_CORE;

struct fsnotify_group {
	struct mem_cgroup *memcg;
} MCR_CORE;

struct file {
	const void *f_op;
	void *private_data;
} MCR_CORE;

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
} MCR_CORE;

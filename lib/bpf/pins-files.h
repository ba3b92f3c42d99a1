/* SPDX-License-Identifier: GPL-2.0-only */
/* Of pins.bpf.c: open files of all processes: sockets, and those who watch files. */
#pragma once

#include "pins-refs.h"

extern const void socket_file_ops __ksym __weak;
extern const void inotify_fops __ksym __weak;
extern const void fanotify_fops __ksym __weak;

struct seen_key {
	__u64 object;
	__u64 walk;
};

/* What several descriptors lead to is one reference. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct seen_key);
	__type(value, __u8);
} seen SEC(".maps");

static __always_inline struct pins_ref *file_ref(__u32 kind, __u64 object, __u64 task)
{
	struct seen_key key = { .object = object, .walk = state.walk };
	struct pins_ref *r;
	__u8 yes = 1;

	if (bpf_map_update_elem(&seen, &key, &yes, BPF_NOEXIST))
		return NULL;
	r = new_ref(kind);
	if (r && task)
		name_task(r, task);
	return r;
}

#define FAMILY_UNIX 1
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define IN_COMMON(field) (OFF(struct sock, __sk_common) + OFF(struct sock_common, field))
#define IN_COMMON6(field) (OFF(struct sock, __sk_common) + OFF(struct sock_common___v6, field))

static __always_inline void read_unix_name(struct pins_ref *r, __u64 sk)
{
	struct unix_address *addr;
	__u32 len = 0;

	if (!read_word((__u64 *)&addr, (__u64)&((struct unix_sock *)sk)->addr) || !addr)
		return;
	bpf_probe_read_kernel(&len, 4, &addr->len);
	if (len < 2)
		return;
	len -= 2;		/* without the family */
	r->name_len = len < sizeof(r->name) ? len : sizeof(r->name);
	bpf_probe_read_kernel(r->name, sizeof(r->name), &addr->name[0].sun_path);
}

static __always_inline void read_addresses(struct pins_ref *r, __u64 sk)
{
	__u16 port = 0;

	bpf_probe_read_kernel(&r->family, 2, (void *)(sk + IN_COMMON(skc_family)));
	bpf_probe_read_kernel(&r->protocol, 2, &((struct sock *)sk)->sk_protocol);
	if (r->family == FAMILY_UNIX) {
		read_unix_name(r, sk);
		return;
	}
	if (r->family == FAMILY_INET) {
		bpf_probe_read_kernel(r->local, 4, (void *)(sk + IN_COMMON(skc_rcv_saddr)));
		bpf_probe_read_kernel(r->remote, 4, (void *)(sk + IN_COMMON(skc_daddr)));
	} else if (r->family == FAMILY_INET6 && bpf_core_field_exists(struct sock_common___v6, skc_v6_rcv_saddr)) {
		bpf_probe_read_kernel(r->local, 16, (void *)(sk + IN_COMMON6(skc_v6_rcv_saddr)));
		bpf_probe_read_kernel(r->remote, 16, (void *)(sk + IN_COMMON6(skc_v6_daddr)));
	} else {
		return;
	}
	bpf_probe_read_kernel(&r->local_port, 2, (void *)(sk + IN_COMMON(skc_num)));
	bpf_probe_read_kernel(&port, 2, (void *)(sk + IN_COMMON(skc_dport)));
	r->remote_port = port << 8 | port >> 8;
}

#define TGID 1			/* enum pid_type */

/* Who called listen(). */
static __always_inline void name_listener(struct pins_ref *r, __u64 sk)
{
	__u64 pid, link;

	if (read_word(&pid, sk + OFF(struct sock, sk_peer_pid)) && pid &&
	    read_word(&link, pid + OFF(struct pid, tasks) + TGID * 8) && link)
		name_task(r, link - OFF(struct task_struct, pid_links) - TGID * 16);
}

/* Nothing if it is of another memcg, or was met before. */
static __always_inline void look_at_sock(__u64 sk, __u64 task, __u32 how, __u64 listener)
{
	struct pins_ref *r;
	__u64 owner;

	if (!read_word(&owner, sk + OFF(struct sock, sk_memcg)) || owner != memcg)
		return;
	r = file_ref(PINS_REF_SOCKET, sk, task);
	if (!r)
		return;
	r->count = how;
	read_addresses(r, sk);
	if (listener)
		name_listener(r, listener);
}

static __always_inline void look_at_file(__u64 file, __u64 task, __u32 how)
{
	__u64 ops, object, owner, sk;
	struct pins_ref *r;
	bool inotify;

	if (!read_word(&ops, file + OFF(struct file, f_op)) ||
	    !read_word(&object, file + OFF(struct file, private_data)) || !object)
		return;
	if (&socket_file_ops && ops == (__u64)&socket_file_ops) {
		if (read_word(&sk, object + OFF(struct socket, sk)) && sk)
			look_at_sock(sk, task, how, 0);
		return;
	}
	inotify = &inotify_fops && ops == (__u64)&inotify_fops;
	if (!inotify && (!&fanotify_fops || ops != (__u64)&fanotify_fops))
		return;
	if (!read_word(&owner, object + OFF(struct fsnotify_group, memcg)) || owner != memcg)
		return;
	r = file_ref(inotify ? PINS_REF_INOTIFY : PINS_REF_FANOTIFY, object, task);
	if (r)
		r->count = how;
}

SEC("iter/task_file")
int pins_files(struct bpf_iter__task_file *ctx)
{
	__u64 task = (__u64)ctx->task, file = (__u64)ctx->file;

	if (task && file && memcg)
		look_at_file(file, task, PINS_SOCK_OPEN);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of pins.bpf.c: sockets, and what watches files, that no process has open: in the accept queue of a local socket, on
 * the way from one process to another in a message, or closed while what was sent is still to be delivered.
 *
 * Local sockets are all in a table of their network namespace, and what waits to be received is in their queues.
 */
#pragma once

#include "pins-files.h"

extern const void net_namespace_list __ksym __weak;
extern const void tcp_hashinfo __ksym __weak;

#define UNIX_BUCKETS 512	/* UNIX_HASH_SIZE */
#define TCP_TIME_WAIT 6		/* neither this nor the next is a whole socket */
#define TCP_NEW_SYN_RECV 12
#define TCP_LISTEN 10		/* of local sockets, too */

enum sockets_phase {
	UNIX_QUEUES,		/* what is in them tells who has not taken it yet */
	UNIX_REST,
	TCP,
};

/* Not static: see outer_head in pins-refs.h. */
__u64 net_head;
static __u64 net_at, buckets, sock_at, queue, skb_at, fds;
static __u32 phase, bucket, n_buckets, fd_at, n_fds;

static __always_inline __u8 state_of(__u64 sk)
{
	__u8 skstate = 0;

	bpf_probe_read_kernel(&skstate, 1, (void *)(sk + IN_COMMON(skc_state)));
	return skstate;
}

static __always_inline bool is_whole(__u64 sk)
{
	__u8 skstate = state_of(sk);

	return phase != TCP || (skstate != TCP_TIME_WAIT && skstate != TCP_NEW_SYN_RECV);
}

static __always_inline void look_at_socket(__u64 sk)
{
	__u64 open;

	if (phase == UNIX_QUEUES || !is_whole(sk))
		return;
	if (!read_word(&open, sk + OFF(struct sock, sk_socket)))
		return;
	look_at_sock(sk, 0, open ? PINS_SOCK_NOT_OPEN : phase == TCP ? PINS_SOCK_CLOSED : PINS_SOCK_EMBRYO, 0);
}

/*
 * A message that waits in the queue of sk, and keeps the socket it was sent from.  In the queue of one that listens it
 * stands for a connection.
 */
static __always_inline void look_at_message(__u64 skb, __u64 sk)
{
	bool listens = state_of(sk) == TCP_LISTEN;
	__u64 from, open;
	__s16 count = 0;

	if (read_word(&from, skb + OFF(struct sk_buff, sk)) && from && from != sk &&
	    read_word(&open, from + OFF(struct sock, sk_socket)) && !open)
		look_at_sock(from, 0, listens ? PINS_SOCK_EMBRYO : PINS_SOCK_CLOSED, listens ? sk : 0);
	fds = 0;
	if (bpf_core_type_exists(struct unix_skb_parms))	/* it is in a module's BTF where local sockets are one */
		bpf_probe_read_kernel(&fds, 8, (void *)(skb + OFF(struct sk_buff, cb) + OFF(struct unix_skb_parms, fp)));
	if (fds)
		bpf_probe_read_kernel(&count, 2, (void *)(fds + OFF(struct scm_fp_list, count)));
	n_fds = count > 0 && count <= 253 ? count : 0;
	fd_at = 0;
}

static __always_inline void begin_bucket(void)
{
	sock_at = 0;
	if (!read_word(&sock_at, buckets + bucket * 8) || sock_at & 1)
		sock_at = 0;
	bucket++;
}

/* The next table; 1 when there is none left. */
static __always_inline long begin_table(void)
{
	__u32 mask = 0;

	bucket = n_buckets = 0;
	if (phase == TCP || !&net_namespace_list || !bpf_core_field_exists(struct netns_unix, table.buckets))
		return 1;
	if (!read_word(&net_at, net_at))
		return 1;
	if (net_at != net_head) {
		if (read_word(&buckets, net_at - OFF(struct net, list) + OFF(struct net, unx.table.buckets)))
			n_buckets = UNIX_BUCKETS;
		return 0;
	}
	phase++;
	if (phase != TCP)
		return 0;
	if (!&tcp_hashinfo || !read_word(&buckets, (__u64)&tcp_hashinfo + OFF(struct inet_hashinfo, ehash)))
		return 1;
	bpf_probe_read_kernel(&mask, 4, (void *)((__u64)&tcp_hashinfo + OFF(struct inet_hashinfo, ehash_mask)));
	n_buckets = mask + 1;
	return 0;
}

/* A file in flight, a message, a socket, a bucket, or a table. */
static long sockets_step(__u32 i, void *ctx)
{
	__u64 file, sk;

	if (fd_at < n_fds) {
		if (read_word(&file, fds + OFF(struct scm_fp_list, fp) + fd_at++ * 8) && file)
			look_at_file(file, 0, PINS_SOCK_IN_FLIGHT);
		return 0;
	}
	if (skb_at) {
		if (skb_at == queue) {
			skb_at = 0;
			return 0;
		}
		look_at_message(skb_at, queue - OFF(struct sock, sk_receive_queue));
		if (!read_word(&skb_at, skb_at + OFF(struct sk_buff, next)))
			skb_at = 0;
		return 0;
	}
	if (sock_at) {
		sk = sock_at - OFF(struct sock, __sk_common) - OFF(struct sock_common, skc_node);
		look_at_socket(sk);
		queue = sk + OFF(struct sock, sk_receive_queue);
		if (phase != UNIX_QUEUES || !read_word(&skb_at, queue + OFF(struct sk_buff_head, next)))
			skb_at = 0;
		if (!read_word(&sock_at, sock_at) || sock_at & 1)
			sock_at = 0;
		return 0;
	}
	if (i >= PINS_STEPS)
		return 1;
	if (bucket < n_buckets) {
		begin_bucket();
		return 0;
	}
	if (begin_table()) {
		state.done = 1;
		return 1;
	}
	return 0;
}

SEC("raw_tp")
int pins_sockets_begin(void *ctx)
{
	state.done = 0;
	phase = UNIX_QUEUES;
	net_at = net_head = (__u64)&net_namespace_list;
	bucket = n_buckets = 0;
	return 0;
}

/* Stops between two buckets: what is in a bucket is only followed while RCU keeps it. */
SEC("raw_tp")
int pins_sockets(void *ctx)
{
	state.n_runs = 0;
	sock_at = skb_at = 0;
	fd_at = n_fds = 0;
	if (!still_there())
		return -1;
	if (bpf_loop(WALK_MAX, sockets_step, NULL, 0) >= WALK_MAX) {
		state.unfinished++;
		state.done = 1;
	}
	return 0;
}

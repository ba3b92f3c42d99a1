/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hold-devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

static int die(const char *what)
{
	perror(what);
	exit(1);
}

/* Its umem is what is mapped: the kernel pins these pages for as long as the socket is open. */
void hold_xdp(void *at, size_t len)
{
	struct xdp_umem_reg umem = { .addr = (uintptr_t)at, .len = len, .chunk_size = 4096 };
	int fd = socket(AF_XDP, SOCK_RAW, 0);

	if (fd < 0 || setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) < 0)
		die("AF_XDP");
}

void hold_kvm(void *at, size_t len)
{
	struct kvm_userspace_memory_region region = { .memory_size = len, .userspace_addr = (uintptr_t)at };
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm;

	if (fd < 0)
		die("/dev/kvm");
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		die("KVM");
	close(fd);	/* the machine is what stands against it */
}

/* A thread of the kernel reads and writes what is in its table. */
void hold_vhost(void *at, size_t len)
{
	struct vhost_memory *table = calloc(1, sizeof(*table) + sizeof(*table->regions));
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	if (!table)
		die("calloc");
	table->nregions = 1;
	table->regions[0] = (struct vhost_memory_region){ .memory_size = len, .userspace_addr = (uintptr_t)at };
	if (fd < 0 || ioctl(fd, VHOST_SET_OWNER) < 0 || ioctl(fd, VHOST_SET_MEM_TABLE, table) < 0)
		die("/dev/vhost-net");
	free(table);
}

/* Without a device there is nothing to map for it. */
void hold_vfio(void)
{
	if (open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC) < 0)
		die("/dev/vfio/vfio");
}

/* Its pages, not copies of them, wait in a pipe. */
void hold_spliced(int fd, size_t len)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 || splice(fd, &(off64_t){ 0 }, fds[1], NULL, len, 0) <= 0)
		die("splice");
}

int make_posix_shm(const char *name, size_t len)
{
	int fd = shm_open(name, O_CREAT | O_RDWR, 0600);
	void *at;

	if (fd < 0 || ftruncate(fd, len) < 0)
		die(name);
	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		die(name);
	memset(at, 'x', len);
	return fd;
}

void attach_segment(key_t key)
{
	int id = shmget(key, 0, 0);

	if (id < 0 || shmat(id, NULL, 0) == (void *)-1)
		die("shmat");
}

int fill_mqueue(const char *name, long messages)
{
	struct mq_attr attr = { .mq_maxmsg = messages, .mq_msgsize = 8192 };
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	static char text[8192];
	mqd_t q;

	memset(text, 'x', sizeof(text));
	setrlimit(RLIMIT_MSGQUEUE, &all);
	q = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, &attr);
	if (q < 0)
		die(name);
	while (mq_send(q, text, sizeof(text), 0) == 0)
		;
	return errno == EAGAIN ? q : die(name);
}

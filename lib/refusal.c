/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refusal.h"

#include <stddef.h>

static const struct {
	const char *name, *sentence;
} refusals[MCR_REFUSAL_MAX] = {
	[MCR_REFUSED_NOT] = { "none", "nothing stands against it" },
	[MCR_REFUSED_NOT_SHMEM] = { "not-shmem", "it is no tmpfs file and no shared memory" },
	[MCR_REFUSED_HUGETLB] = { "hugetlb", "its pages come from the pool of hugetlb, which memory cgroups do not charge" },
	[MCR_REFUSED_DAX] = { "dax", "it is mapped straight from a device (DAX) and holds no memory" },
	[MCR_REFUSED_SEAL_WRITE] = { "seal-write", "it is sealed against writing (F_SEAL_WRITE)" },
	[MCR_REFUSED_SEAL_FUTURE_WRITE] = { "seal-future-write",
					    "it is sealed against new writers (F_SEAL_FUTURE_WRITE)" },
	[MCR_REFUSED_READ_ONLY] = { "read-only", "its file system is mounted read-only" },
	[MCR_REFUSED_IMMUTABLE] = { "immutable", "it is immutable or append-only, or may not be opened for writing" },
	[MCR_REFUSED_TEXT_BUSY] = { "text-busy", "a program runs from it" },
	[MCR_REFUSED_IO_URING] = { "io-uring", "a user has an io_uring, through which the kernel may write to it" },
	[MCR_REFUSED_AIO] = { "aio", "a user has asynchronous I/O (io_setup), through which the kernel may write to it" },
	[MCR_REFUSED_VFIO] = { "vfio", "a user has given memory to a device (VFIO)" },
	[MCR_REFUSED_KVM] = { "kvm", "a user runs a virtual machine (KVM)" },
	[MCR_REFUSED_VHOST] = { "vhost", "a user has given memory to a vhost device" },
	[MCR_REFUSED_RDMA] = { "rdma", "a user has an RDMA device open" },
	[MCR_REFUSED_XDP] = { "xdp", "a user has an AF_XDP socket, whose memory the kernel writes to" },
	[MCR_REFUSED_USERFAULTFD] = { "userfaultfd", "page faults of a user are handled by userfaultfd" },
	[MCR_REFUSED_DMA_BUF] = { "dma-buf", "a user has a DMA buffer, which may be made of its pages" },
	[MCR_REFUSED_LOOP] = { "loop", "a loop device is on top of it" },
	[MCR_REFUSED_KERNEL_HOLDS] = { "kernel-holds",
				       "something holds it open that is no process: the kernel, or a message in a socket" },
	[MCR_REFUSED_PAGES_HELD] = { "pages-held", "the kernel holds pages of it, for a device or for I/O" },
	[MCR_REFUSED_UNSEEN] = { "unseen", "some processes may not be looked into, so that users may be missed" },
	[MCR_REFUSED_UNFREEZABLE] = { "unfreezable", "a user's cgroup does not freeze in time" },
	[MCR_REFUSED_MANAGERS] = { "managers", "it is on /run, where the service manager opens files: it could wait for us, and we for it" },
	[MCR_REFUSED_ROOT_CGROUP] = { "root-cgroup", "a user is in the root cgroup, which cannot be frozen" },
	[MCR_REFUSED_INIT] = { "init", "a user is in init.scope, which must not be frozen" },
	[MCR_REFUSED_OWN_CGROUP] = { "own-cgroup", "a user is in our own cgroup" },
	[MCR_REFUSED_OWNER_IN_IT] = { "owner-in-it", "the owner is, or is below, the cgroup of a user" },
	[MCR_REFUSED_THREADED] = { "threaded", "a user is in a threaded cgroup" },
	[MCR_REFUSED_TOO_MANY_CGROUPS] = { "too-many-cgroups", "its users are in more cgroups than are frozen at a time" },
	[MCR_REFUSED_NEW_USERS] = { "new-users", "new users keep coming" },
	[MCR_REFUSED_PAUSE] = { "pause", "even the smallest part keeps its users waiting for longer than they may" },
	[MCR_REFUSED_OWNER_LIMIT] = { "owner-limit", "the owner, or a cgroup above it, has no room left below its limit" },
	[MCR_REFUSED_OWNER_GONE] = { "owner-gone", "the owner takes no processes, has no memory controller, or was removed" },
	[MCR_REFUSED_NO_SPACE] = { "no-space", "its file system is full" },
	[MCR_REFUSED_CHANGED] = { "changed", "it was cut off or deleted meanwhile" },
	[MCR_REFUSED_WANTED] = { "wanted", "somebody opened it meanwhile" },
	[MCR_REFUSED_NO_SWAP] = { "no-swap", "there is too little free swap, or the cgroup may not use as much" },
	[MCR_REFUSED_PRESSURE] = { "pressure", "memory is short just now" },
	[MCR_REFUSED_PRIVATE] = { "private", "private memory of a process that lives elsewhere is charged to the cgroup too" },
	[MCR_REFUSED_STAYS] = { "stays", "it does not all go to swap: locked, used all the time, or held by the kernel" },
	[MCR_REFUSED_NOT_REMOVED] = { "not-removed", "its cgroup was not removed in time, or is used again" },
	[MCR_REFUSED_USERS_FIRST] = { "users-first", "its users asked for some of it first, and pay for that themselves" },
	[MCR_REFUSED_FUSE] = { "fuse", "it is on FUSE: reading it would ask a process, which may not answer" },
	[MCR_REFUSED_NETWORK_FS] = { "network-fs", "it is on a network file system: reading it would ask another machine" },
	[MCR_REFUSED_FILE_SYSTEM] = { "file-system", "its file system is none that is known to read from a disk of this machine" },
	[MCR_REFUSED_TOO_LARGE] = { "too-large", "more of it is wanted than may be evicted at a time" },
	[MCR_REFUSED_DIRTY] = { "dirty", "it is dirty, and stays until it has been written" },
	[MCR_REFUSED_LOCKED] = { "locked", "somebody has locked it in memory" },
	[MCR_REFUSED_BUSY] = { "busy", "its users touch it so often that the kernel does not evict it" },
	[MCR_REFUSED_NEAR_LIMIT] = { "near-limit", "a cgroup beside it is near its memory limit, and must not be shielded" },
	[MCR_REFUSED_NO_SHIELD] = { "no-shield", "memory cannot be taken from it here without taking it from others" },
	[MCR_REFUSED_IN_USE] = { "in-use", "it is in use again" },
	[MCR_REFUSED_UNREADABLE] = { "unreadable", "it cannot be opened, or not be read" },
	[MCR_REFUSED_KERNEL_BUSY] = { "kernel-busy", "some of it is busy just now: locked, under I/O, or in somebody else's hands in the kernel" },
	[MCR_REFUSED_KERNEL_OFF] = { "kernel-off", "recharging by the kernel was switched off meanwhile, and nothing else moves it" },
	[MCR_REFUSED_STOPPED] = { "stopped", "it was stopped" },
	[MCR_REFUSED_TIME] = { "time", "its time was over" },
};

const char *mcr_refusal_name(enum mcr_refusal refusal)
{
	return (unsigned int)refusal < MCR_REFUSAL_MAX ? refusals[refusal].name : "unknown";
}

const char *mcr_refusal_sentence(enum mcr_refusal refusal)
{
	return (unsigned int)refusal < MCR_REFUSAL_MAX ? refusals[refusal].sentence : "unknown";
}

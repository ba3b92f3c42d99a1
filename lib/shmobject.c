/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shmobject.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "fileio.h"
#include "holders.h"
#include "tmpfs.h"
#include "util.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

void mcr_shmobject_close(struct mcr_shmobject *o)
{
	o->fd = close_fd(o->fd);
}

/* The device of everything that is shmem and not mounted anywhere. */
static bool is_internal(dev_t dev)
{
	auto_(closep) int fd = memfd_create("memcg-reaper-probe", MFD_CLOEXEC);
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 || st.st_dev == dev;
}

static enum mcr_refusal by_kind(int fd)
{
	struct statx x = { 0 };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return MCR_REFUSED_NOT_SHMEM;
	if (fs.f_type == HUGETLBFS_MAGIC)
		return MCR_REFUSED_HUGETLB;
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) == 0 && x.stx_attributes & STATX_ATTR_DAX)
		return MCR_REFUSED_DAX;
	if (fs.f_type != TMPFS_MAGIC || !S_ISREG(x.stx_mode))
		return MCR_REFUSED_NOT_SHMEM;
	return MCR_REFUSED_NOT;
}

enum mcr_refusal mcr_shmobject_seals(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals >= 0 && seals & F_SEAL_WRITE)
		return MCR_REFUSED_SEAL_WRITE;
	if (seals >= 0 && seals & F_SEAL_FUTURE_WRITE)
		return MCR_REFUSED_SEAL_FUTURE_WRITE;
	return MCR_REFUSED_NOT;
}

static int adopt(int fd, bool to_read, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	struct mcr_shmobject o = { .fd = fd };
	enum mcr_refusal refusal = by_kind(fd);
	uint64_t bytes = 0;
	struct stat st;
	int r;

	if (!refusal && !to_read)
		refusal = mcr_shmobject_seals(fd);
	r = fstat(fd, &st) < 0 ? -errno : mcr_tmpfs_size(fd, &bytes);
	if (r == 0 && !refusal && !to_read && mcr_loop_uses(st.st_dev, st.st_ino))
		refusal = MCR_REFUSED_LOOP;
	if (r < 0 || refusal) {
		close(fd);
		if (r == 0)
			*ret_refusal = refusal;
		return r < 0 ? r : 1;
	}
	o.dev = st.st_dev;
	o.ino = st.st_ino;
	o.size = st.st_size;
	o.internal = is_internal(o.dev);
	o.limited = bytes != 0;
	*ret = o;
	return 0;
}

int mcr_shmobject_adopt(int fd, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	return adopt(fd, false, ret, ret_refusal);
}

/* What opening for writing was refused with. */
static int refused_by(int error, enum mcr_refusal *ret_refusal)
{
	switch (error) {
	case EROFS:
		*ret_refusal = MCR_REFUSED_READ_ONLY;
		return 1;
	case EPERM:
	case EACCES:
		*ret_refusal = MCR_REFUSED_IMMUTABLE;
		return 1;
	case ETXTBSY:
		*ret_refusal = MCR_REFUSED_TEXT_BUSY;
		return 1;
	default:
		return -error;
	}
}

static int open_object(const char *path, bool to_read, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	int flags = (to_read ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
	auto_(closep) int look = open(path, O_PATH | O_CLOEXEC);
	enum mcr_refusal refusal;
	char link[64];
	int fd;

	if (look < 0)
		return -errno;
	refusal = by_kind(look);	/* before it is opened: a device or a FIFO may do anything at that */
	if (refusal) {
		*ret_refusal = refusal;
		return 1;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", look);
	fd = open(link, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)	/* not its owner */
		fd = open(link, flags);
	if (fd < 0)
		return refused_by(errno, ret_refusal);
	return adopt(fd, to_read, ret, ret_refusal);
}

int mcr_shmobject_open(const char *path, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	return open_object(path, false, ret, ret_refusal);
}

int mcr_shmobject_open_to_read(const char *path, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	return open_object(path, true, ret, ret_refusal);
}

static int open_sysv(int shmid, bool to_read, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	uint64_t page = sysconf(_SC_PAGESIZE), len;
	struct shmid_ds ds;
	char path[128];
	char *at;
	int r;

	if (shmctl(shmid, IPC_STAT, &ds) < 0)
		return -errno;
	at = shmat(shmid, NULL, to_read ? SHM_RDONLY : 0);
	if (at == (void *)-1)
		return -errno;
	len = (ds.shm_segsz + page - 1) / page * page;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at, (unsigned long)(at + len));
	r = open_object(path, to_read, ret, ret_refusal);
	shmdt(at);
	return r;
}

int mcr_shmobject_open_sysv(int shmid, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	return open_sysv(shmid, false, ret, ret_refusal);
}

int mcr_shmobject_open_sysv_to_read(int shmid, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal)
{
	return open_sysv(shmid, true, ret, ret_refusal);
}

static void take_limit(int fd, const char *knob, uint64_t usage, uint64_t *room)
{
	uint64_t limit;

	if (mcr_read_u64_at(fd, knob, &limit) < 0 || limit == UINT64_MAX)
		return;
	limit = limit > usage ? limit - usage : 0;
	if (limit < *room)
		*room = limit;
}

int mcr_headroom_here(int cgroup_fd, uint64_t *room)
{
	uint64_t usage;
	int r = mcr_read_u64_at(cgroup_fd, "memory.current", &usage);

	if (r < 0)
		return r;
	take_limit(cgroup_fd, "memory.max", usage, room);
	take_limit(cgroup_fd, "memory.high", usage, room);
	return 0;
}

int mcr_headroom(int cgroup_fd, uint64_t *ret)
{
	auto_(closep) int fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t room = UINT64_MAX;
	int r = 0;

	if (fd < 0)
		return -errno;
	while ((r = mcr_headroom_here(fd, &room)) == 0) {
		int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (up < 0)
			return -errno;
		close(fd);
		fd = up;
	}
	if (r != -ENOENT)	/* the root cgroup has no such file */
		return r;
	*ret = room;
	return 0;
}

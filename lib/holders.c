/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holders.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "cgroup.h"
#include "fileio.h"
#include "util.h"

#define MAPS_BYTES 65536
#define KEY_BYTES 64

struct search {
	dev_t dev;
	ino_t ino;
	int object_fd;
	char key[KEY_BYTES];	/* as a line of maps has it: " 00:01 123 " */
	size_t key_len;
	char *buf;
	struct mcr_holders *found;
	size_t size;
};

struct mcr_holders *mcr_holders_free(struct mcr_holders *h)
{
	if (!h)
		return NULL;
	for (size_t i = 0; i < h->n; i++)
		free(h->at[i].cgroup);
	free(h->at);
	free(h);
	return NULL;
}

/* A process that may not be looked into leaves the answer incomplete; one that is gone does not. */
static int excuse(struct search *s, int error)
{
	if (error != ENOENT && error != ESRCH)
		s->found->complete = false;
	return 0;
}

/* 1 or 0.  Most lines are of other files: the text is searched, not parsed. *ret_any: it has mappings at all. */
static int maps_it(struct search *s, int dir_fd, bool *ret_any)
{
	auto_(closep) int fd = openat(dir_fd, "maps", O_RDONLY | O_CLOEXEC);
	size_t kept = 0;

	*ret_any = false;
	if (fd < 0)
		return excuse(s, errno);
	for (;;) {
		ssize_t n = read(fd, s->buf + kept, MAPS_BYTES - kept);

		if (n < 0)
			return excuse(s, errno);
		if (n == 0)
			return 0;
		*ret_any = true;
		kept += n;
		if (memmem(s->buf, kept, s->key, s->key_len))
			return 1;
		if (kept > KEY_BYTES) {		/* it may lie across two reads */
			memmove(s->buf, s->buf + kept - KEY_BYTES, KEY_BYTES);
			kept = KEY_BYTES;
		}
	}
}

static bool is_our_file(const struct search *s, pid_t pid, unsigned long fd)
{
	return syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, s->object_fd, fd) == 0;
}

static unsigned int count_fds(struct search *s, int dir_fd, pid_t pid)
{
	int fd = openat(dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int n = 0;
	struct dirent *e;
	uint64_t ino;
	dev_t dev;
	DIR *dir;

	if (fd < 0)
		return excuse(s, errno);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return excuse(s, ENOMEM);
	}
	while ((e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) && mcr_identify_at(fd, e->d_name, &dev, &ino) == 0 && dev == s->dev &&
		    ino == s->ino && !is_our_file(s, pid, strtoul(e->d_name, NULL, 10)))
			n++;
	closedir(dir);
	return n;
}

/* Threads besides the first: those with descriptors of their own, and all when the first has ended. */
static int look_at_threads(struct search *s, int dir_fd, pid_t pid, bool leader_lives, struct mcr_holder *ret)
{
	auto_(closep) int task_fd = openat(dir_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	struct stat st;
	DIR *dir;

	if (task_fd < 0 || fstat(task_fd, &st) < 0)
		return excuse(s, errno);
	if (st.st_nlink <= 3)
		return 0;	/* one thread */
	dir = fdopendir(dup(task_fd));
	if (!dir)
		return -ENOMEM;
	while ((e = readdir(dir))) {
		auto_(closep) int fd = -EBADF;
		pid_t tid = atoi(e->d_name);
		bool any;

		if (tid <= 0 || tid == pid || (leader_lives && syscall(SYS_kcmp, pid, tid, KCMP_FILES, 0, 0) == 0))
			continue;
		fd = openat(task_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;	/* ended */
		ret->fds += count_fds(s, fd, tid);
		if (!leader_lives && maps_it(s, fd, &any) > 0)
			ret->maps = true;
	}
	closedir(dir);
	return 0;
}

static int append(struct search *s, const struct mcr_holder *h)
{
	struct mcr_holders *found = s->found;

	if (found->n == s->size) {
		size_t size = s->size ? s->size * 2 : 16;
		struct mcr_holder *bigger = reallocarray(found->at, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		found->at = bigger;
		s->size = size;
	}
	found->at[found->n++] = *h;
	return 0;
}

static int look_at_process(struct search *s, int proc_fd, const char *name)
{
	struct mcr_holder h = { .pid = atoi(name) };
	auto_(closep) int dir_fd = -EBADF;
	bool any;
	int r;

	if (h.pid <= 0 || h.pid == getpid())
		return 0;
	dir_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return excuse(s, errno);
	h.maps = maps_it(s, dir_fd, &any) > 0;
	h.fds = count_fds(s, dir_fd, h.pid);
	r = look_at_threads(s, dir_fd, h.pid, any, &h);
	if (r < 0 || (!h.maps && !h.fds))
		return r;
	if (mcr_read_at(dir_fd, "comm", h.comm, sizeof(h.comm)) < 0)
		h.comm[0] = '\0';
	h.cgroup = mcr_cgroup_of_process(dir_fd);
	r = append(s, &h);
	if (r < 0)
		free(h.cgroup);
	return r;
}

int mcr_holders_find(const char *proc, int object_fd, struct mcr_holders **ret)
{
	auto_(mcr_holders_freep) struct mcr_holders *found = calloc(1, sizeof(*found));
	auto_(freep) char *buf = malloc(MAPS_BYTES);
	struct search s = { .object_fd = object_fd, .buf = buf, .found = found };
	struct dirent *e;
	struct stat st;
	DIR *dir;
	int r = 0;

	if (!found || !buf)
		return -ENOMEM;
	if (fstat(object_fd, &st) < 0)
		return -errno;
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	s.key_len = snprintf(s.key, sizeof(s.key), " %02x:%02x %lu ", major(st.st_dev), minor(st.st_dev),
			     (unsigned long)st.st_ino);
	found->complete = true;
	dir = opendir(proc);
	if (!dir)
		return -errno;
	while (r == 0 && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]))
			r = look_at_process(&s, dirfd(dir), e->d_name);
	closedir(dir);
	if (r < 0)
		return r;
	*ret = steal_ptr(found);
	return 0;
}

enum mcr_refusal mcr_descriptor_refusal(const char *link)
{
	static const struct {
		const char *prefix;
		enum mcr_refusal refusal;
	} names[] = {
		{ "anon_inode:[io_uring]", MCR_REFUSED_IO_URING },
		{ "anon_inode:[userfaultfd]", MCR_REFUSED_USERFAULTFD },
		{ "/dev/userfaultfd", MCR_REFUSED_USERFAULTFD },
		{ "anon_inode:kvm-", MCR_REFUSED_KVM },
		{ "/dev/vfio/", MCR_REFUSED_VFIO },
		{ "anon_inode:[vfio-", MCR_REFUSED_VFIO },
		{ "/dev/iommu", MCR_REFUSED_VFIO },
		{ "/dev/vhost", MCR_REFUSED_VHOST },
		{ "/dev/infiniband/", MCR_REFUSED_RDMA },
		{ "/dmabuf:", MCR_REFUSED_DMA_BUF },
		{ "/dev/udmabuf", MCR_REFUSED_DMA_BUF },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(link, names[i].prefix, strlen(names[i].prefix)) == 0)
			return names[i].refusal;
	return MCR_REFUSED_NOT;
}

/* A socket does not tell its family in /proc: it is fetched and asked. */
static bool is_xdp(pid_t pid, int fd)
{
	auto_(closep) int pidfd = syscall(SYS_pidfd_open, pid, 0);
	auto_(closep) int copy = pidfd < 0 ? -EBADF : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	int domain = 0;
	socklen_t len = sizeof(domain);

	return copy >= 0 && getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_XDP;
}

static enum mcr_refusal look_at_descriptor(int fd_dir, pid_t pid, const char *name)
{
	char link[128];
	ssize_t n = readlinkat(fd_dir, name, link, sizeof(link) - 1);

	if (n < 0)
		return MCR_REFUSED_NOT;
	link[n] = '\0';
	if (strncmp(link, "socket:", 7) == 0)
		return is_xdp(pid, atoi(name)) ? MCR_REFUSED_XDP : MCR_REFUSED_NOT;
	return mcr_descriptor_refusal(link);
}

enum mcr_refusal mcr_holder_refusal(const char *proc, pid_t pid)
{
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	auto_(freep) char *maps = NULL;
	auto_(closep) int fd = -EBADF;
	struct dirent *e;
	char path[PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return MCR_REFUSED_NOT;
	if (mcr_read_all_at(fd, "maps", &maps) >= 0 && strstr(maps, " /[aio]"))
		return MCR_REFUSED_AIO;
	dir = fdopendir(openat(fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!dir)
		return MCR_REFUSED_NOT;
	while (!refusal && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]))
			refusal = look_at_descriptor(dirfd(dir), pid, e->d_name);
	closedir(dir);
	return refusal;
}

bool mcr_loop_uses(dev_t dev, ino_t ino)
{
	DIR *dir = opendir("/sys/block");
	bool uses = false;
	struct dirent *e;

	while (dir && !uses && (e = readdir(dir))) {
		struct loop_info64 info;
		auto_(closep) int fd = -EBADF;
		char path[300];

		if (strncmp(e->d_name, "loop", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		uses = fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == dev && info.lo_inode == ino;
	}
	if (dir)
		closedir(dir);
	return uses;
}

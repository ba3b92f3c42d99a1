/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "hierarchy.h"
#include "util.h"

/* enum fid_type FILEID_KERNFS, include/linux/exportfs.h: eight bytes, the node's id. */
#define FILEID_KERNFS 0xfe

int mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	int fd;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(mcr_hierarchy_fd(h), &u.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool has_dotdot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '/' || !p[2]))
			return true;
	return false;
}

int mcr_cgroup_open_path(const struct mcr_hierarchy *h, const char *path)
{
	int fd;

	if (has_dotdot(path))
		return -EINVAL;
	path = mcr_hierarchy_below(h, path);
	path += strspn(path, "/");
	fd = openat(mcr_hierarchy_fd(h), *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int mcr_cgroup_id(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

int mcr_cgroup_path(const struct mcr_hierarchy *h, int fd, char **ret)
{
	static const char deleted[] = " (deleted)";
	const char *root = mcr_hierarchy_path(h);
	size_t root_len = strcmp(root, "/") == 0 ? 0 : strlen(root);
	char link[64], target[PATH_MAX];
	struct stat st;
	ssize_t n;
	char *path;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	/* A name may end in " (deleted)": only a directory that is gone as well has no links. */
	if (n > (ssize_t)sizeof(deleted) && strcmp(target + n - strlen(deleted), deleted) == 0 &&
	    fstatat(AT_FDCWD, target, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENOENT;
	if (strncmp(target, root, root_len) != 0)
		return -ENOENT;
	path = strdup(target[root_len] ? target + root_len : "/");
	if (!path)
		return -ENOMEM;
	*ret = path;
	return 0;
}

int mcr_cgroup_populated(int fd)
{
	char events[256];
	uint64_t v;
	int r = mcr_read_at(fd, "cgroup.events", events, sizeof(events));

	if (r < 0)
		return r;
	r = mcr_keyed_u64(events, "populated", &v);
	return r < 0 ? r : v != 0;
}

int mcr_cgroup_children(int fd, int (*visit)(int child_fd, const char *name, void *userdata), void *userdata)
{
	DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (e = readdir(dir))) {
		auto_(closep) int child = -EBADF;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child >= 0)
			r = visit(child, e->d_name, userdata);
	}
	closedir(dir);
	return r;
}

static int cgroup_stat(int fd, const char *key, uint64_t *ret)
{
	char stat[1024];
	int r = mcr_read_at(fd, "cgroup.stat", stat, sizeof(stat));

	return r < 0 ? r : mcr_keyed_u64(stat, key, ret);
}

int mcr_cgroup_descendants(int fd, uint64_t *ret)
{
	return cgroup_stat(fd, "nr_descendants", ret);
}

int mcr_cgroup_dying_descendants(int fd, uint64_t *ret)
{
	return cgroup_stat(fd, "nr_dying_descendants", ret);
}

void mcr_cgroup_flush_stats(int fd)
{
	char ignored[4096];

	mcr_read_at(fd, "cpu.stat", ignored, sizeof(ignored));
}

int mcr_cgroup_charge(int fd, struct mcr_charge *ret)
{
	struct mcr_charge c = { 0 };
	uint64_t writeback = 0;
	char stat[8192];
	int r;

	mcr_cgroup_flush_stats(fd);
	r = mcr_read_at(fd, "memory.stat", stat, sizeof(stat));
	if (r < 0)
		return r;
	if (mcr_keyed_u64(stat, "file", &c.file_bytes) < 0 || mcr_keyed_u64(stat, "anon", &c.anon_bytes) < 0)
		return -EINVAL;
	mcr_keyed_u64(stat, "shmem", &c.shmem_bytes);
	mcr_keyed_u64(stat, "file_mapped", &c.mapped_bytes);
	mcr_keyed_u64(stat, "swapcached", &c.swapcache_bytes);
	mcr_keyed_u64(stat, "file_dirty", &c.dirty_bytes);
	mcr_keyed_u64(stat, "file_writeback", &writeback);
	c.dirty_bytes += writeback;
	r = mcr_read_u64_at(fd, "memory.swap.current", &c.swap_bytes);
	if (r < 0 && r != -ENOENT)	/* a kernel without swap has no such file */
		return r;
	*ret = c;
	return 0;
}

int mcr_cgroup_remove(const struct mcr_hierarchy *h, uint64_t id)
{
	auto_(closep) int fd = mcr_cgroup_open_id(h, id);
	auto_(closep) int parent_fd = -EBADF;
	auto_(freep) char *path = NULL;
	const char *name;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = mcr_cgroup_path(h, fd, &path);
	if (r < 0)
		return r;
	name = strrchr(path, '/') + 1;
	if (!*name)
		return -EINVAL;
	parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return -errno;
	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (st.st_ino != id)
		return -ESTALE;
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* "0::/system.slice/x.service", below those of cgroup v1 if there are any. */
char *mcr_cgroup_of_process(int proc_pid_fd)
{
	auto_(freep) char *text = NULL;
	char *save, *line;

	if (mcr_read_all_at(proc_pid_fd, "cgroup", &text) < 0)
		return NULL;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "0::", 3) == 0)
			return strdup(line + 3);
	return NULL;
}

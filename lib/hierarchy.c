/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcgroup knows the mounts; whether the one it names is v2 and whole is checked here. */
#include "hierarchy.h"

#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <mntent.h>
#include <string.h>
#include <sys/vfs.h>

#include "fileio.h"
#include "util.h"

struct mcr_hierarchy {
	int fd;
	char *path;
};

static int fail(int error, const char *why, const char **ret_why)
{
	if (ret_why)
		*ret_why = why;
	return error;
}

struct mcr_hierarchy *mcr_hierarchy_free(struct mcr_hierarchy *h)
{
	if (!h)
		return NULL;
	close_fd(h->fd);
	free(h->path);
	free(h);
	return NULL;
}

/* Does a space separated list contain the word? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strspn(list, " ")) {
		size_t n = strcspn(list, " ");

		if (n == len && strncmp(list, word, len) == 0)
			return true;
		list += n;
	}
	return false;
}

int mcr_hierarchy_open(const char *path, struct mcr_hierarchy **ret, const char **ret_why)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = calloc(1, sizeof(*h));
	char controllers[512];
	struct statfs fs;
	int r;

	if (!h)
		return fail(-ENOMEM, "out of memory", ret_why);
	h->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->fd < 0)
		return fail(-errno, "the cgroup file system cannot be opened", ret_why);
	if (fstatfs(h->fd, &fs) < 0)
		return fail(-errno, "the cgroup file system cannot be examined", ret_why);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return fail(-EOPNOTSUPP,
			    "the memory controller is on cgroup v1; boot with systemd.unified_cgroup_hierarchy=1",
			    ret_why);
	r = mcr_read_at(h->fd, "cgroup.controllers", controllers, sizeof(controllers));
	if (r < 0)
		return fail(r, "cgroup.controllers cannot be read", ret_why);
	if (!has_word(controllers, "memory"))
		return fail(-ENODEV,
			    "cgroup v2 has no memory controller; it may be disabled on the kernel command line",
			    ret_why);
	h->path = strdup(path);
	if (!h->path)
		return fail(-ENOMEM, "out of memory", ret_why);
	*ret = steal_ptr(h);
	return 0;
}

/* A mounted cgroup2 without the memory controller, where libcgroup knows of no memory at all. */
static int open_bare_v2(struct mcr_hierarchy **ret, const char **ret_why)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int r = -EOPNOTSUPP;

	if (ret_why)
		*ret_why = "no cgroup file system with a memory controller is mounted";
	if (!mounts)
		return r;
	while ((m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "cgroup2") == 0) {
			r = mcr_hierarchy_open(m->mnt_dir, ret, ret_why);
			break;
		}
	}
	endmntent(mounts);
	return r;
}

int mcr_hierarchy_find(struct mcr_hierarchy **ret, const char **ret_why)
{
	auto_(freep) char *mount = NULL;

	if (cgroup_init() != 0 || cgroup_get_subsys_mount_point("memory", &mount) != 0)
		return open_bare_v2(ret, ret_why);
	return mcr_hierarchy_open(mount, ret, ret_why);
}

int mcr_hierarchy_fd(const struct mcr_hierarchy *h)
{
	return h->fd;
}

const char *mcr_hierarchy_path(const struct mcr_hierarchy *h)
{
	return h->path;
}

bool mcr_hierarchy_recursive_protection(const struct mcr_hierarchy *h)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	bool found = false;
	struct mntent *m;

	if (!mounts)
		return false;
	while (!found && (m = getmntent(mounts)))
		found = strcmp(m->mnt_type, "cgroup2") == 0 && strcmp(m->mnt_dir, h->path) == 0 &&
			hasmntopt(m, "memory_recursiveprot");
	endmntent(mounts);
	return found;
}

const char *mcr_hierarchy_below(const struct mcr_hierarchy *h, const char *path)
{
	size_t len = strlen(h->path);

	return len > 1 && strncmp(path, h->path, len) == 0 && (path[len] == '/' || !path[len]) ? path + len : path;
}

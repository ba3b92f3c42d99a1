/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sync.h"

#include <fcntl.h>
#include <linux/types.h>
#include <mntent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fileio.h"
#include "hierarchy.h"
#include "util.h"

/* fs/ext4: commits, checkpoints, and empties the journal (5.14 and later; ENOTTY before). */
#define EXT4_CHECKPOINT _IOW('f', 43, __u32)

#define FILE_SYSTEMS_MAX 256	/* beyond that the rest stays dirty for the kernel to write */

static bool seen(const dev_t *devs, int n, dev_t dev)
{
	for (int i = 0; i < n; i++)
		if (devs[i] == dev)
			return true;
	return false;
}

int mcr_sync_filesystems(void)
{
	dev_t devs[FILE_SYSTEMS_MAX];
	struct mntent *m;
	FILE *mounts;
	int n = 0;

	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return -errno;
	while (n < FILE_SYSTEMS_MAX && (m = getmntent(mounts))) {
		auto_(closep) int fd = -EBADF;
		struct stat st;

		/* No device: nothing to write to.  FUSE: may hang, and is somebody else's. */
		if (m->mnt_fsname[0] != '/' || strncmp(m->mnt_type, "fuse", 4) == 0)
			continue;
		fd = open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0 || fstat(fd, &st) < 0 || seen(devs, n, st.st_dev))
			continue;
		devs[n++] = st.st_dev;
		syncfs(fd);
		if (strcmp(m->mnt_type, "ext4") == 0)
			ioctl(fd, EXT4_CHECKPOINT, &(__u32){ 0 });
	}
	endmntent(mounts);
	return n;
}

int mcr_dirty_bytes(int proc_fd, uint64_t *ret)
{
	uint64_t dirty, writeback;
	char text[8192];
	int r = mcr_read_at(proc_fd, "meminfo", text, sizeof(text));

	if (r >= 0)
		r = mcr_keyed_u64(text, "Dirty", &dirty);
	if (r >= 0)
		r = mcr_keyed_u64(text, "Writeback", &writeback);
	if (r >= 0)
		*ret = (dirty + writeback) * 1024;
	return r < 0 ? r : 0;
}

int mcr_release_writeback(const struct mcr_hierarchy *h)
{
	static const char name[] = "memcg-reaper-nudge";

	/* One that a killed process left serves as well. */
	if (mkdirat(mcr_hierarchy_fd(h), name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return unlinkat(mcr_hierarchy_fd(h), name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

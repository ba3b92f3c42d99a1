/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tmpfs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "util.h"

int mcr_tmpfs_size(int fd, uint64_t *ret_bytes)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*ret_bytes = (uint64_t)fs.f_blocks * fs.f_bsize;
	return 0;
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0');
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* A mount of the file system in our namespace: opened, or -ENOENT. By descriptor: a path may lead elsewhere a moment later. */
static int open_mount(dev_t dev)
{
	auto_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_(freep) char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		unsigned int major, minor;
		char *path = NULL;
		struct stat st;

		if (sscanf(line, "%*u %*u %u:%u %*s %ms", &major, &minor, &path) == 3 && makedev(major, minor) == dev) {
			int fd;

			unescape(path);
			fd = open(path, O_PATH | O_CLOEXEC);
			free(path);
			if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev)	/* not hidden by another */
				return fd;
			close_fd(fd);
			continue;
		}
		free(path);
	}
	return -ENOENT;
}

bool mcr_tmpfs_has_mount(int fd)
{
	struct stat st;
	int mount = fstat(fd, &st) < 0 ? -EBADF : open_mount(st.st_dev);

	close_fd(mount);
	return mount >= 0;
}

int mcr_tmpfs_resize(int fd, uint64_t bytes)
{
	auto_(closep) int mount = -EBADF;
	auto_(closep) int fs = -EBADF;
	struct stat st;
	char text[32];

	if (fstat(fd, &st) < 0)
		return -errno;
	mount = open_mount(st.st_dev);
	if (mount < 0)
		return -ENOENT;
	fs = syscall(SYS_fspick, mount, "", FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT | FSPICK_EMPTY_PATH);
	if (fs < 0)
		return -errno;
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", text, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

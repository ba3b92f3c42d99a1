/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>

#include "chunklog.h"
#include "fileio.h"
#include "util.h"

#define BARRIER_USEC (10 * MCR_USEC_PER_SEC)

int keep_fd(int fd, const char *name, void *userdata)
{
	char state[128];
	int r;

	(void)userdata;
	/* Not watched: a fanotify group is readable when somebody waits, and that is no reason to drop it. */
	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	r = sd_pid_notify_with_fds(0, 0, state, &fd, 1);
	if (r == 0)
		return -ENOTCONN;
	if (r > 0)
		r = sd_notify_barrier(0, BARRIER_USEC);
	return r < 0 ? r : 0;
}

void drop_fd(const char *name, void *userdata)
{
	(void)userdata;
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void kept_close(struct kept *k)
{
	close_fd(k->journal);
	for (unsigned int i = 0; i < k->n; i++)
		close_fd(k->others[i]);
	*k = (struct kept)KEPT_INIT;
}

static void add(struct kept *k, int fd, bool journal)
{
	if (journal && k->journal < 0)
		k->journal = fd;
	else if (!journal && k->n < ARRAY_SIZE(k->others))
		k->others[k->n++] = fd;
	else
		close(fd);
}

int kept_take(struct kept *ret)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		add(ret, SD_LISTEN_FDS_START + i, strcmp(names[i], KEEP_JOURNAL) == 0);
		free(names[i]);
	}
	free(names);
	return n < 0 ? n : 0;
}

/* ---- From the manager's own table ---- */

static int copy(int pidfd, const char *number)
{
	uint64_t fd;

	return mcr_parse_u64(number, &fd) < 0 ? -EINVAL : (int)syscall(SYS_pidfd_getfd, pidfd, (int)fd, 0);
}

/* Services of other users may have given the manager descriptors as well: only what root has made and nobody can cut is believed. */
static bool is_journal(int fd)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && (fcntl(fd, F_GET_SEALS) & sealed) == sealed &&
	       mcr_chunklog_open(fd, &log) == 0;
}

/* The object the journal is about, if the manager has it: as we had opened it, for reading and writing. */
static bool is_object(int fd, dev_t dev, uint64_t ino)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == dev && st.st_ino == ino &&
	       fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

static void add_object(struct kept *k, int pidfd)
{
	DIR *dir = opendir("/proc/1/fd");
	struct dirent *e;
	uint64_t ino;
	dev_t dev;

	if (dir && kept_object(k, &dev, &ino))
		while (k->n == 0 && (e = readdir(dir))) {
			int fd = copy(pidfd, e->d_name);

			if (fd >= 0 && is_object(fd, dev, ino) && !is_journal(fd))
				add(k, fd, false);
			else
				close_fd(fd);
		}
	if (dir)
		closedir(dir);
}

bool kept_object(const struct kept *k, dev_t *ret_dev, uint64_t *ret_ino)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;
	struct mcr_attributes attributes;
	struct mcr_chunk chunk;

	if (mcr_chunklog_open(k->journal, &log) < 0)
		return false;
	if (mcr_chunklog_chunk(log, &chunk) == 1) {
		*ret_dev = chunk.dev;
		*ret_ino = chunk.ino;
		return true;
	}
	if (mcr_chunklog_attributes(log, &attributes) != 1)	/* killed before it was saved, or after it was done */
		return false;
	*ret_dev = attributes.dev;
	*ret_ino = attributes.ino;
	return true;
}

/* Whatever its first descriptor is.  A kernel may be told to let nobody (yama's ptrace_scope=3). 0 or errno. */
static int may_copy(int pidfd)
{
	int fd = copy(pidfd, "0");

	if (fd < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS))
		return -errno;
	close_fd(fd);
	return 0;
}

/* A descriptor of the manager's: if it is a journal it is visited with its object; taken over. */
static int visit_one(int pidfd, int fd, int (*visit)(const struct kept *, void *), void *userdata)
{
	struct kept k = KEPT_INIT;
	int r;

	if (!is_journal(fd)) {
		close(fd);
		return 0;
	}
	k.journal = fd;
	add_object(&k, pidfd);
	r = visit(&k, userdata);
	kept_close(&k);
	return r;
}

int kept_visit(int (*visit)(const struct kept *, void *), void *userdata)
{
	auto_(closep) int pidfd = syscall(SYS_pidfd_open, 1, 0);
	DIR *dir = opendir("/proc/1/fd");
	int r = pidfd < 0 || !dir ? -errno : may_copy(pidfd), failed = 0;
	struct dirent *e;

	while (r == 0 && (e = readdir(dir))) {
		int fd = copy(pidfd, e->d_name), one = fd < 0 ? 0 : visit_one(pidfd, fd, visit, userdata);

		failed = failed ? failed : one;	/* one that is stuck keeps none of the others */
	}
	if (dir)
		closedir(dir);
	return r < 0 ? r : failed;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep.h"

#include <dirent.h>
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

static bool is_journal(int fd)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *log = NULL;

	return mcr_chunklog_open(fd, &log) == 0;
}

/* Offering more than there are does no harm: the journal says which one it is. */
static bool may_be_object(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void add_objects(struct kept *k, int pidfd)
{
	DIR *dir = opendir("/proc/1/fd");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int fd = copy(pidfd, e->d_name);

		if (fd >= 0 && may_be_object(fd) && !is_journal(fd))
			add(k, fd, false);
		else
			close_fd(fd);
	}
	if (dir)
		closedir(dir);
}

int kept_visit(int (*visit)(const struct kept *, void *), void *userdata)
{
	auto_(closep) int pidfd = syscall(SYS_pidfd_open, 1, 0);
	DIR *dir = opendir("/proc/1/fd");
	struct dirent *e;
	int r = 0;

	if (pidfd < 0 || !dir)
		r = -errno;
	while (r == 0 && (e = readdir(dir))) {
		int fd = copy(pidfd, e->d_name);

		struct kept k = KEPT_INIT;

		if (fd < 0 || !may_be_object(fd) || !is_journal(fd)) {
			close_fd(fd);
			continue;
		}
		k.journal = fd;
		add_objects(&k, pidfd);
		r = visit(&k, userdata);
		kept_close(&k);
	}
	if (dir)
		closedir(dir);
	return r;
}

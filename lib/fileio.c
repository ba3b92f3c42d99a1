/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fileio.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "util.h"

static ssize_t read_full(int fd, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

int mcr_read_at(int dir_fd, const char *name, char *buf, size_t size)
{
	auto_(closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_full(fd, buf, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -E2BIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

int mcr_read_all_at(int dir_fd, const char *name, char **ret)
{
	auto_(closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	auto_(freep) char *buf = NULL;
	size_t size = 4096, used = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		char *bigger = realloc(buf, size);
		ssize_t n;

		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		n = read_full(fd, buf + used, size - used - 1);
		if (n < 0)
			return n;
		used += n;
		if (used < size - 1)
			break;
		size *= 2;
	}
	buf[used] = '\0';
	*ret = steal_ptr(buf);
	return 0;
}

int mcr_write_at(int dir_fd, const char *name, const char *text)
{
	auto_(closep) int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int write_full(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

int mcr_replace_at(int dir_fd, const char *name, const char *data, size_t len, unsigned int mode)
{
	auto_(freep) char *temp = NULL;
	auto_(closep) int fd = -EBADF;
	int r;

	if (asprintf(&temp, ".%s.new", name) < 0)
		return -ENOMEM;
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = write_full(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, temp, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, temp, 0);
	return r;
}

int mcr_parse_u64(const char *text, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return -errno;
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int mcr_read_u64_at(int dir_fd, const char *name, uint64_t *ret)
{
	char buf[64];
	int r = mcr_read_at(dir_fd, name, buf, sizeof(buf));

	return r < 0 ? r : mcr_parse_u64(buf, ret);
}

/* The value behind "key " or "key:   " at the start of a line, or NULL. */
static const char *find_key(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *line = text;

	while (line && *line) {
		if (strncmp(line, key, len) == 0 && (line[len] == ' ' || line[len] == ':'))
			return line + len + 1 + strspn(line + len + 1, " \t");
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return NULL;
}

int mcr_keyed_u64(const char *text, const char *key, uint64_t *ret)
{
	const char *value = find_key(text, key);
	char number[32];
	size_t len;

	if (!value)
		return -ENOENT;
	len = strcspn(value, " \t\n");
	if (len >= sizeof(number))
		return -EINVAL;
	memcpy(number, value, len);
	number[len] = '\0';
	return mcr_parse_u64(number, ret);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * MCR_NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t mcr_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t mcr_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int mcr_identify_at(int dir_fd, const char *name, dev_t *ret_dev, uint64_t *ret_ino)
{
	struct statx st;

	if (statx(dir_fd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st) < 0)
		return -errno;
	*ret_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	*ret_ino = st.stx_ino;
	return 0;
}

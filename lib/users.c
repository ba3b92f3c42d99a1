/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "users.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cgroup.h"
#include "fileio.h"
#include "pins.h"
#include "util.h"

/* A pin by its inode. */
struct key {
	dev_t dev;
	uint64_t ino;
	size_t pin;
};

struct search {
	const struct mcr_pins *pins;
	struct key *keys;
	size_t n_keys;
	struct mcr_users *users;
	size_t size;
	size_t first;		/* user of the process in hand */
};

struct mcr_users *mcr_users_free(struct mcr_users *u)
{
	if (!u)
		return NULL;
	for (size_t i = 0; i < u->n; i++)
		free(u->users[i].cgroup);
	free(u->users);
	free(u);
	return NULL;
}

int mcr_mapping_parse(const char *line, struct mcr_mapping *ret)
{
	uint64_t start, end, offset, ino;
	unsigned int major, minor;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64, &start, &end, &offset, &major, &minor,
		   &ino) != 6 || end < start)
		return -EINVAL;
	*ret = (struct mcr_mapping){ .offset = offset, .len = end - start, .dev = makedev(major, minor), .ino = ino };
	return 0;
}

uint64_t mcr_ranges_within(const struct mcr_range *ranges, size_t n, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len < offset ? UINT64_MAX : offset + len, sum = 0;

	for (size_t i = 0; i < n && ranges[i].offset < end; i++) {
		uint64_t from = ranges[i].offset > offset ? ranges[i].offset : offset;
		uint64_t to = ranges[i].offset + ranges[i].len;

		if (to > end)
			to = end;
		if (to > from)
			sum += to - from;
	}
	return sum;
}

static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->dev > y->dev) - (x->dev < y->dev);
}

static int make_keys(struct search *s)
{
	s->keys = calloc(2 * s->pins->n + 1, sizeof(*s->keys));
	if (!s->keys)
		return -ENOMEM;
	for (size_t i = 0; i < s->pins->n; i++) {
		const struct mcr_pin *p = &s->pins->pins[i];

		/* A segment's inode number is its id, and the first one's is 0. */
		if ((!p->ino && p->kind != MCR_PIN_SYSV) || p->kind == MCR_PIN_BLOCK_DEVICE)
			continue;
		s->keys[s->n_keys++] = (struct key){ p->dev, p->ino, i };
		if (p->stat_dev && p->stat_dev != p->dev)
			s->keys[s->n_keys++] = (struct key){ p->stat_dev, p->ino, i };
	}
	qsort(s->keys, s->n_keys, sizeof(*s->keys), by_key);
	return 0;
}

static const struct key *find_key(const struct search *s, dev_t dev, uint64_t ino)
{
	const struct key wanted = { .dev = dev, .ino = ino };

	return bsearch(&wanted, s->keys, s->n_keys, sizeof(wanted), by_key);
}

/* The entry of this process for the pin, made when it is the first. */
static int user_of(struct search *s, size_t pin, pid_t pid, struct mcr_user **ret)
{
	struct mcr_users *u = s->users;

	for (size_t i = s->first; i < u->n; i++) {
		if (u->users[i].pin == pin) {
			*ret = &u->users[i];
			return 0;
		}
	}
	if (u->n == s->size) {
		size_t size = s->size ? s->size * 2 : 16;
		struct mcr_user *bigger = reallocarray(u->users, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		u->users = bigger;
		s->size = size;
	}
	u->users[u->n] = (struct mcr_user){ .pin = pin, .pid = pid };
	*ret = &u->users[u->n++];
	return 0;
}

/*
 * Inode numbers of btrfs are those of a subvolume, which maps does not tell; stat() of the mapped file does. The pin it is
 * then, or NULL. Where stat() of the pin's file is not known, there is nothing to compare with.
 */
static const struct key *of_subvolume(const struct search *s, int dir_fd, const char *line, const struct key *key)
{
	char path[64];
	uint64_t ino;
	dev_t dev;

	if (s->pins->pins[key->pin].stat_dev == s->pins->pins[key->pin].dev)
		return key;
	snprintf(path, sizeof(path), "map_files/%.*s", (int)strcspn(line, " "), line);
	if (mcr_identify_at(dir_fd, path, &dev, &ino) < 0)
		return NULL;
	if (s->pins->pins[key->pin].stat_dev)
		return find_key(s, dev, ino);
	return ino == key->ino ? key : NULL;
}

static int look_at_mapping(struct search *s, int dir_fd, pid_t pid, const char *line)
{
	const struct mcr_pin *p;
	struct mcr_mapping m;
	const struct key *key;
	struct mcr_user *user;
	uint64_t bytes;
	int r;

	if (mcr_mapping_parse(line, &m) < 0)
		return 0;
	key = find_key(s, m.dev, m.ino);
	if (key)
		key = of_subvolume(s, dir_fd, line, key);
	if (!key)
		return 0;
	p = &s->pins->pins[key->pin];
	bytes = mcr_ranges_within(p->ranges, p->n_ranges, m.offset, m.len);
	if (!bytes && !p->swap_bytes)
		return 0;
	r = user_of(s, key->pin, pid, &user);
	if (r == 0)
		user->mapped_bytes += bytes;
	return r;
}

/* A process that may not be looked into leaves the answer incomplete; one that is gone does not. */
static int excuse(struct search *s, int error)
{
	if (error == EACCES || error == EPERM)
		s->users->complete = false;
	return 0;
}

static int look_at_maps(struct search *s, int dir_fd, pid_t pid)
{
	auto_(fclosep) FILE *f = NULL;
	auto_(freep) char *line = NULL;
	int fd = openat(dir_fd, "maps", O_RDONLY | O_CLOEXEC), r = 0;
	size_t size = 0;

	if (fd < 0)
		return excuse(s, errno);
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while (r == 0 && getline(&line, &size, f) > 0)
		r = look_at_mapping(s, dir_fd, pid, line);
	return r == 0 && ferror(f) ? excuse(s, errno) : r;
}

static int look_at_fds(struct search *s, int dir_fd, pid_t pid)
{
	int fd = openat(dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return excuse(s, errno);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir))) {
		const struct key *key;
		struct mcr_user *user;
		uint64_t ino;
		dev_t dev;

		if (!isdigit((unsigned char)e->d_name[0]) || mcr_identify_at(fd, e->d_name, &dev, &ino) < 0)
			continue;
		key = find_key(s, dev, ino);
		if (!key)
			continue;
		r = user_of(s, key->pin, pid, &user);
		if (r == 0)
			user->fds++;
	}
	closedir(dir);
	return r;
}

/* Private memory names its process itself. */
static int look_at_anon(struct search *s, pid_t pid)
{
	struct mcr_user *user;

	for (size_t i = 0; i < s->pins->n; i++) {
		const struct mcr_pin *p = &s->pins->pins[i];
		int r;

		if (p->kind != MCR_PIN_ANON || p->pid != pid)
			continue;
		r = user_of(s, i, pid, &user);
		if (r < 0)
			return r;
		user->mapped_bytes += p->mapped_bytes;
	}
	return 0;
}

/* One that has ended by now uses nothing any more. */
static void describe(struct search *s, int dir_fd)
{
	char comm[64];

	if (s->first == s->users->n)
		return;
	if (mcr_read_at(dir_fd, "comm", comm, sizeof(comm)) < 0) {
		s->users->n = s->first;
		return;
	}
	for (size_t i = s->first; i < s->users->n; i++) {
		snprintf(s->users->users[i].comm, sizeof(s->users->users[i].comm), "%.15s", comm);
		s->users->users[i].cgroup = mcr_cgroup_of_process(dir_fd);
	}
}

static int look_at_process(struct search *s, int proc_fd, const char *name)
{
	auto_(closep) int dir_fd = -EBADF;
	uint64_t pid;
	int r;

	if (!isdigit((unsigned char)name[0]) || mcr_parse_u64(name, &pid) < 0)
		return 0;
	dir_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return excuse(s, errno);
	s->first = s->users->n;
	r = look_at_maps(s, dir_fd, pid);
	if (r == 0)
		r = look_at_fds(s, dir_fd, pid);
	if (r == 0)
		r = look_at_anon(s, pid);
	if (r == 0)
		describe(s, dir_fd);
	return r;
}

static int by_pin(const void *a, const void *b)
{
	const struct mcr_user *x = a, *y = b;

	if (x->pin != y->pin)
		return x->pin < y->pin ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

int mcr_users_find(const char *proc, const struct mcr_pins *pins, struct mcr_users **ret)
{
	auto_(mcr_users_freep) struct mcr_users *users = calloc(1, sizeof(*users));
	struct search s = { .pins = pins, .users = users };
	struct dirent *e;
	DIR *dir;
	int r;

	if (!users)
		return -ENOMEM;
	dir = opendir(proc);
	if (!dir)
		return -errno;
	users->complete = true;
	r = make_keys(&s);
	while (r == 0 && (e = readdir(dir)))
		r = look_at_process(&s, dirfd(dir), e->d_name);
	closedir(dir);
	free(s.keys);
	if (r < 0)
		return r;
	if (users->n)
		qsort(users->users, users->n, sizeof(*users->users), by_pin);
	*ret = steal_ptr(users);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: a page or two that say what is in it, then the content of the chunk.  Processes die, memory does not: what was
 * stored by a process that is killed is there, in the order it was stored.  So a word that is stored last makes
 * what was stored before it count, and there is no need for more.  The checksums are for what should not happen.
 */
#include "chunklog.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cgroup.h"
#include "fileio.h"
#include "util.h"

#define MAGIC 0x6d63722d63686c67ULL	/* "mcr-chlg" */
#define VERSION 1
#define CAPACITY_MAX (1ULL << 30)
#define LOCK_TURN_USEC 500

enum state { EMPTY, SAVED };

struct store {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes;
	uint64_t capacity;
	_Atomic uint32_t state;		/* enum state */
	_Atomic uint32_t n_frozen;
	uint64_t content_sum, record_sum;
	uint64_t fs_bytes;
	struct mcr_extent reserve;	/* .len is stored last */
	_Atomic uint32_t has_attributes;
	struct mcr_attributes attributes;
	uint64_t frozen[MCR_CHUNKLOG_CGROUPS];
	struct mcr_chunk chunk;
};

struct mcr_chunklog {
	int fd;
	struct store *s;
	char *content;
	size_t mapped;
};

/* Eight bytes at a time: quick, and each of them counts. */
static uint64_t checksum(const void *data, size_t len)
{
	const char *p = data;
	uint64_t sum = 0x9e3779b97f4a7c15ULL ^ len, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = (sum ^ word) * 0xff51afd7ed558ccdULL;
		sum ^= sum >> 32;
	}
	word = 0;
	memcpy(&word, p, len);
	sum = (sum ^ word) * 0xff51afd7ed558ccdULL;
	return sum ^ sum >> 32;
}

static size_t header_bytes(void)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (sizeof(struct store) + page - 1) / page * page;
}

uint64_t mcr_chunk_bytes(const struct mcr_chunk *c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < c->n_extents; i++)
		sum += c->extents[i].len;
	return sum;
}

struct mcr_chunklog *mcr_chunklog_free(struct mcr_chunklog *l)
{
	if (!l)
		return NULL;
	if (l->s)
		munmap(l->s, l->mapped);
	close_fd(l->fd);
	free(l);
	return NULL;
}

/* Takes the descriptor, whatever comes of it. */
static int map_store(int fd, struct mcr_chunklog **ret)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = calloc(1, sizeof(*l));
	struct stat st;
	void *at;

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->fd = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)header_bytes() || (uint64_t)st.st_size > header_bytes() + CAPACITY_MAX)
		return -EBADMSG;
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	l->s = at;
	l->mapped = st.st_size;
	l->content = (char *)at + header_bytes();
	*ret = steal_ptr(l);
	return 0;
}

int mcr_chunklog_new(size_t capacity, struct mcr_chunklog **ret)
{
	size_t page = sysconf(_SC_PAGESIZE), size = header_bytes() + (capacity + page - 1) / page * page;
	auto_(closep) int fd = -EBADF;
	struct mcr_chunklog *l;
	int r;

	if (!capacity || capacity > CAPACITY_MAX)
		return -EINVAL;
	fd = memfd_create("memcg-reaper-chunklog", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	r = map_store(steal_fd(fd), &l);
	if (r < 0)
		return r;
	l->s->version = VERSION;
	l->s->header_bytes = header_bytes();
	l->s->capacity = size - header_bytes();
	l->s->magic = MAGIC;
	*ret = l;
	return 0;
}

static bool makes_sense(const struct mcr_chunklog *l)
{
	const struct store *s = l->s;

	return s->magic == MAGIC && s->version == VERSION && s->header_bytes == header_bytes() &&
	       s->capacity == l->mapped - header_bytes() && s->n_frozen <= MCR_CHUNKLOG_CGROUPS && s->state <= SAVED;
}

int mcr_chunklog_open(int fd, struct mcr_chunklog **ret)
{
	auto_(mcr_chunklog_freep) struct mcr_chunklog *l = NULL;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3), r;

	if (copy < 0)
		return -errno;
	r = map_store(copy, &l);
	if (r < 0)
		return r;
	if (!makes_sense(l))
		return -EBADMSG;
	*ret = steal_ptr(l);
	return 0;
}

int mcr_chunklog_fd(const struct mcr_chunklog *l)
{
	return l->fd;
}

size_t mcr_chunklog_capacity(const struct mcr_chunklog *l)
{
	return l->s->capacity;
}

int mcr_chunklog_lock(struct mcr_chunklog *l, uint64_t wait_usec)
{
	uint64_t end = mcr_now_ns() + wait_usec * MCR_NSEC_PER_USEC;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	while (fcntl(l->fd, F_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		if (mcr_now_ns() >= end)
			return -EBUSY;
		usleep(LOCK_TURN_USEC);
	}
	return 0;
}

void mcr_chunklog_unlock(struct mcr_chunklog *l)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fcntl(l->fd, F_SETLK, &lock);
}

/* Through the kernel, which answers EFAULT where touching the object's mapping ourselves would be SIGBUS. */
static int copy_in(const struct mcr_chunklog *l, const char *from, uint64_t at, uint64_t len)
{
	while (len) {
		ssize_t n = pwrite(l->fd, from, len, header_bytes() + at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EFAULT;
		from += n;
		at += n;
		len -= n;
	}
	return 0;
}

int mcr_chunklog_save(struct mcr_chunklog *l, const struct mcr_chunk *c, const char *map)
{
	uint64_t at = 0;
	int r;

	if (c->n_extents > MCR_CHUNKLOG_EXTENTS || mcr_chunk_bytes(c) > l->s->capacity)
		return -E2BIG;
	if (atomic_load(&l->s->state) != EMPTY)
		return -EBUSY;
	for (uint32_t i = 0; i < c->n_extents; i++) {
		r = copy_in(l, map + c->extents[i].offset, at, c->extents[i].len);
		if (r < 0)
			return r;
		at += c->extents[i].len;
	}
	l->s->chunk = *c;
	l->s->record_sum = checksum(&l->s->chunk, sizeof(l->s->chunk));
	l->s->content_sum = checksum(l->content, at);
	atomic_store(&l->s->state, SAVED);
	return 0;
}

int mcr_chunklog_chunk(const struct mcr_chunklog *l, struct mcr_chunk *ret)
{
	const struct store *s = l->s;

	if (atomic_load(&s->state) == EMPTY)
		return 0;
	if (checksum(&s->chunk, sizeof(s->chunk)) != s->record_sum || s->chunk.n_extents > MCR_CHUNKLOG_EXTENTS ||
	    mcr_chunk_bytes(&s->chunk) > s->capacity)
		return -EBADMSG;
	if (checksum(l->content, mcr_chunk_bytes(&s->chunk)) != s->content_sum)
		return -EBADMSG;
	*ret = s->chunk;
	return 1;
}

/* Copies what of the extent is not there yet; base is where it begins in the chunk. */
static int put_back_extent(const struct mcr_chunklog *l, char *map, const struct mcr_extent *e, uint64_t base, uint64_t *at)
{
	while (*at < base + e->len) {
		uint64_t done = *at - base;
		ssize_t n = pread(l->fd, map + e->offset + done, e->len - done, header_bytes() + *at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EFAULT;
		*at += n;
	}
	return 0;
}

int mcr_chunklog_put_back(const struct mcr_chunklog *l, char *map, uint64_t *at)
{
	const struct mcr_chunk *c = &l->s->chunk;
	uint64_t base = 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->n_extents; i++) {
		r = put_back_extent(l, map, &c->extents[i], base, at);
		base += c->extents[i].len;
	}
	return r;
}

/* What a page has beyond the object's end was saved as well, and cannot be read this way. */
static uint64_t readable(int fd, const struct mcr_extent *e)
{
	uint64_t page = sysconf(_SC_PAGESIZE), end = e->offset + e->len;
	struct stat st;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size >= end || end - st.st_size >= page)
		return e->len;
	return st.st_size - e->offset;
}

static int compare_range(int fd, uint64_t offset, const char *with, uint64_t len)
{
	char buf[65536];

	while (len) {
		ssize_t n = pread(fd, buf, len < sizeof(buf) ? len : sizeof(buf), offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		if (memcmp(buf, with, n) != 0)
			return -EILSEQ;
		offset += n;
		with += n;
		len -= n;
	}
	return 0;
}

int mcr_chunklog_compare(const struct mcr_chunklog *l, int object_fd)
{
	const struct mcr_chunk *c = &l->s->chunk;
	const char *content = l->content;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->n_extents; i++) {
		r = compare_range(object_fd, c->extents[i].offset, content, readable(object_fd, &c->extents[i]));
		content += c->extents[i].len;
	}
	return r;
}

void mcr_chunklog_done(struct mcr_chunklog *l)
{
	atomic_store(&l->s->state, EMPTY);
}

int mcr_chunklog_freezing(struct mcr_chunklog *l, uint64_t cgroup_id)
{
	uint32_t n = atomic_load(&l->s->n_frozen);

	for (uint32_t i = 0; i < n; i++)
		if (l->s->frozen[i] == cgroup_id)
			return 0;
	if (n == MCR_CHUNKLOG_CGROUPS)
		return -ENOSPC;
	l->s->frozen[n] = cgroup_id;
	atomic_store(&l->s->n_frozen, n + 1);
	return 0;
}

void mcr_chunklog_thawed(struct mcr_chunklog *l)
{
	atomic_store(&l->s->n_frozen, 0);
}

size_t mcr_chunklog_n_frozen(const struct mcr_chunklog *l)
{
	uint32_t n = atomic_load(&l->s->n_frozen);

	return n < MCR_CHUNKLOG_CGROUPS ? n : MCR_CHUNKLOG_CGROUPS;
}

uint64_t mcr_chunklog_frozen(const struct mcr_chunklog *l, size_t i)
{
	return l->s->frozen[i];
}

bool mcr_chunklog_saved(const struct mcr_chunklog *l)
{
	return atomic_load(&l->s->state) != EMPTY;
}

bool mcr_chunklog_dirty(const struct mcr_chunklog *l)
{
	return atomic_load(&l->s->state) != EMPTY || mcr_chunklog_n_frozen(l) > 0 || l->s->reserve.len || l->s->fs_bytes ||
	       atomic_load(&l->s->has_attributes);
}

int mcr_chunklog_set_attributes(struct mcr_chunklog *l, int object_fd)
{
	struct mcr_attributes a = { 0 };
	struct stat st;
	ssize_t n;

	if (fstat(object_fd, &st) < 0)
		return -errno;
	n = fgetxattr(object_fd, "security.capability", a.caps, sizeof(a.caps));
	if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	a.dev = st.st_dev;
	a.ino = st.st_ino;
	a.atime = st.st_atim;
	a.mtime = st.st_mtim;
	a.mode = st.st_mode;
	a.caps_len = n < 0 ? 0 : n;
	l->s->attributes = a;
	atomic_store(&l->s->has_attributes, 1);
	return 0;
}

void mcr_chunklog_clear_attributes(struct mcr_chunklog *l)
{
	atomic_store(&l->s->has_attributes, 0);
}

int mcr_chunklog_attributes(const struct mcr_chunklog *l, struct mcr_attributes *ret)
{
	if (!atomic_load(&l->s->has_attributes))
		return 0;
	*ret = l->s->attributes;
	return ret->caps_len <= sizeof(ret->caps);
}

void mcr_chunklog_set_reserve(struct mcr_chunklog *l, const struct mcr_extent *reserve)
{
	l->s->reserve.len = 0;
	atomic_signal_fence(memory_order_seq_cst);
	l->s->reserve.offset = reserve->offset;
	atomic_signal_fence(memory_order_seq_cst);
	l->s->reserve.len = reserve->len;
}

struct mcr_extent mcr_chunklog_reserve(const struct mcr_chunklog *l)
{
	return l->s->reserve;
}

void mcr_chunklog_set_fs_bytes(struct mcr_chunklog *l, uint64_t bytes)
{
	l->s->fs_bytes = bytes;
}

uint64_t mcr_chunklog_fs_bytes(const struct mcr_chunklog *l)
{
	return l->s->fs_bytes;
}

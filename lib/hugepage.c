/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hugepage.h"

#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mover.h"
#include "util.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define PFN_MASK ((1ULL << 55) - 1)
#define PRESENT (1ULL << 63)

int mcr_hugemap_open(int fd, uint64_t len, struct mcr_hugemap *ret)
{
	uint64_t mapped = len + MCR_HUGE_BYTES;
	char *base = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;
	struct stat st;

	if (base == MAP_FAILED)
		return -errno;
	at = base + (MCR_HUGE_BYTES - (uintptr_t)base % MCR_HUGE_BYTES) % MCR_HUGE_BYTES;
	if (len && mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED) {
		int r = -errno;

		munmap(base, mapped);
		return r;
	}
	*ret = (struct mcr_hugemap){
		.at = at, .len = len, .base = base, .mapped = mapped,
		.pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
		.flags_fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC),
		.maybe = fstat(fd, &st) == 0 && st.st_blksize >= (long)MCR_HUGE_BYTES,
	};
	return 0;
}

void mcr_hugemap_close(struct mcr_hugemap *m)
{
	if (m->base)
		munmap(m->base, m->mapped);
	close_fd(m->pagemap_fd);
	close_fd(m->flags_fd);
}

static bool read_word(int fd, uint64_t index, uint64_t *ret)
{
	return fd >= 0 && pread(fd, ret, sizeof(*ret), index * sizeof(*ret)) == sizeof(*ret);
}

bool mcr_hugemap_is_huge(struct mcr_hugemap *m, uint64_t offset)
{
	uint64_t page = sysconf(_SC_PAGESIZE), entry, flags;
	char *at = m->at + offset / page * page;

	if (madvise(at, page, MADV_POPULATE_READ) < 0 || !read_word(m->pagemap_fd, (uintptr_t)at / page, &entry) ||
	    !(entry & PRESENT) || !(entry & PFN_MASK) || !read_word(m->flags_fd, entry & PFN_MASK, &flags))
		return m->maybe && offset % MCR_HUGE_BYTES == 0;
	return flags >> KPF_THP & 1;
}

size_t mcr_hugemap_pfns(const struct mcr_hugemap *m, uint64_t offset, uint64_t len, uint64_t *pfns, size_t n)
{
	uint64_t page = sysconf(_SC_PAGESIZE), want = len / page < n ? len / page : n;
	ssize_t got = pread(m->pagemap_fd, pfns, want * sizeof(*pfns), (uintptr_t)(m->at + offset) / page * sizeof(*pfns));
	size_t found = 0;

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(*pfns); i++)
		if (pfns[i] & PRESENT && pfns[i] & PFN_MASK)
			pfns[found++] = pfns[i] & PFN_MASK;
	return found;
}

void mcr_hugemap_want_huge(struct mcr_hugemap *m, uint64_t offset)
{
	if (offset + MCR_HUGE_BYTES <= m->len)
		madvise(m->at + offset, MCR_HUGE_BYTES, MADV_HUGEPAGE);
}

void mcr_hugemap_collapse(struct mcr_hugemap *m, uint64_t offset)
{
	if (offset + MCR_HUGE_BYTES <= m->len && !mcr_hugemap_is_huge(m, offset))
		madvise(m->at + offset, MCR_HUGE_BYTES, MADV_COLLAPSE);
}

/* Moving no page to another node does that first. */
void mcr_drain_page_lists(void)
{
	int node = 0, status = 0;

	syscall(SYS_move_pages, 0, 0UL, NULL, &node, &status, 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An object of shared memory mapped so that its huge pages can be huge here too, and told apart.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcr_hugemap {
	char *at;		/* offset 0 of the object, at an address that suits huge pages */
	uint64_t len;
	char *base;
	uint64_t mapped;
	int pagemap_fd, flags_fd;
	bool maybe;		/* where the kernel does not tell: taken for huge */
};

/* Maps the first len bytes of it for reading and writing. 0 or errno. */
int mcr_hugemap_open(int fd, uint64_t len, struct mcr_hugemap *ret);
void mcr_hugemap_close(struct mcr_hugemap *m);

/* Is the page at this offset part of a huge one?  Brings it in if it is swapped. */
bool mcr_hugemap_is_huge(struct mcr_hugemap *m, uint64_t offset);

/*
 * The frame numbers of the pages from offset on that are mapped here (because they were read), at most n of them.
 * Their number; 0 also where the kernel does not tell (CAP_SYS_ADMIN).
 */
size_t mcr_hugemap_pfns(const struct mcr_hugemap *m, uint64_t offset, uint64_t len, uint64_t *pfns, size_t n);

/* Asks for a huge page where one is to be made at this offset. */
void mcr_hugemap_want_huge(struct mcr_hugemap *m, uint64_t offset);

/* Has every CPU put the pages it has in hand where they belong, and let go of them. */
void mcr_drain_page_lists(void);

/* Makes a huge page of what is there, unless it is one. Its users may go on meanwhile. */
void mcr_hugemap_collapse(struct mcr_hugemap *m, uint64_t offset);

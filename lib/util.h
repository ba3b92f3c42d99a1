/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership helpers: what a function opens or allocates is declared with its end, and given
 * away by name.  Nothing here but macros and one-line inline functions.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define auto_(fn)	__attribute__((cleanup(fn)))
#define steal_ptr(p)	({ __auto_type pp_ = &(p); __auto_type v_ = *pp_; *pp_ = NULL; v_; })
#define steal_fd(fd)	({ int *fdp_ = &(fd); int v_ = *fdp_; *fdp_ = -EBADF; v_; })
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

#define MCR_USEC_PER_SEC	1000000ULL
#define MCR_NSEC_PER_SEC	1000000000ULL
#define MCR_NSEC_PER_USEC	1000ULL

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline int close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
	return -EBADF;
}

static inline void closep(int *fd)
{
	*fd = close_fd(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Lists of strings, NULL-terminated, each allocated. */
static inline char **strv_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
	return NULL;
}

static inline void strv_freep(char ***list)
{
	*list = strv_free(*list);
}

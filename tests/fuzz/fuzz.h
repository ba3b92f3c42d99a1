/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzz targets share: the entry point, and input as a file.  A target gives its input to the functions that
 * production calls, and says what must hold of the answer; the sanitizers say the rest.
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)									\
	do {										\
		if (!(what)) {								\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort();							\
		}									\
	} while (0)

/* The file that has the input, in memory; the same one in every run. */
static inline int input_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

/* A path that leads to it. */
static inline const char *input_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", input_fd());
	return path;
}

static inline void put_input(const void *data, size_t size)
{
	MUST(ftruncate(input_fd(), 0) == 0);
	MUST(pwrite(input_fd(), data, size, 0) == (ssize_t)size);
}

static inline char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* A directory below $TMPDIR of which the files with these names all are the input; made once, fd. */
static inline int input_dir(const char *const *names)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256];
	int fd;

	snprintf(dir, sizeof(dir), "%s/mcr-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	MUST(mkdtemp(dir) != NULL);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd >= 0);
	for (; *names; names++) {
		char parent[64];

		snprintf(parent, sizeof(parent), "%.*s", (int)strcspn(*names, "/"), *names);
		if (strchr(*names, '/'))
			mkdirat(fd, parent, 0700);
		MUST(symlinkat(input_path(), fd, *names) == 0);
	}
	return fd;
}

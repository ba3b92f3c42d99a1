/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is a journal that somebody left: it is taken whole or not at all, and what it names is a memory knob. */
#include <errno.h>

#include "cgroup.h"
#include "fuzz.h"
#include "restore.h"
#include "util.h"

static const char *const names[] = { "journal", NULL };

static int dir_fd = -1;
static size_t opened;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	dir_fd = input_dir(names);
	return 0;
}

/* No cgroup is there any more. */
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id);
int __wrap_mcr_cgroup_open_id(const struct mcr_hierarchy *h, uint64_t id)
{
	(void)h;
	(void)id;
	opened++;
	return -ESTALE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(mcr_restore_freep) struct mcr_restore *journal = NULL;
	size_t lines = 0;
	int r;

	put_input(data, size);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	r = mcr_restore_load(NULL, dir_fd, "journal", &journal);
	MUST((r == 1 && journal) || (r == -EBADMSG && !journal));
	if (r < 0)
		return 0;
	MUST(mcr_restore_count(journal) <= lines);
	mcr_restore_subject(journal);
	opened = 0;
	MUST(mcr_restore_undo_knob(journal, NULL) == 0);
	MUST(opened == mcr_restore_count(journal));
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is what some file of /proc, /sys or a cgroup says, whatever file is read. */
#include <errno.h>
#include <limits.h>

#include "cgroup.h"
#include "census.h"
#include "fileio.h"
#include "fuzz.h"
#include "hierarchy.h"
#include "nodes.h"
#include "parse.h"
#include "pressure.h"
#include "sync.h"
#include "util.h"

static const char *const names[] = {
	"cgroup.events", "cgroup.stat", "cpu.stat", "meminfo", "memory.stat", "memory.swap.current", "pressure/memory", NULL,
};

static int dir_fd = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	dir_fd = input_dir(names);
	return 0;
}

/* The root of the hierarchy is that directory. */
int __wrap_mcr_hierarchy_fd(const struct mcr_hierarchy *h);
int __wrap_mcr_hierarchy_fd(const struct mcr_hierarchy *h)
{
	(void)h;
	return dir_fd;
}

/* Results are given on success only. */
static void check(int r, uint64_t value)
{
	MUST(r == 0 || (r < 0 && value == 0x55));
}

static void read_cgroup(void)
{
	struct mcr_charge charge = { .file_bytes = 0x55 };
	uint64_t v = 0x55;
	int r = mcr_cgroup_populated(dir_fd);

	MUST(r == 0 || r == 1 || r == -ENOENT || r == -EINVAL || r == -E2BIG || r == -ERANGE);
	check(mcr_cgroup_descendants(dir_fd, &v), v);
	v = 0x55;
	check(mcr_count_total(NULL, &v), v);
	check(mcr_cgroup_charge(dir_fd, &charge), charge.file_bytes);
	v = 0x55;
	check(mcr_read_u64_at(dir_fd, "memory.swap.current", &v), v);
}

static void read_machine(void)
{
	struct mcr_pressure p = { .total_bytes = 0x55 };
	const struct mcr_pressure_limits limits = { 1000, 500 };
	uint64_t v = 0x55;
	int r = mcr_pressure_read(dir_fd, &p);

	check(r, p.total_bytes);
	MUST(r < 0 || !p.psi || p.some_avg10_centi <= 99999);
	mcr_pressure_exceeds(&p, &limits);
	check(mcr_dirty_bytes(dir_fd, &v), v);
}

static void parse_text(const char *text)
{
	static const char *const keys[] = { "file", "anon", "MemTotal", "nr_descendants", "a", "" };
	unsigned int centi = 0x55;
	bool yes = false;
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		v = 0x55;
		check(mcr_keyed_u64(text, keys[i], &v), v);
	}
	v = 0x55;
	check(mcr_parse_u64(text, &v), v);
	v = 0x55;
	check(mcr_parse_usec(text, &v), v);
	v = 0x55;
	check(mcr_parse_bytes(text, &v), v);
	MUST(mcr_parse_boolean(text, &yes) == 0 || !yes);
	check(mcr_parse_percent(text, &centi), centi);
	MUST(centi <= 10000);
	centi = 0x55;
	check(mcr_psi_parse(text, &centi), centi);
	mcr_list_end(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(freep) char *text = text_of(data, size), *all = NULL;

	put_input(data, size);
	read_cgroup();
	read_machine();
	parse_text(text);
	MUST(mcr_read_all_at(dir_fd, "memory.stat", &all) == 0 && memcmp(all, text, size + 1) == 0);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wanted.h"

#include <linux/magic.h>
#include <sys/sysmacros.h>

#include "main.h"
#include "pins.h"
#include "util.h"

#define PAGE 4096ULL
#define PAGES 64
#define PRESENT (1ULL << 63)
#define OF_FILE (1ULL << 61)

/* By pages of a small world: the same by a far simpler way. */
static void compare_with_world(const struct mcr_range *ranges, size_t n, const bool *world)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_gt(ranges[i].len, 0);
		ck_assert(i == 0 || ranges[i - 1].offset + ranges[i - 1].len < ranges[i].offset);
		for (uint64_t at = ranges[i].offset; at < ranges[i].offset + ranges[i].len; at += PAGE, sum++)
			ck_assert(world[at / PAGE]);
	}
	for (size_t i = 0; i < PAGES; i++)
		sum -= world[i];
	ck_assert_uint_eq(sum, 0);
}

START_TEST(ranges_are_what_was_put)
{
	srand(1);
	for (int worlds = 0; worlds < 200; worlds++) {
		struct mcr_range *ranges = NULL;
		bool world[PAGES] = { false };
		size_t n = 0, size = 0;

		for (int round = 0; round < 20; round++) {
			size_t from = rand() % PAGES, len = rand() % 6;

			len = from + len > PAGES ? PAGES - from : len;
			ck_assert_int_eq(mcr_ranges_put(&ranges, &n, &size, from * PAGE, len * PAGE), 0);
			memset(world + from, true, len);
			compare_with_world(ranges, n, world);
		}
		free(ranges);
	}
}
END_TEST

START_TEST(only_disks_of_this_machine_are_read)
{
	const dev_t disk = makedev(254, 1), nbd = makedev(43, 0), none = makedev(0, 42);

	ck_assert_int_eq(mcr_wanted_judge(EXT4_SUPER_MAGIC, disk), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_wanted_judge(0x58465342, disk), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_wanted_judge(BTRFS_SUPER_MAGIC, none), MCR_REFUSED_NOT);
	ck_assert_int_eq(mcr_wanted_judge(EXT4_SUPER_MAGIC, nbd), MCR_REFUSED_NETWORK_FS);
	ck_assert_int_eq(mcr_wanted_judge(EXT4_SUPER_MAGIC, makedev(7, 1)), MCR_REFUSED_FILE_SYSTEM);
	ck_assert_int_eq(mcr_wanted_judge(EXT4_SUPER_MAGIC, none), MCR_REFUSED_FILE_SYSTEM);
	ck_assert_int_eq(mcr_wanted_judge(0x65735546, none), MCR_REFUSED_FUSE);
	ck_assert_int_eq(mcr_wanted_judge(0x65735546, disk), MCR_REFUSED_FUSE);
	ck_assert_int_eq(mcr_wanted_judge(NFS_SUPER_MAGIC, none), MCR_REFUSED_NETWORK_FS);
	ck_assert_int_eq(mcr_wanted_judge(OVERLAYFS_SUPER_MAGIC, none), MCR_REFUSED_FILE_SYSTEM);
	ck_assert_int_eq(mcr_wanted_judge(TMPFS_MAGIC, none), MCR_REFUSED_FILE_SYSTEM);
	ck_assert_int_eq(mcr_wanted_judge(0, disk), MCR_REFUSED_FILE_SYSTEM);
}
END_TEST

/* ---- Who maps it ---- */

static struct mcr_range first[] = { { 0, 4 * PAGE }, { 8 * PAGE, 4 * PAGE } }, second[] = { { 4 * PAGE, 4 * PAGE } };
static struct mcr_pin in_a[2], in_b[1];
static struct mcr_pins a = { .pins = in_a, .n = 2 }, b = { .pins = in_b, .n = 1 };

/* File 77 is charged to two memcgs, and file 78, which nobody maps, to one. */
static void charge(void)
{
	const struct mcr_pin pin = {
		.kind = MCR_PIN_FILE, .dev = makedev(254, 1), .stat_dev = makedev(254, 1), .ino = 77, .magic = EXT4_SUPER_MAGIC,
		.mapped_bytes = PAGE, .name = (char *)"/lib", .ranges = first, .n_ranges = 2,
	};

	in_a[0] = in_a[1] = in_b[0] = pin;
	in_a[1].ino = 78;
	in_b[0].ranges = second;
	in_b[0].n_ranges = 1;
}

/* Maps 16 pages of the file at page 16; entries of its page table, or none. */
static void make_process(const char *pid, unsigned int ino, const char *cgroup, const uint64_t *entries)
{
	char maps[128], text[64];
	int proc, dir, fd;

	mkdirat(temp_fd, "proc", 0700);
	proc = openat(temp_fd, "proc", O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(mkdirat(proc, pid, 0700), 0);
	dir = openat(proc, pid, O_RDONLY | O_DIRECTORY);
	snprintf(maps, sizeof(maps), "10000-20000 r-xp 00000000 fe:01 %u /lib\n", ino);
	put_file(dir, "maps", maps);
	snprintf(text, sizeof(text), "0::/%s\n", cgroup);
	put_file(dir, "cgroup", text);
	if (entries) {
		fd = openat(dir, "pagemap", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(pwrite(fd, entries, 16 * sizeof(*entries), 16 * sizeof(*entries)), 16 * sizeof(*entries));
		close(fd);
	}
	close(dir);
	close(proc);
}

static struct mcr_wanted *note(void)
{
	struct mcr_pins *const pins[] = { &a, NULL, &b };
	struct mcr_wanted *w = NULL;

	ck_assert_int_eq(mcr_wanted_note(temp_path("proc"), pins, ARRAY_SIZE(pins), &w), 0);
	return w;
}

START_TEST(pages_in_page_tables_are_wanted)
{
	const uint64_t entries[16] = {
		[1] = PRESENT | OF_FILE, [2] = PRESENT,			/* a private copy is no page of the file */
		[6] = PRESENT | OF_FILE, [7] = PRESENT | OF_FILE, [8] = PRESENT | OF_FILE,
		[9] = OF_FILE, [12] = PRESENT | OF_FILE,		/* in swap; not charged there */
	};
	auto_(mcr_wanted_freep) struct mcr_wanted *w = NULL;

	charge();
	make_process("7", 77, "x", entries);
	w = note();
	ck_assert(w->complete);
	ck_assert_uint_eq(w->n, 1);
	ck_assert_uint_eq(w->files[0].ino, 77);
	ck_assert_str_eq(w->files[0].name, "/lib");
	ck_assert_uint_eq(w->bytes, 4 * PAGE);
	ck_assert_uint_eq(w->files[0].n_ranges, 2);
	ck_assert_uint_eq(w->files[0].ranges[0].offset, PAGE);
	ck_assert_uint_eq(w->files[0].ranges[1].offset, 6 * PAGE);
	ck_assert_uint_eq(w->files[0].ranges[1].len, 3 * PAGE);
	ck_assert_uint_eq(w->cgroups, 1);
	ck_assert_uint_eq(w->files[0].n_ways, 1);
	ck_assert_int_eq(w->files[0].ways[0].pid, 7);
	ck_assert_uint_eq(w->files[0].ways[0].start, 0x10000);
	ck_assert_uint_eq(w->files[0].ways[0].end, 0x20000);
}
END_TEST

START_TEST(users_are_counted_by_their_cgroups)
{
	const uint64_t one[16] = { [0] = PRESENT | OF_FILE }, none[16] = { 0 };
	auto_(mcr_wanted_freep) struct mcr_wanted *w = NULL;

	charge();
	make_process("7", 77, "x", one);
	make_process("8", 77, "x", one);
	make_process("9", 77, "y", one);
	make_process("10", 77, "z", none);
	w = note();
	ck_assert_uint_eq(w->bytes, PAGE);
	ck_assert_uint_eq(w->cgroups, 2);
}
END_TEST

START_TEST(without_a_page_table_all_that_is_mapped_counts)
{
	auto_(mcr_wanted_freep) struct mcr_wanted *w = NULL;

	charge();
	make_process("7", 77, "x", NULL);
	w = note();
	ck_assert_uint_eq(w->bytes, 12 * PAGE);
	ck_assert_uint_eq(w->files[0].n_ranges, 1);
}
END_TEST

START_TEST(what_nobody_maps_is_not_wanted)
{
	const uint64_t one[16] = { [0] = PRESENT | OF_FILE };
	auto_(mcr_wanted_freep) struct mcr_wanted *w = NULL;
	char self[16];

	charge();
	in_a[0].mapped_bytes = 0;	/* no page of it is in any page table */
	in_b[0].kind = MCR_PIN_TMPFS;
	snprintf(self, sizeof(self), "%d", (int)getpid());
	make_process("7", 77, "x", one);
	make_process(self, 78, "x", one);
	w = note();
	ck_assert_uint_eq(w->n, 0);
	ck_assert_uint_eq(w->bytes, 0);
	ck_assert_uint_eq(w->cgroups, 0);
}
END_TEST

START_TEST(no_proc_leaves_the_result_untouched)
{
	struct mcr_pins *const pins[] = { &a };
	struct mcr_wanted *w = (void *)0x1;

	charge();
	ck_assert_int_eq(mcr_wanted_note(temp_path("nowhere"), pins, 1, &w), -ENOENT);
	ck_assert_ptr_eq(w, (void *)0x1);
}
END_TEST

TEST_MAIN("wanted", ranges_are_what_was_put, only_disks_of_this_machine_are_read, pages_in_page_tables_are_wanted,
	  users_are_counted_by_their_cgroups, without_a_page_table_all_that_is_mapped_counts,
	  what_nobody_maps_is_not_wanted, no_proc_leaves_the_result_untouched)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinview.h"

#include <sys/sysmacros.h>

#include "main.h"
#include "pins.h"
#include "util.h"

static struct mcr_pin pin;
static struct mcr_pins pins = { .pins = &pin, .n = 1 };

/* What is seen of the file NAME on the device 0:MINOR_. */
static const char *view_of(const char *mountinfo, unsigned int minor_, const char *name)
{
	static char path[256];

	put_file(temp_fd, "mountinfo", mountinfo);
	pin = (struct mcr_pin){ .kind = MCR_PIN_FILE, .dev = makedev(0, minor_), .name = (char *)name, .nlink = 1, .ino = 12 };
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	snprintf(path, sizeof(path), "%s", pin.path ? pin.path : "");
	free(pin.path);
	return path;
}

static const char machine[] =
	"1 0 0:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
	"2 1 0:2 / /dev/shm rw - tmpfs tmpfs rw\n"
	"3 1 0:3 /sub/dir /mnt/a\\040b rw master:1 - ext4 /dev/vdb rw\n"
	"4 1 0:4 / /over rw - tmpfs t rw\n"
	"5 4 0:5 / /over rw - tmpfs t rw\n"
	"6 1 0:1 /srv /bind rw - ext4 /dev/vda rw\n"
	"7 1 0:7 / /srv rw - tmpfs t rw\n"
	"no line\n";

START_TEST(a_file_has_the_path_of_its_mount)
{
	ck_assert_str_eq(view_of(machine, 1, "/etc/fstab"), "/etc/fstab");
	ck_assert_int_eq(pin.view, MCR_VIEW_HERE);
	ck_assert_str_eq(view_of(machine, 2, "/x"), "/dev/shm/x");
	ck_assert_str_eq(view_of(machine, 3, "/sub/dir/x"), "/mnt/a b/x");
	ck_assert_str_eq(view_of(machine, 3, "/sub/dir"), "/mnt/a b");
	ck_assert_str_eq(view_of(machine, 1, "/"), "/");
	ck_assert(pin.stat_dev == pin.dev);
}
END_TEST

START_TEST(what_no_mount_shows_is_hidden)
{
	ck_assert_str_eq(view_of(machine, 3, "/sub/director"), "");
	ck_assert_int_eq(pin.view, MCR_VIEW_HIDDEN);
	ck_assert_str_eq(view_of(machine, 3, "/x"), "");
	ck_assert_str_eq(view_of(machine, 1, "/dev/shm/x"), "");
	ck_assert_str_eq(view_of(machine, 4, "/x"), "");
	ck_assert_int_eq(pin.view, MCR_VIEW_HIDDEN);
	ck_assert_str_eq(view_of(machine, 5, "/x"), "/over/x");
}
END_TEST

START_TEST(a_bind_mount_shows_what_is_mounted_over)
{
	ck_assert_str_eq(view_of(machine, 1, "/srv/x"), "/bind/x");
	ck_assert_int_eq(pin.view, MCR_VIEW_HERE);
}
END_TEST

/* A mount below a directory, and then one on that directory. */
START_TEST(the_outer_mount_hides_the_inner_one)
{
	static const char text[] = "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /a/b rw - tmpfs t rw\n3 1 0:3 / /a rw - tmpfs t rw\n";

	ck_assert_str_eq(view_of(text, 2, "/x"), "");
	ck_assert_int_eq(pin.view, MCR_VIEW_HIDDEN);
	ck_assert_str_eq(view_of(text, 3, "/b/x"), "/a/b/x");
}
END_TEST

START_TEST(a_file_system_that_is_not_mounted_is_elsewhere)
{
	ck_assert_str_eq(view_of(machine, 9, "/x"), "");
	ck_assert_int_eq(pin.view, MCR_VIEW_ELSEWHERE);
}
END_TEST

/* The mount of the root directory is not listed then. */
START_TEST(in_a_chroot)
{
	static const char text[] = "8 1 0:1 /jail/proc /proc rw - proc p rw\n9 1 0:2 / /dev/shm rw - tmpfs t rw\n";

	ck_assert_str_eq(view_of(text, 2, "/x"), "/dev/shm/x");
}
END_TEST

START_TEST(without_mounts_nothing_is_said)
{
	pin = (struct mcr_pin){ .kind = MCR_PIN_FILE, .dev = makedev(0, 1), .name = (char *)"/x", .nlink = 1 };
	ck_assert_int_eq(mcr_pins_view(temp_path("missing"), &pins), -ENOENT);
	ck_assert_int_eq(pin.view, MCR_VIEW_UNKNOWN);
	ck_assert(pin.stat_dev == pin.dev);
}
END_TEST

START_TEST(what_has_no_path_has_no_view)
{
	put_file(temp_fd, "mountinfo", machine);
	pin = (struct mcr_pin){ .kind = MCR_PIN_FILE, .dev = makedev(0, 1), .name = (char *)"/gone" };
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert_int_eq(pin.view, MCR_VIEW_UNKNOWN);
	pin = (struct mcr_pin){ .kind = MCR_PIN_FILE, .dev = makedev(0, 1), .name = (char *)"/end", .name_cut = true, .nlink = 1 };
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert_int_eq(pin.view, MCR_VIEW_UNKNOWN);
	pin = (struct mcr_pin){ .kind = MCR_PIN_MEMFD, .dev = makedev(0, 9), .name = (char *)"x", .nlink = 1 };
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert_int_eq(pin.view, MCR_VIEW_UNKNOWN);
}
END_TEST

START_TEST(a_block_device_has_the_file_system_mounted_from_it)
{
	put_file(temp_fd, "mountinfo", "1 0 4095:7 / / rw shared:1 - xfs /dev/none rw\n");
	pin = (struct mcr_pin){ .kind = MCR_PIN_BLOCK_DEVICE, .rdev = makedev(4095, 7), .fstype = "bdev", .device = "bdev" };
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert_str_eq(pin.fstype, "xfs");
	ck_assert_str_eq(pin.device, "4095:7");
	pin.rdev = makedev(4095, 8);
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert_str_eq(pin.fstype, "");
}
END_TEST

/* It says nothing false where the file at that path is another. */
START_TEST(btrfs_is_asked_for_its_number)
{
	struct stat st;
	char text[512];

	ck_assert_int_eq(stat("/", &st), 0);
	snprintf(text, sizeof(text), "1 0 0:9 / / rw - btrfs a rw\n");
	put_file(temp_fd, "mountinfo", text);
	pin = (struct mcr_pin){
		.kind = MCR_PIN_FILE, .dev = makedev(0, 9), .name = (char *)"/", .nlink = 1, .ino = st.st_ino, .magic = 0x9123683e,
	};
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert(pin.stat_dev == st.st_dev);
	free(pin.path);
	pin.ino++;
	ck_assert_int_eq(mcr_pins_view(temp_path("mountinfo"), &pins), 0);
	ck_assert(pin.stat_dev == 0);
	free(pin.path);
}
END_TEST

TEST_MAIN("pinview", a_file_has_the_path_of_its_mount, what_no_mount_shows_is_hidden,
	  a_bind_mount_shows_what_is_mounted_over, the_outer_mount_hides_the_inner_one,
	  a_file_system_that_is_not_mounted_is_elsewhere, in_a_chroot, without_mounts_nothing_is_said,
	  what_has_no_path_has_no_view, a_block_device_has_the_file_system_mounted_from_it,
	  btrfs_is_asked_for_its_number)

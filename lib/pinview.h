/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a file is for the caller: the kernel's answer names it within its file system, which may be mounted
 * anywhere, in another mount namespace, or nowhere any more.
 */
#pragma once

struct mcr_pins;

/*
 * Sets view, path and stat_dev of the pins, device and fstype of block devices, by the mounts in a file like
 * /proc/self/mountinfo. Touches no file but those of btrfs. 0, -ENOMEM, or errno of reading it; the pins can be used in any case.
 */
int mcr_pins_view(const char *mountinfo, struct mcr_pins *pins);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room in a tmpfs that has a size: what is punched out of a file there can be taken by any other writer before it is
 * written back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The size of the file system of an open file; 0: none is set (memfds, SysV segments).  0 or errno. */
int mcr_tmpfs_size(int fd, uint64_t *ret_bytes);

/* Is it mounted where mcr_tmpfs_resize() could reach it? */
bool mcr_tmpfs_has_mount(int fd);

/*
 * Sets the size of the tmpfs an open file is on, as remounting does, by way of a mount in our namespace.
 * 0; -ENOENT: no mount of it is there; -EINVAL: more than that is in use; -EPERM without CAP_SYS_ADMIN; or errno.
 */
int mcr_tmpfs_resize(int fd, uint64_t bytes);

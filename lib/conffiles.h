/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which configuration files count, by the rules of systemd: the main file from the first directory
 * that has it, then all drop-ins sorted by their names; of drop-ins with the same name the one in the first
 * directory; an empty file or a link to /dev/null masks.
 */
#pragma once

#define MCR_CONF_NAME "reaper.conf"

/*
 * Paths of the files in the order in which they are read, NULL-terminated, for strv_free().
 * root is put in front of every directory; NULL: none.  0; -ENOMEM; or the errno of a directory that is there and cannot be read.
 */
int mcr_conf_files(const char *root, char ***ret);

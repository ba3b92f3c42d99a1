/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An INI file through inih, without what distribution builds of it cut, join or skip silently: such
 * lines are complained about and left out.
 */
#pragma once

#include <stddef.h>

/* Called for each line that is not understood; key is "" for a line that is no assignment. */
typedef void (*mcr_ini_complaint)(const char *file, unsigned int line, const char *key, const char *what,
				  void *userdata);

/* Called for each assignment; section is "" before the first, and "?" in one whose line is not understood. */
typedef void (*mcr_ini_handler)(const char *section, const char *key, const char *value, unsigned int line,
				void *userdata);

/* Nobody writes more by hand: what is larger is something else by mistake. */
#define MCR_INI_SIZE_MAX (1U << 20)

/* With more lines than that which are none of an INI file, it is not one. */
#define MCR_INI_NONSENSE_MAX 50

/*
 * Reads a regular file of at most MCR_INI_SIZE_MAX bytes. Number of complaints; -EFBIG; -EINVAL: no regular file; -EBADMSG: no
 * INI file (what was read till then was handled); or the errno of open or read.
 */
int mcr_ini_read(const char *path, mcr_ini_handler handler, mcr_ini_complaint complain, void *userdata);

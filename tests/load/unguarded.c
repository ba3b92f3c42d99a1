/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mcr-move with a guard that lets everybody through: what it would be without. */
#include "guard.h"

int __wrap_mcr_guard_raise(struct mcr_guard *g, int object_fd);

int __wrap_mcr_guard_raise(struct mcr_guard *g, int object_fd)
{
	(void)g;
	(void)object_fd;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways of mcr-hold to give memory to the kernel.  Each leaves a descriptor open, or ends the process. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

void hold_xdp(void *at, size_t len);
void hold_kvm(void *at, size_t len);
void hold_vhost(void *at, size_t len);
void hold_vfio(void);
void hold_spliced(int fd, size_t len);

/* Makes POSIX shared memory, and returns its descriptor. */
int make_posix_shm(const char *name, size_t len);

/* Attaches the SysV segment with this key. */
void attach_segment(key_t key);

/* Makes a POSIX message queue, fills it with messages of 8 KiB, and returns its descriptor. */
int fill_mqueue(const char *name, long messages);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ways to an object of shared memory that a pin names: a file of tmpfs by its path, a SysV segment by its number, and what has neither
 * (a memfd, shared anonymous memory, a deleted file, a file in another mount namespace) through a process that has it.
 */
#pragma once

#include <stdbool.h>

struct mcr_pin;
struct mcr_shmobject;
enum mcr_refusal;

/* Is it memory that lives in files of tmpfs and the like, which is what can be rewritten? */
bool mcr_reach_is_shmem(const struct mcr_pin *p);

/*
 * Opens the pin's object by the first way that leads to it, and makes sure that it is the same device and inode. proc is "/proc".
 * As mcr_shmobject_open(); -ENOENT: there is no way to it from here, it has gone or is only inside of the kernel.
 */
int mcr_reach_open(const char *proc, const struct mcr_pin *p, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);

/* The same for reading alone, which seals, read-only mounts and programs that run from it do not stand against. */
int mcr_reach_open_to_read(const char *proc, const struct mcr_pin *p, struct mcr_shmobject *ret, enum mcr_refusal *ret_refusal);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pins: everything that keeps one memcg from going, reference by reference.
 *
 * A memcg that was removed goes with its last reference.  Each page (each huge page as one) holds
 * one, and so do a swap entry, a child, a writeback structure and a few others.  The walk names all it finds;
 * refs_explained / refs_held says how much that is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mcr_pin_kind {
	/* Pages with a file behind them. */
	MCR_PIN_FILE,		/* page cache */
	MCR_PIN_BLOCK_DEVICE,	/* metadata of the file system on rdev, or the device read as such */
	MCR_PIN_METADATA,	/* a file the file system keeps for itself: ext4's block allocator, its journal */
	MCR_PIN_TMPFS,		/* a file of a mounted tmpfs */
	MCR_PIN_MEMFD,
	MCR_PIN_SYSV,		/* shmget(): shmid and key */
	MCR_PIN_SHARED_ANON,	/* mmap(MAP_SHARED | MAP_ANONYMOUS), or /dev/zero shared */
	MCR_PIN_KERNEL_SHMEM,	/* made by the kernel itself, graphics drivers above all */
	/* Pages without. */
	MCR_PIN_ANON,		/* private memory: pid and comm */
	MCR_PIN_KSM,
	MCR_PIN_SWAP_CACHE,	/* pages on their way to swap, or read back before anybody has asked for them */
	MCR_PIN_NO_FILE,	/* cut off their file, but still in use: by a journal, a pipe, I/O */
	MCR_PIN_VANISHED,	/* the page left its file while the walk asked for the name */
	/* What is no page. */
	MCR_PIN_SWAP,		/* entries in swap, those of files included: together one reference */
	MCR_PIN_CHILD,		/* a child memcg: cgroup_id, name */
	MCR_PIN_WRITEBACK,	/* a writeback structure: device */
	MCR_PIN_PROCESS,	/* processes the kernel still counts in; pid and comm of one that was not waited for */
	MCR_PIN_MM,		/* an address space that has not moved with its process: pid and comm */
	MCR_PIN_STOCK,		/* charges a CPU keeps ready */
	MCR_PIN_SOCKET,		/* name: its addresses, and how it is there if nobody has it open; pid and comm of one that has,
				   or that listens */
	MCR_PIN_INOTIFY,	/* a process that watches files: pid and comm */
	MCR_PIN_FANOTIFY,
	MCR_PIN_KINDS,
};

/* What the caller's mount namespace shows of a file. */
enum mcr_pin_view {
	MCR_VIEW_UNKNOWN,	/* no file, or one without a name that can be looked up */
	MCR_VIEW_HERE,		/* path */
	MCR_VIEW_HIDDEN,	/* its file system is mounted, but nothing of it that has the file, or another is mounted over it */
	MCR_VIEW_ELSEWHERE,	/* its file system is mounted in other namespaces only, or nowhere any more */
};

struct mcr_range {
	uint64_t offset, len;		/* bytes */
};

struct mcr_pin {
	enum mcr_pin_kind kind;
	uint64_t refs;
	uint64_t bytes;			/* in memory; of MCR_PIN_SWAP: in swap */
	uint64_t dirty_bytes;		/* dirty or under writeback */
	uint64_t mapped_bytes;		/* by any process */
	uint64_t swap_bytes;		/* of a file: in swap, where it holds no reference of its own; see MCR_PIN_SWAP */
	bool locked;			/* some of it is mlocked, or else cannot be reclaimed */
	bool large;			/* some of it are huge pages */

	/* With a file behind it, else 0 and NULL. */
	char *name;			/* path within its file system, as far as the kernel has it in memory; of a
					   memfd its name; of a child the cgroup's; of a
					   socket its addresses. NULL: not known */
	bool name_cut;			/* of PATH_MAX or more: the end of it */
	char *path;			/* of MCR_VIEW_HERE: in the caller's mount namespace */
	enum mcr_pin_view view;
	dev_t dev;			/* of the file system, as in mountinfo and /proc/PID/maps */
	dev_t stat_dev;			/* what stat() calls st_dev: another on btrfs, and 0 there if the file could not be asked */
	dev_t rdev;			/* MCR_PIN_BLOCK_DEVICE: the device */
	uint64_t ino, nlink, size;
	uint64_t magic;			/* of the file system, as statfs() has it */
	char fstype[16];		/* MCR_PIN_BLOCK_DEVICE: of what is mounted from it, or empty */
	char device[64];		/* the super block's or backing device's name: "vda" */
	struct mcr_range *ranges;	/* of the file, ascending, apart from each other */
	size_t n_ranges;
	struct mcr_range *swap_ranges;	/* the same of what is in swap */
	size_t n_swap_ranges;

	int shmid;			/* MCR_PIN_SYSV */
	uint32_t key;
	pid_t pid;			/* 0: nobody was found */
	char comm[16];
	uint64_t cgroup_id;		/* MCR_PIN_CHILD */
	uint64_t in_files, freed;	/* MCR_PIN_SWAP: entries of files among the pins; that a CPU has not given back yet */
	uint64_t count;			/* MCR_PIN_SWAP: entries; MCR_PIN_STOCK: the CPU; MCR_PIN_PROCESS: live ones;
					   MCR_PIN_CHILD: 1 if dying */
};

struct mcr_pins {
	uint64_t id;
	bool dying;
	bool complete;			/* false: it changed under the walk, or was too large */
	bool scanned;			/* the lists did not name all: every page of the machine was looked at */
	unsigned int level;
	uint64_t refs_held;		/* of a live one the kernel does not know: 0 */
	uint64_t refs_explained;	/* the sum over the pins */
	uint64_t pages;			/* seen by the walk */
	struct mcr_pin *pins;		/* most references first */
	size_t n;
};

struct mcr_pins *mcr_pins_free(struct mcr_pins *p);
static inline void mcr_pins_freep(struct mcr_pins **p)
{
	*p = mcr_pins_free(*p);
}

/* A static word for it: "file", "memfd". */
const char *mcr_pin_kind_name(enum mcr_pin_kind kind);

/* The loaded programs; they cost about 1 MiB of kernel memory while they are open. */
struct mcr_pins_walker;

/* As mcr_census_walker_new(). */
int mcr_pins_walker_new(struct mcr_pins_walker **ret, const char **ret_why);
struct mcr_pins_walker *mcr_pins_walker_free(struct mcr_pins_walker *w);
static inline void mcr_pins_walker_freep(struct mcr_pins_walker **w)
{
	*w = mcr_pins_walker_free(*w);
}

/*
 * Whether mcr_pins_walk() may look at every page of the machine when the lists do not explain all references
 * (some 40 instructions a page). It may unless told otherwise.
 */
void mcr_pins_walker_scan(struct mcr_pins_walker *w, bool allowed);

/*
 * What holds the memcg with this id, dying or live; waits up to half a second for a removal that has just begun.
 * 0 and *ret (free with mcr_pins_free()); -ESTALE: there is no such memcg (any more); -ENOMEM, or what the kernel said.
 */
int mcr_pins_walk(struct mcr_pins_walker *w, uint64_t cgroup_id, struct mcr_pins **ret);

/*
 * The same for n memcgs, with one look at all pages for all of them together.  Fills pins (NULL at first, each freed by the
 * caller, also after a failure); NULL stays where there is no such memcg any more. 0, or errno as above.
 */
int mcr_pins_walk_all(struct mcr_pins_walker *w, const uint64_t *ids, size_t n, struct mcr_pins **pins);

/* How many times the walker has looked at all pages. */
unsigned int mcr_pins_walker_scans(const struct mcr_pins_walker *w);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/swapmove, driven by hand.  CGROUP and OWNER are directories of cgroups; each prints one line.
 *
 *	mcr-swap room CGROUP		how much may be pushed out of it
 *	mcr-swap out CGROUP		pushes out what it is charged
 *	mcr-swap in OWNER PATH		has all of an object read by a process in the owner's cgroup
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "fileio.h"
#include "pins.h"
#include "shmobject.h"
#include "swapmove.h"
#include "util.h"

static int die(const char *what, int r)
{
	fprintf(stderr, "mcr-swap: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(2);
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static int room(const char *cgroup)
{
	uint64_t bytes;
	int r = mcr_swap_room(open_dir(cgroup), &bytes);

	if (r < 0)
		die(cgroup, r);
	printf("room=%" PRIu64 "\n", bytes);
	return 0;
}

static int out(const char *cgroup)
{
	uint64_t begin = mcr_now_ns();
	struct mcr_swap_out_result res;
	int r = mcr_swap_out(open_dir(cgroup), 0, &res);

	printf("r=%d out=%" PRIu64 " left=%" PRIu64 " refusal=%s writes=%u usec=%" PRIu64 "\n", r, res.out_bytes, res.left_bytes,
	       mcr_refusal_name(res.refusal), res.writes, (mcr_now_ns() - begin) / 1000);
	return r < 0 ? 2 : !!res.refusal;
}

static int in(const char *owner, const char *path)
{
	struct mcr_shmobject o = MCR_SHMOBJECT_INIT;
	enum mcr_refusal refusal = MCR_REFUSED_NOT;
	struct mcr_swap_in_result res = { 0 };
	struct mcr_range all = { 0 };
	uint64_t begin;
	int r = strncmp(path, "sysv:", 5) == 0 ? mcr_shmobject_open_sysv_to_read(atoi(path + 5), &o, &refusal) :
						 mcr_shmobject_open_to_read(path, &o, &refusal);

	if (r)
		die(r < 0 ? path : mcr_refusal_name(refusal), r < 0 ? r : EINVAL);
	all.len = o.size;
	begin = mcr_now_ns();
	r = mcr_swap_in(open_dir(owner), o.fd, &all, 1, -1, &res);
	printf("r=%d read=%" PRIu64 " moved=%" PRIu64 " refusal=%s cpu=%d usec=%" PRIu64 "\n", r, res.read_bytes, res.moved_bytes,
	       mcr_refusal_name(res.refusal), res.cpu, (mcr_now_ns() - begin) / 1000);
	mcr_shmobject_close(&o);
	return r < 0 ? 2 : r;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (argc == 3 && strcmp(verb, "room") == 0)
		return room(argv[2]);
	if (argc == 3 && strcmp(verb, "out") == 0)
		return out(argv[2]);
	if (argc == 4 && strcmp(verb, "in") == 0)
		return in(argv[2], argv[3]);
	return 2;
}

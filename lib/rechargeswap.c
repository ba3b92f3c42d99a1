/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargeswap.h"

#include <string.h>

#include "cgroup.h"
#include "fileio.h"
#include "pins.h"
#include "reach.h"
#include "shmobject.h"
#include "swapflush.h"
#include "swapmove.h"
#include "util.h"

#define WAIT_USEC (10 * MCR_USEC_PER_SEC)
#define POLL_USEC 2000			/* users who come first pay: not much longer than reading a part back takes */
#define OWNER_ROOM_BYTES (2ULL << 20)

/* ---- What is to be moved ---- */

static void object_done(struct mcr_swap_object *o)
{
	free(o->name);
	free(o->ranges);
	close_fd(o->fd);
	close_fd(o->owner_fd);
}

void mcr_swaprun_done(struct mcr_swaprun *s)
{
	for (size_t i = 0; i < s->n; i++)
		object_done(&s->objects[i]);
	free(s->objects);
	s->objects = NULL;
	s->n = 0;
}

/* Of those that the same owner would pay for as well; several descriptors may be of one cgroup. */
static uint64_t planned_bytes(const struct mcr_swaprun *s, int owner_fd)
{
	uint64_t sum = 0, mine = 0, other;

	mcr_cgroup_id(owner_fd, &mine);
	for (size_t i = 0; i < s->n; i++)
		if (mcr_cgroup_id(s->objects[i].owner_fd, &other) == 0 && other == mine)
			sum += s->objects[i].bytes;
	return sum;
}

static uint64_t out_bytes(const struct mcr_swaprun *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->objects[i].stays_bytes;
	return sum;
}

static int owner_room(const struct mcr_swaprun *s, const struct mcr_pin *p, int owner_fd, enum mcr_refusal *ret_refusal)
{
	uint64_t room, need = planned_bytes(s, owner_fd) + p->bytes + p->swap_bytes + OWNER_ROOM_BYTES;
	int r = mcr_headroom(owner_fd, &room);

	if (r == -ENODEV)
		*ret_refusal = MCR_REFUSED_OWNER_GONE;
	else if (r == 0 && room < need)
		*ret_refusal = MCR_REFUSED_OWNER_LIMIT;
	else
		return r;
	return 1;
}

int mcr_swaprun_room(const struct mcr_swaprun *s, const struct mcr_pin *p, int owner_fd, bool dead,
		     enum mcr_refusal *ret_refusal)
{
	auto_(closep) int fd = dead ? -EBADF : mcr_cgroup_open_id(s->h, s->cgroup_id);
	uint64_t room = 0;
	int r = owner_room(s, p, owner_fd, ret_refusal);

	if (r != 0)
		return r;
	if (!dead && p->locked) {	/* it would go out in vain, but for the locked part */
		*ret_refusal = MCR_REFUSED_STAYS;
		return 1;
	}
	if (!mcr_swap_is_quiet(dead ? p->swap_bytes : 0)) {
		*ret_refusal = MCR_REFUSED_PRESSURE;
		return 1;
	}
	if (dead || fd < 0)
		return dead ? 0 : fd;
	r = mcr_swap_room(fd, &room);
	if (r < 0)
		return r;
	if (room < out_bytes(s) + p->bytes) {
		*ret_refusal = MCR_REFUSED_NO_SWAP;
		return 1;
	}
	return 0;
}

static int note_pin(struct mcr_swap_object *o, const struct mcr_pin *p)
{
	struct mcr_range *ranges = p->n_swap_ranges ? reallocarray(NULL, p->n_swap_ranges, sizeof(*ranges)) : NULL;

	if (p->n_swap_ranges && !ranges)
		return -ENOMEM;
	if (ranges)
		memcpy(ranges, p->swap_ranges, p->n_swap_ranges * sizeof(*ranges));
	free(o->ranges);
	o->ranges = ranges;
	o->n_ranges = p->n_swap_ranges;
	o->stays_bytes = p->bytes;
	o->bytes = p->bytes + p->swap_bytes;
	return 0;
}

static int fill(const struct mcr_swaprun *s, struct mcr_swap_object *o, const struct mcr_pin *p, enum mcr_refusal *ret_refusal)
{
	struct mcr_shmobject object = MCR_SHMOBJECT_INIT;
	int r = mcr_reach_open_to_read("/proc", p, s->walk, &object, ret_refusal);

	if (r != 0)
		return r;
	o->fd = object.fd;
	o->dev = p->dev;
	o->ino = p->ino;
	o->kind = mcr_pin_kind_name(p->kind);
	o->name = p->name ? strdup(p->name) : NULL;
	return p->name && !o->name ? -ENOMEM : note_pin(o, p);
}

int mcr_swaprun_add(struct mcr_swaprun *s, const struct mcr_pin *p, int owner_fd, enum mcr_refusal because,
		    enum mcr_refusal *ret_refusal)
{
	struct mcr_swap_object o = { .fd = -EBADF, .owner_fd = owner_fd, .because = because }, *bigger;
	int r = fill(s, &o, p, ret_refusal);

	bigger = r == 0 ? reallocarray(s->objects, s->n + 1, sizeof(*bigger)) : NULL;
	if (r == 0 && !bigger)
		r = -ENOMEM;
	if (r != 0) {
		object_done(&o);
		return r;
	}
	s->objects = bigger;
	s->objects[s->n++] = o;
	return 0;
}

static void refuse_all(struct mcr_swaprun *s, enum mcr_refusal refusal, int error)
{
	for (size_t i = 0; i < s->n; i++) {
		s->objects[i].refusal = refusal;
		s->objects[i].error = error;
	}
}

/* ---- Where it is ---- */

static struct mcr_swap_object *find(struct mcr_swaprun *s, const struct mcr_pin *p)
{
	for (size_t i = 0; i < s->n; i++)
		if (mcr_reach_is_shmem(p) && s->objects[i].dev == p->dev && s->objects[i].ino == p->ino)
			return &s->objects[i];
	return NULL;
}

/* Which parts of each are in swap by now, and how much is in memory. 0; -ESTALE: nothing is left of it; or errno. */
static int look(struct mcr_swaprun *s)
{
	auto_(mcr_pins_freep) struct mcr_pins *pins = NULL;
	int r = mcr_pins_walk(s->walker, s->cgroup_id, &pins);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n; i++)
		s->objects[i].n_ranges = s->objects[i].stays_bytes = s->objects[i].bytes = 0;
	for (size_t i = 0; r == 0 && i < pins->n; i++) {
		struct mcr_swap_object *o = find(s, &pins->pins[i]);

		if (o)
			r = note_pin(o, &pins->pins[i]);
	}
	return r;
}

static bool any_out(const struct mcr_swaprun *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->objects[i].n_ranges)
			return true;
	return false;
}

/* ---- Out, and the removal ---- */

/*
 * 0: it is removed; 1: it is not, and the objects say why; or errno.  A cgroup that is used again may stay so for
 * days: what is in swap comes back to it when it is asked for.
 */
static int wait_for_removal(struct mcr_swaprun *s)
{
	uint64_t end = mcr_now_ns() + (s->wait_usec ? s->wait_usec : WAIT_USEC) * MCR_NSEC_PER_USEC;

	while (mcr_now_ns() < end) {
		auto_(closep) int fd = mcr_cgroup_open_id(s->h, s->cgroup_id);

		if (fd == -ESTALE || fd == -ENOENT)
			return 0;
		if (fd < 0)
			return fd;
		if (mcr_cgroup_populated(fd) > 0)
			break;
		usleep(POLL_USEC);
	}
	refuse_all(s, MCR_REFUSED_NOT_REMOVED, 0);
	return 1;
}

static int push_out(struct mcr_swaprun *s, int fd)
{
	struct mcr_swap_out_result res;
	int r = mcr_swap_out(fd, 0, &res);

	s->out_bytes = res.out_bytes;
	s->stay_bytes = res.left_bytes;
	if (r == -ENODEV)	/* its time was over, and what is out is to be moved all the same */
		r = 0;
	if (r == 0)
		r = look(s);
	if (r < 0) {
		refuse_all(s, r == -EBUSY ? MCR_REFUSED_NOT_REMOVED : MCR_REFUSED_NOT, r == -EBUSY ? 0 : r);
		return 1;
	}
	if (any_out(s))
		return 0;
	refuse_all(s, res.refusal ? res.refusal : MCR_REFUSED_STAYS, 0);
	return 1;
}

/* As wait_for_removal(). */
static int leave(struct mcr_swaprun *s)
{
	auto_(closep) int fd = mcr_cgroup_open_id(s->h, s->cgroup_id);
	int r;

	if (fd == -ESTALE || fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	r = push_out(s, fd);
	if (r == 0)
		r = s->out ? s->out(s->userdata) : -EOPNOTSUPP;
	return r == 0 ? wait_for_removal(s) : r;
}

/* ---- Back in ---- */

static uint64_t bytes_of(const struct mcr_swap_object *o)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < o->n_ranges; i++)
		sum += o->ranges[i].len;
	return sum;
}

/* Returns the CPU it was done on. */
static int bring_in(struct mcr_swap_object *o, int cpu)
{
	struct mcr_swap_in_result res;
	int r = mcr_swap_in(o->owner_fd, o->fd, o->ranges, o->n_ranges, cpu, &res);

	o->moved_bytes = res.moved_bytes;
	o->refusal = res.refusal;
	o->error = r < 0 ? r : 0;
	if (r == 0 && o->stays_bytes)
		o->refusal = MCR_REFUSED_STAYS;
	else if (r == 0 && res.moved_bytes < bytes_of(o))
		o->refusal = MCR_REFUSED_USERS_FIRST;
	return res.cpu;
}

/* Of what was freed; UINT64_MAX: nobody can tell. */
static uint64_t kept_entries(struct mcr_swaprun *s)
{
	auto_(mcr_pins_freep) struct mcr_pins *pins = NULL;
	int r = mcr_pins_walk(s->walker, s->cgroup_id, &pins);

	if (r < 0)
		return r == -ESTALE ? 0 : UINT64_MAX;
	for (size_t i = 0; i < pins->n; i++)
		if (pins->pins[i].kind == MCR_PIN_SWAP)
			return pins->pins[i].freed;
	return 0;
}

/* First where it was read, which mostly is all; then wherever its users asked for it. */
static void flush(struct mcr_swaprun *s, int cpu)
{
	const int where[] = { cpu, -1 };

	for (size_t i = cpu < 0; i < ARRAY_SIZE(where); i++) {
		int n;

		s->left_entries = kept_entries(s);
		if (!s->left_entries)
			return;
		n = mcr_swap_flush(s->h, s->objects[0].owner_fd, where[i]);
		s->cpus_flushed += n > 0 ? n : 0;
	}
	s->left_entries = kept_entries(s);
}

int mcr_swaprun_go(struct mcr_swaprun *s)
{
	int r = s->n ? leave(s) : 1, cpu = -1;

	for (size_t i = 0; r == 0 && i < s->n; i++)
		if (s->objects[i].n_ranges)
			cpu = bring_in(&s->objects[i], cpu);
		else if (s->objects[i].stays_bytes)
			s->objects[i].refusal = MCR_REFUSED_STAYS;
	/* Part of it may have been under way to swap, where no object is told. */
	for (size_t i = 0; r == 0 && s->stay_bytes && i < s->n; i++)
		if (s->objects[i].refusal == MCR_REFUSED_USERS_FIRST)
			s->objects[i].refusal = MCR_REFUSED_STAYS;
	if (r == 0)
		flush(s, cpu);
	if (r < 0)
		refuse_all(s, MCR_REFUSED_NOT, r);
	return r < 0 ? r : 0;
}

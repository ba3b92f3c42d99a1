/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What pins memcgs, as lines of key=value for scenarios; the name comes last, as it is.
 *
 *	mcr-pins-dump [--no-scan] [--users] ID...	those with these ids
 *	mcr-pins-dump [--no-scan] [--users] --all	every dying one, and the sum
 *	mcr-pins-dump [--users] --together --all	the same, with one look at all pages of the machine at most
 *	mcr-pins-dump --for SECONDS ...			again and again
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "census.h"
#include "fileio.h"
#include "pins.h"
#include "users.h"
#include "util.h"

static uint64_t held, explained;
static bool show_users, together;

static void print_pin(const struct mcr_pin *p)
{
	printf("pin kind=%s refs=%" PRIu64 " bytes=%" PRIu64 " dirty=%" PRIu64 " mapped=%" PRIu64, mcr_pin_kind_name(p->kind),
	       p->refs, p->bytes, p->dirty_bytes, p->mapped_bytes);
	printf(" locked=%d large=%d", p->locked, p->large);
	if (p->ino)
		printf(" dev=%u:%u ino=%" PRIu64 " nlink=%" PRIu64 " size=%" PRIu64 " fstype=%s", major(p->dev), minor(p->dev),
		       p->ino, p->nlink, p->size, p->fstype);
	if (p->device[0])
		printf(" device=%s", p->device);
	if (p->kind == MCR_PIN_BLOCK_DEVICE)
		printf(" rdev=%u:%u", major(p->rdev), minor(p->rdev));
	if (p->kind == MCR_PIN_SYSV)
		printf(" shmid=%d key=%" PRIu32, p->shmid, p->key);
	if (p->pid || p->comm[0])
		printf(" pid=%d comm=%s", p->pid, p->comm);
	if (p->cgroup_id)
		printf(" cgroup=%" PRIu64, p->cgroup_id);
	if (p->count)
		printf(" count=%" PRIu64, p->count);
	if (p->kind == MCR_PIN_SWAP)
		printf(" in_files=%" PRIu64 " freed=%" PRIu64, p->in_files, p->freed);
	else if (p->swap_bytes)
		printf(" swapped=%" PRIu64, p->swap_bytes);
	for (size_t i = 0; i < p->n_ranges && i < 16; i++)
		printf("%s%" PRIu64 "+%" PRIu64, i ? "," : " ranges=", p->ranges[i].offset, p->ranges[i].len);
	if (p->ino && p->stat_dev != p->dev)
		printf(" stat_dev=%u:%u", major(p->stat_dev), minor(p->stat_dev));
	if (p->view)
		printf(" view=%d", p->view);
	if (p->name_cut)
		printf(" cut=1");
	printf("%s%s\n", p->name ? " name=" : "", p->name ? p->name : "");
}

static int print_users(const struct mcr_pins *p)
{
	auto_(mcr_users_freep) struct mcr_users *u = NULL;
	int r = mcr_users_find("/proc", p, &u);

	for (size_t i = 0; r == 0 && i < u->n; i++) {
		const struct mcr_user *user = &u->users[i];

		printf("user kind=%s ino=%" PRIu64 " pid=%d comm=%s mapped=%" PRIu64 " fds=%u cgroup=%s\n",
		       mcr_pin_kind_name(p->pins[user->pin].kind), p->pins[user->pin].ino, user->pid, user->comm,
		       user->mapped_bytes, user->fds, user->cgroup ? user->cgroup : "-");
	}
	return r;
}

static int print_pins(const struct mcr_pins *p, uint64_t id, const char *path)
{
	printf("memcg id=%" PRIu64 " dying=%d held=%" PRIu64 " explained=%" PRIu64 " complete=%d scanned=%d pages=%" PRIu64
	       " path=%s\n", id, p->dying, p->refs_held, p->refs_explained, p->complete, p->scanned, p->pages, path);
	for (size_t i = 0; i < p->n; i++)
		print_pin(&p->pins[i]);
	held += p->refs_held;
	explained += p->refs_explained;
	return show_users ? print_users(p) : 0;
}

static int dump(struct mcr_pins_walker *w, uint64_t id, const char *path)
{
	auto_(mcr_pins_freep) struct mcr_pins *p = NULL;
	int r = mcr_pins_walk(w, id, &p);

	if (r < 0)
		printf("memcg id=%" PRIu64 " error=%s\n", id, strerror(-r));
	return r < 0 ? r : print_pins(p, id, path);
}

/* All zombies, with one scan at most. */
static int dump_together(struct mcr_pins_walker *w, const struct mcr_census *c)
{
	struct mcr_pins **pins = calloc(c->n + 1, sizeof(struct mcr_pins *));
	uint64_t *ids = calloc(c->n + 1, sizeof(*ids));
	unsigned int before = mcr_pins_walker_scans(w);
	int r = pins && ids ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < c->n; i++)
		ids[i] = c->zombies[i].id;
	if (r == 0)
		r = mcr_pins_walk_all(w, ids, c->n, pins);
	for (size_t i = 0; pins && i < c->n; i++) {
		if (r == 0 && pins[i])
			print_pins(pins[i], ids[i], c->zombies[i].path);
		mcr_pins_free(pins[i]);
	}
	printf("scans=%u\n", mcr_pins_walker_scans(w) - before);
	free(pins);
	free(ids);
	return r;
}

static int dump_all(struct mcr_pins_walker *w)
{
	static struct mcr_census_walker *cw;
	auto_(mcr_census_freep) struct mcr_census *c = NULL;
	int r = cw ? 0 : mcr_census_walker_new(&cw, NULL);

	held = explained = 0;
	if (r == 0)
		r = mcr_census_walk(cw, &c);
	if (r < 0)
		return r;
	if (together)
		r = dump_together(w, c);
	for (size_t i = 0; !together && i < c->n; i++)
		dump(w, c->zombies[i].id, c->zombies[i].path);
	printf("total zombies=%zu held=%" PRIu64 " explained=%" PRIu64 "\n", c->n, held, explained);
	return r;
}

static void begin_loop(const char *seconds, uint64_t *until)
{
	if (!*until)
		*until = mcr_now_ns() + strtoul(seconds, NULL, 10) * MCR_NSEC_PER_SEC;
}

/* One pass over the arguments. */
static int pass(struct mcr_pins_walker *w, int argc, char **argv, uint64_t *until)
{
	int r = 0;

	printf("pass\n");
	for (int i = 1; i < argc; i++) {
		uint64_t id;

		if (strcmp(argv[i], "--no-scan") == 0)
			mcr_pins_walker_scan(w, false);
		else if (strcmp(argv[i], "--users") == 0)
			show_users = true;
		else if (strcmp(argv[i], "--together") == 0)
			together = true;
		else if (strcmp(argv[i], "--all") == 0)
			r = dump_all(w);
		else if (strcmp(argv[i], "--for") == 0 && i + 1 < argc)
			begin_loop(argv[++i], until);
		else if (mcr_parse_u64(argv[i], &id) == 0)
			r = dump(w, id, "");
	}
	return r;
}

int main(int argc, char **argv)
{
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *w = NULL;
	const char *why = "";
	uint64_t until = 0;
	int r = mcr_pins_walker_new(&w, &why);

	if (r < 0) {
		fprintf(stderr, "mcr-pins-dump: %s: %s\n", strerror(-r), why);
		return 1;
	}
	do {
		r = pass(w, argc, argv, &until);
	} while (mcr_now_ns() < until);
	return r < 0;
}

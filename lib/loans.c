/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loans.h"

#include <string.h>

#include "util.h"

/* ---- Ends ---- */

static void lent_done(struct mcr_lent *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->loans[i].cgroup);
	free(o->loans);
	free(o->name);
}

void mcr_loans_done(struct mcr_loans *l)
{
	for (size_t i = 0; i < l->n_lent; i++)
		lent_done(&l->lent[i]);
	for (size_t i = 0; i < l->n_borrowers; i++)
		free(l->borrowers[i].cgroup);
	free(l->lent);
	free(l->borrowers);
	*l = (struct mcr_loans){ 0 };
}

/* ---- Finding ---- */

static int by_key(const void *a, const void *b)
{
	const struct mcr_lent_key *x = &((const struct mcr_lent *)a)->key, *y = &((const struct mcr_lent *)b)->key;

	if (x->owner_id != y->owner_id)
		return x->owner_id < y->owner_id ? -1 : 1;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

/* The number of those that are sorted: what a sample adds comes after them. */
static struct mcr_lent *find_lent(const struct mcr_loans *l, const struct mcr_lent_key *key, size_t sorted)
{
	const struct mcr_lent wanted = { .key = *key };

	return sorted ? bsearch(&wanted, l->lent, sorted, sizeof(wanted), by_key) : NULL;
}

const struct mcr_lent *mcr_loans_find(const struct mcr_loans *l, const struct mcr_lent_key *key)
{
	return find_lent(l, key, l->n_lent);
}

static struct mcr_loan *find_loan(const struct mcr_lent *o, const char *cgroup)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->loans[i].cgroup, cgroup) == 0)
			return &o->loans[i];
	return NULL;
}

const struct mcr_loan *mcr_lent_find(const struct mcr_lent *lent, const char *cgroup)
{
	return find_loan(lent, cgroup);
}

static int by_cgroup(const void *a, const void *b)
{
	return strcmp(((const struct mcr_borrower_sum *)a)->cgroup, ((const struct mcr_borrower_sum *)b)->cgroup);
}

static struct mcr_borrower_sum *find_borrower(const struct mcr_loans *l, const char *cgroup)
{
	const struct mcr_borrower_sum wanted = { .cgroup = (char *)cgroup };

	return l->n_borrowers ? bsearch(&wanted, l->borrowers, l->n_borrowers, sizeof(wanted), by_cgroup) : NULL;
}

/* ---- Counting ---- */

static void count(struct mcr_sampled *s, uint64_t now, uint64_t bytes)
{
	if (!s->first_usec)
		s->first_usec = now;
	s->last_usec = now;
	s->samples++;
	s->bytes = bytes;
	s->sum_bytes += bytes;
	if (bytes > s->peak_bytes)
		s->peak_bytes = bytes;
}

/* A place for one more loan: a new one, or that of the one that ended first. NULL: all are as of now. */
static struct mcr_loan *loan_place(struct mcr_lent *o, uint64_t now)
{
	struct mcr_loan *oldest = NULL;

	if (o->n < MCR_LOANS_MAX)
		return &o->loans[o->n++];
	for (size_t i = 0; i < o->n; i++)
		if (o->loans[i].s.last_usec != now && (!oldest || o->loans[i].s.last_usec < oldest->s.last_usec))
			oldest = &o->loans[i];
	if (oldest)
		free(oldest->cgroup);
	return oldest;
}

static int note_loan(struct mcr_lent *o, uint64_t now, const struct mcr_borrower *b)
{
	struct mcr_loan *loan = find_loan(o, b->cgroup);

	if (!loan) {
		char *cgroup = strdup(b->cgroup);

		if (!cgroup)
			return -ENOMEM;
		loan = loan_place(o, now);
		if (!loan) {
			free(cgroup);
			o->beyond++;
			return 0;
		}
		*loan = (struct mcr_loan){ .cgroup = cgroup };
	}
	count(&loan->s, now, b->mapped_bytes);
	loan->processes = b->processes;
	return 0;
}

/* What is unknown changes nothing: it may be as it was. */
static void note_use(struct mcr_lent *o, uint64_t now, enum mcr_object_use use)
{
	bool nobody = use == MCR_OBJECT_UNUSED || use == MCR_OBJECT_LOST;

	o->use = use;
	if (use == MCR_OBJECT_UNKNOWN)
		return;
	if (!nobody)
		o->unborrowed_usec = 0;
	else if (!o->unborrowed_usec)
		o->unborrowed_usec = now;
	if (use != MCR_OBJECT_LOST)
		o->lost_usec = 0;
	else if (!o->lost_usec)
		o->lost_usec = now;
}

static int note_lent(struct mcr_lent *o, uint64_t now, const struct mcr_lent_seen *seen)
{
	if (o->s.last_usec == now)
		return 0;	/* twice in one sample */
	if (!o->loans && !(o->loans = calloc(MCR_LOANS_MAX, sizeof(*o->loans))))
		return -ENOMEM;
	if (!o->name && seen->name && !(o->name = strdup(seen->name)))
		return -ENOMEM;
	count(&o->s, now, seen->bytes);
	note_use(o, now, seen->use);
	o->missed = 0;
	o->beyond = 0;
	for (size_t i = 0; i < seen->n; i++) {
		int r = note_loan(o, now, &seen->borrowers[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int note_objects(struct mcr_loans *l, uint64_t now, const struct mcr_lent_seen *seen, size_t n)
{
	size_t sorted = l->n_lent;
	int r = 0;

	if (!l->lent && !(l->lent = calloc(MCR_LENT_MAX, sizeof(*l->lent))))
		return -ENOMEM;
	l->beyond = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct mcr_lent *o = find_lent(l, &seen[i].key, sorted);

		if (!o && l->n_lent == MCR_LENT_MAX) {
			l->beyond++;
			continue;
		}
		if (!o) {
			o = &l->lent[l->n_lent++];
			*o = (struct mcr_lent){ .key = seen[i].key };
		}
		r = note_lent(o, now, &seen[i]);
	}
	return r;
}

void mcr_loans_order(struct mcr_loans *l)
{
	if (l->n_lent)
		qsort(l->lent, l->n_lent, sizeof(*l->lent), by_key);
	if (l->n_borrowers)
		qsort(l->borrowers, l->n_borrowers, sizeof(*l->borrowers), by_cgroup);
}

/* ---- Forgetting ---- */

static void forget_gone(struct mcr_loans *l, uint64_t now, bool complete)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_lent; i++) {
		struct mcr_lent *o = &l->lent[i];

		if (o->s.last_usec != now && (complete || ++o->missed > MCR_LENT_MISSED_MAX))
			lent_done(o);
		else
			l->lent[n++] = *o;
	}
	l->n_lent = n;
	mcr_loans_order(l);
}

/* ---- Sums by cgroup ---- */

/* Adds a loan to the sum of this sample. Those there already are sorted; a new one is put in its place. */
static int add_to_borrower(struct mcr_loans *l, const struct mcr_loan *loan, uint64_t now)
{
	struct mcr_borrower_sum *b = find_borrower(l, loan->cgroup);
	size_t at = l->n_borrowers;

	if (!b && l->n_borrowers == MCR_BORROWERS_MAX)
		return 0;
	if (!b) {
		char *cgroup = strdup(loan->cgroup);

		if (!cgroup)
			return -ENOMEM;
		while (at > 0 && strcmp(l->borrowers[at - 1].cgroup, cgroup) > 0)
			at--;
		b = &l->borrowers[at];
		memmove(b + 1, b, (l->n_borrowers++ - at) * sizeof(*b));
		*b = (struct mcr_borrower_sum){ .cgroup = cgroup };
	}
	b->has_loans = true;
	if (loan->s.last_usec != now)
		return 0;
	if (b->s.last_usec != now) {
		count(&b->s, now, 0);
		b->objects = 0;
	}
	b->objects++;
	b->s.bytes += loan->s.bytes;
	return 0;
}

static void forget_borrowers(struct mcr_loans *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_borrowers; i++) {
		if (l->borrowers[i].has_loans)
			l->borrowers[n++] = l->borrowers[i];
		else
			free(l->borrowers[i].cgroup);
	}
	l->n_borrowers = n;
}

static int sum_by_cgroup(struct mcr_loans *l, uint64_t now)
{
	int r = 0;

	if (!l->borrowers && !(l->borrowers = calloc(MCR_BORROWERS_MAX, sizeof(*l->borrowers))))
		return -ENOMEM;
	for (size_t i = 0; i < l->n_borrowers; i++)
		l->borrowers[i].has_loans = false;
	for (size_t i = 0; i < l->n_lent; i++)
		for (size_t k = 0; r == 0 && k < l->lent[i].n; k++)
			r = add_to_borrower(l, &l->lent[i].loans[k], now);
	for (size_t i = 0; i < l->n_borrowers; i++) {
		struct mcr_sampled *s = &l->borrowers[i].s;

		if (s->last_usec != now)
			continue;
		s->sum_bytes += s->bytes;
		if (s->bytes > s->peak_bytes)
			s->peak_bytes = s->bytes;
	}
	forget_borrowers(l);
	return r;
}

int mcr_loans_note(struct mcr_loans *l, uint64_t now_usec, const struct mcr_lent_seen *seen, size_t n, bool complete)
{
	uint64_t bytes = 0;
	int r = note_objects(l, now_usec, seen, n);

	for (size_t i = 0; i < n; i++)
		bytes += seen[i].bytes;
	count(&l->s, now_usec, bytes);
	forget_gone(l, now_usec, complete);
	return r < 0 ? r : sum_by_cgroup(l, now_usec);
}

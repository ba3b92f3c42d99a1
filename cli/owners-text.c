/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memcg-reaper owners, for people: one screen; JSON has all. */
#include "owners.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "ledger.h"
#include "pinword.h"
#include "util.h"

#define BORROWERS_SHOWN 4
#define FORMER_SHOWN 2
#define OBJECTS_SHOWN 20

static const char *const use_texts[] = {
	[MCR_OBJECT_UNUSED] = "nobody has it now; it has a name by which somebody may come back",
	[MCR_OBJECT_LOST] = "nobody has it, and it has no name: nobody can reach it again",
	[MCR_OBJECT_UNKNOWN] = "nobody was seen, but not every process could be looked into",
	[MCR_OBJECT_NONE] = NULL,
};

const char *owners_ago(const struct owners_view *v, uint64_t usec)
{
	static char texts[4][48];
	static unsigned int next;
	char *text = texts[next++ % ARRAY_SIZE(texts)];

	snprintf(text, sizeof(texts[0]), "%s ago", human_seconds((v->now_usec > usec ? v->now_usec - usec : 0) / MCR_USEC_PER_SEC));
	return text;
}

const char *owners_sampled_text(const struct owners_view *v, const struct mcr_sampled *s, uint64_t of)
{
	static char text[160];

	*text = '\0';
	if (v->past && s)
		snprintf(text, sizeof(text), "; in %" PRIu64 " of %" PRIu64 " samples, %s on average, %s at most", s->samples, of,
			 human_bytes(mcr_sampled_average(s)), human_bytes(s->peak_bytes));
	return text;
}

void owners_print_past(const struct owners_view *v)
{
	if (!v->past)
		return;
	printf("%" PRIu64 " samples, the first %s, the last %s: %zu objects", v->past->s.samples, owners_ago(v, v->past->s.first_usec),
	       owners_ago(v, v->past->s.last_usec), v->past->n_lent);
	if (v->past->beyond)
		printf(", and %" PRIu64 " more than are kept", v->past->beyond);
	printf("; the last one took %.1f ms of CPU\n", v->past->cost_usec / 1000.0);
}

static void print_borrower(const struct owners_view *v, const struct mcr_borrower *b, const struct mcr_lent *past, char rail)
{
	const struct mcr_loan *loan = past ? mcr_lent_find(past, b->cgroup) : NULL;

	printf("  %c      borrowed by %s: ", rail, *b->cgroup ? printable(b->cgroup) : "a process that is gone");
	if (b->mapped_bytes)
		printf("maps %s, ", human_bytes(b->mapped_bytes));
	else
		printf("has it open, ");
	printf("%u process%s%s\n", b->processes, b->processes == 1 ? "" : "es",
	       owners_sampled_text(v, loan ? &loan->s : NULL, past ? past->s.samples : 0));
}

static bool borrows_now(const struct owners_view *v, size_t pin, const char *cgroup)
{
	const struct mcr_ledger *l = v->look->ledger;

	for (size_t i = 0; i < l->n; i++)
		if (l->borrowers[i].pin == pin && strcmp(l->borrowers[i].cgroup, cgroup) == 0)
			return true;
	return false;
}

static void print_former(const struct owners_view *v, const struct mcr_lent *past, size_t pin, char rail)
{
	size_t n = 0;

	for (size_t i = 0; past && i < past->n; i++) {
		const struct mcr_loan *loan = &past->loans[i];

		if (borrows_now(v, pin, loan->cgroup) || n++ >= FORMER_SHOWN)
			continue;
		printf("  %c      no more by %s, last seen %s%s\n", rail,
		       *loan->cgroup ? printable(loan->cgroup) : "a process that was gone", owners_ago(v, loan->s.last_usec),
		       owners_sampled_text(v, &loan->s, past->s.samples));
	}
	if (n > FORMER_SHOWN)
		printf("  %c      and no more by %zu others\n", rail, n - FORMER_SHOWN);
}

static void print_borrowers(const struct owners_view *v, const struct mcr_lent *past, size_t pin, char rail)
{
	const struct mcr_ledger *l = v->look->ledger;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->borrowers[i].pin == pin && n++ < BORROWERS_SHOWN)
			print_borrower(v, &l->borrowers[i], past, rail);
	if (n > BORROWERS_SHOWN)
		printf("  %c      and by %zu more\n", rail, n - BORROWERS_SHOWN);
	print_former(v, past, pin, rail);
}

static void print_use(const struct owners_view *v, const struct mcr_lent *past, enum mcr_object_use use, char rail)
{
	uint64_t since = use == MCR_OBJECT_LOST ? owners_lost_usec(past, use) : owners_unborrowed_usec(past, use);

	if (use_texts[use])
		printf("  %c      %s%s%s\n", rail, use_texts[use], since ? ", since " : "", since ? owners_ago(v, since) : "");
}

static void print_object(const struct owners_view *v, const struct mcr_owner_seen *o, size_t i)
{
	size_t pin = o->first + i;
	enum mcr_object_use use = mcr_ledger_use(v->look->ledger, &v->look->all, v->look->users, pin);
	const struct mcr_pin *p = &o->pins->pins[i];
	const struct mcr_lent *past = owners_past(v, o, p);
	char words[256], rail = i + 1 == o->pins->n ? ' ' : '|';

	printf("  %s %7s  %s\n", rail == ' ' ? "\\-" : "|-", human_bytes(p->bytes),
	       printable(mcr_pin_words(p, words, sizeof(words))));
	print_borrowers(v, past, pin, rail);
	print_use(v, past, use, rail);
}

static void print_owner(const struct owners_view *v, const struct mcr_owner_seen *o)
{
	size_t shown = o->pins->n < OBJECTS_SHOWN ? o->pins->n : OBJECTS_SHOWN;

	printf("%s: pays for %s", printable(o->path), human_bytes(o->current_bytes));
	if (o->swap_bytes)
		printf(" and %s in swap", human_bytes(o->swap_bytes));
	if (o->max_bytes != UINT64_MAX)
		printf(" of at most %s", human_bytes(o->max_bytes));
	printf(", %zu objects%s\n", o->pins->n, o->pins->complete ? "" : "; incomplete: it changed meanwhile");
	for (size_t i = 0; i < shown; i++)
		print_object(v, o, i);
	if (o->pins->n > shown)
		printf("  \\- and %zu more, see --json\n", o->pins->n - shown);
}

void owners_print(const struct owners_view *v)
{
	for (size_t i = 0; i < v->look->n; i++)
		print_owner(v, &v->look->owners[i]);
	if (v->look->n == 0 && !v->look->error)
		puts("no owner groups: nothing was recharged (Recharge= in reaper.conf)");
	else
		owners_print_past(v);
}

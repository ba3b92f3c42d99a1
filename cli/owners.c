/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcg-reaper owners: what the owner groups pay for, and which cgroups borrow how much of each object; with --sample it is taken down
 * (owners-sample.c).
 */
#include "owners.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "hierarchy.h"
#include "loansample.h"
#include "loansfile.h"
#include "parse.h"
#include "util.h"

#define INTERVAL_MAX_USEC (24 * 3600 * MCR_USEC_PER_SEC)

struct asked {
	bool json, by_borrower, sample, help;
	uint64_t interval_usec;
};

const struct mcr_lent *owners_past(const struct owners_view *v, const struct mcr_owner_seen *o, const struct mcr_pin *p)
{
	const struct mcr_lent_key key = owners_key(o, p);

	return v->past ? mcr_loans_find(v->past, &key) : NULL;
}

uint64_t owners_lost_usec(const struct mcr_lent *past, enum mcr_object_use use)
{
	return past && use == MCR_OBJECT_LOST ? past->lost_usec : 0;
}

uint64_t owners_unborrowed_usec(const struct mcr_lent *past, enum mcr_object_use use)
{
	return past && (use == MCR_OBJECT_LOST || use == MCR_OBJECT_UNUSED) ? past->unborrowed_usec : 0;
}

/* ---- Showing ---- */

static int read_past(const char *dir, struct mcr_loans *ret)
{
	auto_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? fd : mcr_loans_read(fd, MCR_LOANS_FILE, ret);
}

static int show(const struct asked *a, const struct mcr_owner_look *look)
{
	struct mcr_loans past = { 0 }, now = { 0 };
	struct owners_view v = { .look = look, .now = &now, .now_usec = mcr_loans_now_usec() };
	int r = mcr_loans_sample(&now, look, v.now_usec);

	if (read_past(MCR_LOANS_DIR, &past) == 0 || read_past(MCR_LOANS_STATE_DIR, &past) == 0)
		v.past = &past;
	if (a->json)
		print_json(owners_json(&v));
	else if (a->by_borrower)
		owners_print_borrowers(&v);
	else
		owners_print(&v);
	mcr_loans_done(&past);
	mcr_loans_done(&now);
	return r;
}

static int run(const struct asked *a, const struct mcr_hierarchy *h)
{
	auto_(mcr_owner_look_freep) struct mcr_owner_look *look = NULL;
	auto_(mcr_pins_walker_freep) struct mcr_pins_walker *walker = NULL;
	struct mcr_config *c = read_config();
	const char *why = NULL;
	int r = mcr_owner_look(h, c, &walker, &look, &why);

	mcr_config_unref(c);
	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot look at pages: %s%s%s\n", why ? why : "", why ? ": " : "", strerror(-r));
		return CLI_FAILED;
	}
	r = show(a, look);
	if (look->error)
		fprintf(stderr, "memcg-reaper: not all could be looked at: %s\n", strerror(-look->error));
	if (look->beyond)
		fprintf(stderr, "memcg-reaper: %zu owners beyond the first %d were not looked at\n", look->beyond, MCR_OWNERS_MAX);
	return r < 0 ? CLI_FAILED : look->error || look->beyond ? CLI_PARTIAL : CLI_OK;
}

static bool parse_interval(const char *text, uint64_t *ret)
{
	if (mcr_parse_usec(text, ret) == 0 && *ret >= MCR_USEC_PER_SEC && *ret <= INTERVAL_MAX_USEC)
		return true;
	fprintf(stderr, "memcg-reaper: --sample=%s is no time between 1s and 1d\n", printable(text));
	return false;
}

static bool parse_args(int argc, char **argv, struct asked *ret)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
		{ "by-borrower", no_argument, NULL, 'b' }, { "sample", optional_argument, NULL, 's' },
		{ 0 },
	};
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == '?')
			return false;
		ret->json |= c == 'j';
		ret->help |= c == 'h';
		ret->by_borrower |= c == 'b';
		ret->sample |= c == 's';
		if (c == 's' && optarg && !parse_interval(optarg, &ret->interval_usec))
			return false;
	}
	return ret->help || (optind == argc && ret->json + ret->by_borrower + ret->sample <= 1);
}

int verb_owners(int argc, char **argv)
{
	auto_(mcr_hierarchy_freep) struct mcr_hierarchy *h = NULL;
	struct asked a = { 0 };
	int code = CLI_OK;

	if (!parse_args(argc, argv, &a) || a.help) {
		fputs("usage: memcg-reaper owners [--json | --by-borrower | --sample[=INTERVAL]]\n"
		      "  --by-borrower        what each cgroup borrows, instead of what each owner pays for\n"
		      "  --sample[=INTERVAL]  take down who borrows what, once or again and again, to be shown later\n", a.help ? stdout : stderr);
		return a.help ? CLI_OK : CLI_USAGE;
	}
	h = open_hierarchy(&code);
	if (!h)
		return code;
	return a.sample ? owners_sample(h, a.interval_usec) : run(&a, h);
}

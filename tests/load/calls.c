/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many calls at once over one connection to the bus, and how they were answered.
 *
 *	mcr-calls N METHOD ARG TIMEOUT_USEC	METHOD is DrainUnit or DrainCgroup
 *
 * Prints a line "COUNT ANSWER" for each different answer: the result's word, or the error's name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "util.h"

#define KINDS_MAX 16
#define PATIENCE_USEC (120 * MCR_USEC_PER_SEC)

struct tally {
	char kind[KINDS_MAX][128];
	unsigned int count[KINDS_MAX], n, answers;
};

static void add(struct tally *t, const char *kind)
{
	unsigned int i = 0;

	while (i < t->n && strcmp(t->kind[i], kind) != 0)
		i++;
	if (i == KINDS_MAX)
		i--;
	if (i == t->n)
		snprintf(t->kind[t->n++], sizeof(t->kind[0]), "%s", kind);
	t->count[i]++;
	t->answers++;
}

static int on_answer(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	const char *result = "?";
	struct tally *t = userdata;

	(void)error;
	if (sd_bus_message_is_method_error(answer, NULL))
		result = sd_bus_message_get_error(answer)->name;
	else
		sd_bus_message_read(answer, "s", &result);
	add(t, result);
	return 0;
}

static int run(sd_bus *bus, unsigned int n, const char *method, const char *arg, uint64_t timeout, struct tally *t)
{
	int r = 0;

	for (unsigned int i = 0; i < n && r >= 0; i++)
		r = sd_bus_call_method_async(bus, NULL, "org.memcgreaper1", "/org/memcgreaper1",
					     "org.memcgreaper1.Manager", method, on_answer, t, "st", arg, timeout);
	while (r >= 0 && t->answers < n) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct tally t = { .n = 0 };
	sd_bus *bus = NULL;
	int r;

	if (argc != 5) {
		fputs("usage: mcr-calls N METHOD ARG TIMEOUT_USEC\n", stderr);
		return 2;
	}
	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, PATIENCE_USEC);
	if (r >= 0)
		r = run(bus, strtoul(argv[1], NULL, 10), argv[2], argv[3], strtoull(argv[4], NULL, 10), &t);
	for (unsigned int i = 0; i < t.n; i++)
		printf("%u %s\n", t.count[i], t.kind[i]);
	sd_bus_flush_close_unref(bus);
	if (r < 0)
		fprintf(stderr, "mcr-calls: %s\n", strerror(-r));
	return r < 0;
}

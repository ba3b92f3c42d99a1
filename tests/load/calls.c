/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many calls at once over one connection to the bus, and how they were answered.
 *
 *	mcr-calls N METHOD ARG TIMEOUT_USEC	METHOD is DrainUnit or DrainCgroup
 *	mcr-calls N Explain ID
 *	mcr-calls N Recharge SOURCE OWNER	dry runs
 *
 * Prints a line "COUNT ANSWER" for each different answer: the result's word, or the error's name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "util.h"

#define KINDS_MAX 16
#define PATIENCE_USEC (600 * MCR_USEC_PER_SEC)

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
	add(t, *result == '{' ? "answered" : result);
	return 0;
}

/* One call; words are the method and its arguments. */
static int call(sd_bus *bus, char **words, struct tally *t)
{
	static const char name[] = "org.memcgreaper1", path[] = "/org/memcgreaper1", interface[] = "org.memcgreaper1.Manager";

	if (strcmp(words[0], "Explain") == 0)
		return sd_bus_call_method_async(bus, NULL, name, path, interface, words[0], on_answer, t, "t",
						(uint64_t)strtoull(words[1], NULL, 10));
	if (strcmp(words[0], "Recharge") == 0)
		return sd_bus_call_method_async(bus, NULL, name, path, interface, words[0], on_answer, t, "ssb", words[1],
						words[2], 1);
	return sd_bus_call_method_async(bus, NULL, name, path, interface, words[0], on_answer, t, "st", words[1],
					(uint64_t)strtoull(words[2], NULL, 10));
}

static int run(sd_bus *bus, unsigned int n, char **words, struct tally *t)
{
	int r = 0;

	for (unsigned int i = 0; i < n && r >= 0; i++)
		r = call(bus, words, t);
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

	if (argc != (argc > 2 && strcmp(argv[2], "Explain") == 0 ? 4 : 5)) {
		fputs("usage: mcr-calls N METHOD ARG [TIMEOUT_USEC|OWNER]\n", stderr);
		return 2;
	}
	r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, PATIENCE_USEC);
	if (r >= 0)
		r = run(bus, strtoul(argv[1], NULL, 10), argv + 2, &t);
	for (unsigned int i = 0; i < t.n; i++)
		printf("%u %s\n", t.count[i], t.kind[i]);
	sd_bus_flush_close_unref(bus);
	if (r < 0)
		fprintf(stderr, "mcr-calls: %s\n", strerror(-r));
	return r < 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "fileio.h"
#include "hierarchy.h"
#include "utf8.h"
#include "util.h"

#define BUFFERS 4

bool parse_flags(int argc, char **argv, bool dry_run_allowed, struct flags *ret, int *ret_rest)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ 0 },
	};
	struct flags f = { 0 };
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "hn", options, NULL)) >= 0) {
		if (c == 'j') {
			f.json = true;
		} else if (c == 'h') {
			f.help = true;
		} else if (c == 'n' && dry_run_allowed) {
			f.dry_run = true;
		} else {
			if (c == 'n')
				fprintf(stderr, "memcg-reaper %s: --dry-run means nothing here\n", argv[0]);
			return false;
		}
	}
	*ret = f;
	*ret_rest = optind;
	return true;
}

struct mcr_hierarchy *open_hierarchy(int *ret_code)
{
	struct mcr_hierarchy *h = NULL;
	const char *why = "";
	int r = mcr_hierarchy_find(&h, &why);

	if (r < 0) {
		fprintf(stderr, "memcg-reaper: cannot work here: %s\n", why);
		*ret_code = r == -EOPNOTSUPP || r == -ENODEV ? CLI_UNSUPPORTED : CLI_FAILED;
		return NULL;
	}
	return h;
}

static void complain(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	(void)userdata;
	fprintf(stderr, "%s:%u: %s%s%s\n", file, line, key, *key ? ": " : "", what);
}

struct mcr_config *read_config(void)
{
	auto_(freep) char *path = NULL;
	struct mcr_config *c = NULL;
	int r = mcr_config_load(NULL, NULL, complain, NULL, &c, &path);

	if (r >= 0)
		return c;
	fprintf(stderr, "memcg-reaper: cannot read %s: %s, using the defaults for everything\n",
		path ? path : "the configuration", strerror(-r));
	if (mcr_config_new(&c) == 0 && mcr_config_finish(c, NULL, NULL) < 0)
		c = mcr_config_unref(c);
	return c;
}

struct json_object *daemon_status(void)
{
	auto_(freep) char *text = NULL;
	struct json_object *o;
	uint64_t pid;

	if (mcr_read_all_at(AT_FDCWD, CLI_STATUS_FILE, &text) < 0)
		return NULL;
	o = json_tokener_parse(text);
	pid = o ? get_u64(o, "pid") : 0;
	/* A killed daemon leaves its file behind: what it says is not true any more. */
	if (pid == 0 || (kill(pid, 0) < 0 && errno == ESRCH)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static char *next_buffer(size_t *ret_size)
{
	static char buffers[BUFFERS][64];
	static unsigned int turn;

	*ret_size = sizeof(buffers[0]);
	return buffers[turn++ % BUFFERS];
}

const char *human_bytes(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double v = bytes;
	size_t u = 0, size;
	char *buf = next_buffer(&size);

	while (v >= 1000 && u + 1 < strlen(units)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, size, u && v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
	return buf;
}

const char *human_seconds(uint64_t s)
{
	size_t size;
	char *buf = next_buffer(&size);

	if (s >= 86400)
		snprintf(buf, size, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, size, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, size, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
	else
		snprintf(buf, size, "%" PRIu64 "s", s);
	return buf;
}

/* A backslash that would read as one of the escapes below: systemd's \x2d, for one, is none of them. */
static bool looks_escaped(const unsigned char *s)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;
	int byte;

	if (s[0] != '\\' || s[1] != 'x' || !s[2] || !s[3])
		return false;
	high = strchr(digits, s[2]);
	low = strchr(digits, s[3]);
	byte = high && low ? (high - digits) << 4 | (low - digits) : 'x';
	return byte <= ' ' || byte == '\\' || byte >= 0x7f;
}

/* C0 and C1 control characters, spaces nobody would see, and what could be taken for an escape. */
static bool must_escape(const char *name, const unsigned char *s)
{
	return *s < 0x20 || *s == 0x7f || looks_escaped(s) || (*s == 0xc2 && s[1] < 0xa0) ||
	       (*s == ' ' && (s == (const unsigned char *)name || !s[1]));
}

const char *printable(const char *name)
{
	static char buffers[BUFFERS][4 * (4096 + 256) + 1];	/* as long as a path in the kernel's answer can be */
	static unsigned int turn;
	const unsigned char *s = (const unsigned char *)name;
	char *buf = buffers[turn++ % BUFFERS];
	size_t used = 0;

	while (*s && used + 5 < sizeof(buffers[0])) {
		size_t n = mcr_utf8_len((const char *)s);

		if (n == 0 || must_escape(name, s)) {
			used += sprintf(buf + used, "\\x%02x", *s++);
			continue;
		}
		memcpy(buf + used, s, n);
		used += n;
		s += n;
	}
	buf[used] = '\0';
	return buf;
}

void print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

uint64_t get_u64(struct json_object *o, const char *key)
{
	return json_object_get_uint64(get(o, key));
}

const char *get_str(struct json_object *o, const char *key)
{
	return json_object_get_string(get(o, key));
}

bool get_bool(struct json_object *o, const char *key)
{
	return json_object_get_boolean(get(o, key));
}

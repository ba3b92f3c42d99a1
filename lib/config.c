/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <ctype.h>
#include <ini.h>
#include <string.h>

#include "fileio.h"
#include "parse.h"
#include "util.h"

/* What distribution builds of inih cut or refuse silently; here it is said. */
#define INIH_LINE_MAX 199
#define INIH_NAME_MAX 49

/* A year: far more than makes sense, far less than overflows as nanoseconds. */
#define USEC_MAX (366ULL * 86400 * 1000000)

typedef int (*parser)(const char *text, void *field);

static int to_usec(const char *text, void *field) { return mcr_parse_usec(text, field); }
static int to_bytes(const char *text, void *field) { return mcr_parse_bytes(text, field); }
static int to_number(const char *text, void *field) { return mcr_parse_u64(text, field); }
static int to_boolean(const char *text, void *field) { return mcr_parse_boolean(text, field); }
static int to_percent(const char *text, void *field) { return mcr_parse_percent(text, field); }

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static int append_word(char ***list, const char *word, size_t len)
{
	size_t n = 0;
	char **bigger;

	while (*list && (*list)[n])
		n++;
	bigger = realloc(*list, (n + 2) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	bigger[n] = strndup(word, len);
	bigger[n + 1] = NULL;
	return bigger[n] ? 0 : -ENOMEM;
}

/* Words add up over lines; an empty assignment begins anew. */
static int to_list(const char *text, void *field)
{
	char ***list = field;
	int r = 0;

	if (!*text) {
		free_list(*list);
		*list = NULL;
		return append_word(list, "", 0);	/* "nothing" is a list of its own */
	}
	for (text += strspn(text, " \t/"); *text && r == 0; text += strspn(text, " \t/")) {
		size_t len = strcspn(text, " \t");
		size_t trim = len;

		while (trim > 1 && text[trim - 1] == '/')
			trim--;
		r = append_word(list, text, trim);
		text += len;
	}
	return r;
}

struct key {
	const char *name;
	parser parse;
	size_t offset;
	const char *value;	/* the default, in the words of the file */
	uint64_t min;		/* for times, sizes and numbers */
};

#define FIELD(name) offsetof(struct mcr_config, name)

static const struct key keys[] = {
	{ "IntervalSec",	to_usec,    FIELD(interval_usec),	"30s",	1000000 },
	{ "GraceSec",		to_usec,    FIELD(grace_usec),		"10s",	0 },
	{ "HoldMaxSec",		to_usec,    FIELD(hold_max_usec),	"10s",	100000 },
	{ "HeartbeatMaxSec",	to_usec,    FIELD(heartbeat_max_usec),	"5s",	2000000 },
	{ "ReuseGraceSec",	to_usec,    FIELD(reuse_grace_usec),	"5s",	100000 },
	{ "RetrySec",		to_usec,    FIELD(retry_usec),		"1s",	0 },
	{ "WorkerMaxSec",	to_usec,    FIELD(worker_max_usec),	"20s",	100000 },
	{ "BudgetSec",		to_usec,    FIELD(budget_usec),		"5min",	1000000 },
	{ "PinnedRetrySec",	to_usec,    FIELD(pinned_retry_usec),	"10min", 1000000 },
	{ "HeldMax",		to_number,  FIELD(held_max),		"1024",	0 },
	{ "StepBytes",		to_bytes,   FIELD(step_bytes),		"32M",	4096 },
	{ "DrainMaxBytes",	to_bytes,   FIELD(drain_max_bytes),	"1G",	0 },
	{ "BudgetBytes",	to_bytes,   FIELD(budget_bytes),	"1G",	0 },
	{ "PressureMaxPct",	to_percent, FIELD(pressure_max_centi),	"10%",	0 },
	{ "AvailableMinPct",	to_percent, FIELD(available_min_centi),	"5%",	0 },
	{ "Gate",		to_boolean, FIELD(gate),		"yes",	0 },
	{ "Shield",		to_boolean, FIELD(shield),		"yes",	0 },
	{ "Sync",		to_boolean, FIELD(sync),		"yes",	0 },
	{ "SyncSec",		to_usec,    FIELD(sync_usec),		"5s",	1000000 },
	{ "SyncMaxBytes",	to_bytes,   FIELD(sync_max_bytes),	"256M",	0 },
	{ "DryRun",		to_boolean, FIELD(dry_run),		"no",	0 },
	{ "Cover",		to_list,    FIELD(cover),		"system.slice user.slice", 0 },
	{ "Except",		to_list,    FIELD(except),
	  "kubepods machine.slice docker libpod- crio- cri-containerd- containerd buildkit", 0 },
};

static int set(struct mcr_config *c, const struct key *k, const char *value)
{
	void *field = (char *)c + k->offset;
	uint64_t v;
	int r;

	if (k->parse == to_usec || k->parse == to_bytes || k->parse == to_number) {
		r = k->parse(value, &v);
		if (r == 0 && (v < k->min || (k->parse == to_usec && v > USEC_MAX)))
			r = -ERANGE;
		if (r == 0)
			*(uint64_t *)field = v;
		return r;
	}
	return k->parse(value, field);
}

int mcr_config_new(struct mcr_config **ret)
{
	auto_(mcr_config_freep) struct mcr_config *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int r = set(c, &keys[i], keys[i].value);

		if (r < 0)
			return r;
	}
	*ret = steal_ptr(c);
	return 0;
}

struct mcr_config *mcr_config_free(struct mcr_config *c)
{
	if (!c)
		return NULL;
	free_list(c->cover);
	free_list(c->except);
	free(c);
	return NULL;
}

struct reading {
	struct mcr_config *c;
	FILE *file;
	const char *path;
	unsigned int line;
	mcr_config_complaint complain;
	void *userdata;
	char *text;		/* the line at hand */
	size_t text_size;
	int complaints;
};

static void complain(struct reading *r, const char *key, const char *what)
{
	r->complaints++;
	if (r->complain)
		r->complain(r->path, r->line, key, what, r->userdata);
}

/* Is it a comment, a section, or an assignment, by its first and its = characters? */
static bool makes_sense(const char *line)
{
	const char end = *line == '[' ? ']' : '=';

	if (!*line || *line == '#' || *line == ';')
		return true;
	for (const char *p = line; *p && *p != end; p++)
		if (p > line && *p == ';' && isspace((unsigned char)p[-1]))
			return false;	/* the rest is a remark to inih */
	return strchr(line, end) != NULL;
}

/*
 * inih asks for a line at a time: so lines are counted here, and what it would cut, take for the end
 * of the file, or join to the line before is kept from it.
 */
static char *next_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	const char *start;
	ssize_t n;

	n = getline(&r->text, &r->text_size, r->file);
	if (n < 0)
		return NULL;
	r->line++;
	start = r->text;
	if (r->line == 1 && strncmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3;
	start += strspn(start, " \t\v\f\r");
	strcpy(buf, "\n");
	if (memchr(r->text, '\0', n))
		complain(r, "", "a NUL byte in the line, ignored");
	else if (n > INIH_LINE_MAX || n >= size)
		complain(r, "", "line is longer than 198 characters, ignored");
	else if (!makes_sense(start + strspn(start, "\r\n")))
		complain(r, "", "neither a section nor an assignment, ignored");
	else
		strcpy(buf, start);
	return buf;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;

	if (strcmp(section, "Reaper") != 0) {
		complain(r, name, "not in section [Reaper], ignored");
		return 1;
	}
	if (strlen(name) >= INIH_NAME_MAX) {
		complain(r, name, "name is too long, ignored");
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int e;

		if (strcmp(keys[i].name, name) != 0)
			continue;
		e = set(r->c, &keys[i], value);
		if (e == -ERANGE)
			complain(r, name, "value is out of range, keeping the one before");
		else if (e < 0)
			complain(r, name, "value is not understood, keeping the one before");
		return 1;
	}
	complain(r, name, "unknown key, ignored");
	return 1;
}

int mcr_config_read(struct mcr_config *c, const char *path, mcr_config_complaint complaint, void *userdata)
{
	auto_(fclosep) FILE *f = fopen(path, "re");
	struct reading r = { .c = c, .file = f, .path = path, .complain = complaint, .userdata = userdata };
	int first;

	if (!f)
		return -errno;
	first = ini_parse_stream(next_line, &r, on_key, &r);
	free(r.text);
	if (ferror(f))
		return -EIO;
	if (first == -2)
		return -ENOMEM;
	return r.complaints;
}

/* Does a component of path, between from and to, begin with one of the prefixes? */
static bool has_excepted(const struct mcr_config *c, const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		for (size_t i = 0; c->except && c->except[i]; i++)
			if (*c->except[i] && strncmp(p, c->except[i], strlen(c->except[i])) == 0)
				return true;
	}
	return false;
}

bool mcr_config_covers(const struct mcr_config *c, const char *path)
{
	path += strspn(path, "/");
	for (size_t i = 0; c->cover && c->cover[i]; i++) {
		size_t len = strlen(c->cover[i]);

		if (len && strncmp(path, c->cover[i], len) == 0 && (path[len] == '/' || !path[len]) &&
		    !has_excepted(c, path + len))
			return true;
	}
	return false;
}

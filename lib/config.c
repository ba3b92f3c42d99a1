/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/glob.h"
#include "conffiles.h"
#include "fileio.h"
#include "parse.h"
#include "policy.h"
#include "util.h"

/* A year: far more than makes sense, far less than overflows as nanoseconds. */
#define USEC_MAX (366ULL * 86400 * 1000000)
#define POLICY_SECTION "Policy "

/* How the value of a key is read into its field. */
typedef int (*parser)(const char *text, void *field);

static int to_usec(const char *text, void *field) { return mcr_parse_usec(text, field); }
static int to_bytes(const char *text, void *field) { return mcr_parse_bytes(text, field); }
static int to_number(const char *text, void *field) { return mcr_parse_u64(text, field); }
static int to_boolean(const char *text, void *field) { return mcr_parse_boolean(text, field); }
static int to_percent(const char *text, void *field) { return mcr_parse_percent(text, field); }

/* Takes word over, whatever comes of it. */
static int append_word(char ***list, char *word)
{
	size_t n = 0;
	char **bigger;

	while (*list && (*list)[n])
		n++;
	bigger = word ? realloc(*list, (n + 2) * sizeof(*bigger)) : NULL;
	if (!bigger) {
		free(word);
		return -ENOMEM;
	}
	*list = bigger;
	bigger[n] = word;
	bigger[n + 1] = NULL;
	return 0;
}

/* Takes one word as it is to be kept. 0 and *ret, -EINVAL or -ENOMEM. */
typedef int (*word_parser)(const char *word, char **ret);

static int as_is(const char *word, char **ret)
{
	*ret = strdup(word);
	return *ret ? 0 : -ENOMEM;
}

/* Names are compared with it one by one: none has a slash. */
static int to_prefix(const char *word, char **ret)
{
	return strchr(word, '/') ? -EINVAL : as_is(word, ret);
}

static int to_glob(const char *word, char **ret)
{
	if (strlen(word) >= GLOB_MAX || strpbrk(word, "/["))
		return -EINVAL;
	return as_is(word, ret);
}

static int split(const char *text, word_parser parse, char ***words)
{
	auto_(freep) char *copy = strdup(text);
	char *save, *word;
	int r = copy ? 0 : -ENOMEM;

	for (word = r < 0 ? NULL : strtok_r(copy, " \t", &save); word && r == 0; word = strtok_r(NULL, " \t", &save)) {
		char *kept = NULL;

		r = parse(word, &kept);
		if (r == 0)
			r = append_word(words, kept);
	}
	return r;
}

/* Words add up over lines; an empty assignment begins anew; one bad word leaves the list as it was. */
static int to_words(const char *text, char ***list, word_parser parse)
{
	auto_(strv_freep) char **words = NULL;
	int r = split(text, parse, &words);

	if (r == 0 && !words)
		*list = strv_free(*list);
	for (size_t i = 0; r == 0 && words && words[i]; i++) {
		char *word = strdup(words[i]);

		r = append_word(list, word);
	}
	return r;
}

static int to_prefixes(const char *text, void *field) { return to_words(text, field, to_prefix); }
static int to_slices(const char *text, void *field) { return to_words(text, field, mcr_slice_path); }
static int to_globs(const char *text, void *field) { return to_words(text, field, to_glob); }

/* "slice" and "user" are rules, everything else is a cgroup's name. */
static int to_owner(const char *text, void *field)
{
	char **owner = field, *fresh = NULL;
	int r;

	if (!*text || strcmp(text, "slice") == 0 || strcmp(text, "user") == 0)
		r = as_is(text, &fresh);
	else
		r = strpbrk(text, " \t") ? -EINVAL : mcr_slice_path(text, &fresh);
	if (r < 0)
		return r;
	free(*owner);
	*owner = fresh;
	return 0;
}

struct key {
	const char *name;
	parser parse;
	size_t offset;
	const char *value;	/* the default, in the words of the file */
	uint64_t min;		/* for times, sizes and numbers */
};

#define FIELD(name) offsetof(struct mcr_config, name)

static const struct key reaper_keys[] = {
	{ "IntervalSec",	to_usec,     FIELD(interval_usec),	"30s",	1000000 },
	{ "GraceSec",		to_usec,     FIELD(grace_usec),		"10s",	0 },
	{ "PinnedRetrySec",	to_usec,     FIELD(pinned_retry_usec),	"10min",	1000000 },
	{ "HeldMax",		to_number,   FIELD(held_max),		"1024",	0 },
	{ "RetrySec",		to_usec,     FIELD(retry_usec),		"1s",	0 },
	{ "ReuseGraceSec",	to_usec,     FIELD(reuse_grace_usec),	"5s",	100000 },
	{ "HeartbeatMaxSec",	to_usec,     FIELD(heartbeat_max_usec),	"5s",	2000000 },
	{ "WorkerMaxSec",	to_usec,     FIELD(worker_max_usec),	"20s",	100000 },
	{ "BudgetBytes",	to_bytes,    FIELD(budget_bytes),	"1G",	0 },
	{ "BudgetSec",		to_usec,     FIELD(budget_usec),	"5min",	1000000 },
	{ "PressureMaxPct",	to_percent,  FIELD(pressure_max_centi),	"10%",	0 },
	{ "AvailableMinPct",	to_percent,  FIELD(available_min_centi), "5%",	0 },
	{ "Sync",		to_boolean,  FIELD(sync),		"yes",	0 },
	{ "SyncSec",		to_usec,     FIELD(sync_usec),		"5s",	1000000 },
	{ "SyncMaxBytes",	to_bytes,    FIELD(sync_max_bytes),	"256M",	0 },
	{ "RequestsMax",	to_number,   FIELD(requests_max),	"256",	0 },
	{ "RequestsPerUser",	to_number,   FIELD(requests_per_user),	"16",	0 },
	{ "Except",		to_prefixes, FIELD(except),
	  "kubepods machine.slice docker libpod- crio- cri-containerd- containerd buildkit", 0 },
};

#undef FIELD
#define FIELD(name) offsetof(struct mcr_policy, name)

/* The first ones say whose policy it is, and are not inherited. */
#define OWN_KEYS 3

static const struct key policy_keys[] = {
	{ "Slice",		to_slices,   FIELD(slices),		"system.slice user.slice",	0 },
	{ "Match",		to_globs,    FIELD(match),		"",	0 },
	{ "Selectable",		to_boolean,  FIELD(selectable),		"no",	0 },
	{ "Gate",		to_boolean,  FIELD(gate),		"yes",	0 },
	{ "Drain",		to_boolean,  FIELD(drain),		"yes",	0 },
	{ "Shield",		to_boolean,  FIELD(shield),		"yes",	0 },
	{ "Recharge",		to_boolean,  FIELD(recharge),		"no",	0 },
	{ "Owner",		to_owner,    FIELD(owner),		"",	0 },
	{ "PauseMaxSec",	to_usec,     FIELD(pause_max_usec),	"50ms",	1000 },
	{ "HoldMaxSec",		to_usec,     FIELD(hold_max_usec),	"10s",	100000 },
	{ "HoldMinBytes",	to_bytes,    FIELD(hold_min_bytes),	"0",	0 },
	{ "StepBytes",		to_bytes,    FIELD(step_bytes),		"32M",	4096 },
	{ "DrainMaxBytes",	to_bytes,    FIELD(drain_max_bytes),	"1G",	0 },
	{ "BudgetBytes",	to_bytes,    FIELD(budget_bytes),	"1G",	0 },
	{ "DryRun",		to_boolean,  FIELD(dry_run),		"no",	0 },
};

_Static_assert(ARRAY_SIZE(reaper_keys) == MCR_GLOBAL_KEYS, "mcr_config.said fits");
_Static_assert(ARRAY_SIZE(policy_keys) == MCR_POLICY_KEYS, "mcr_policy.said fits");

static bool is_list(const struct key *k)
{
	return k->parse == to_slices || k->parse == to_globs || k->parse == to_prefixes;
}

static int set_field(void *object, const struct key *k, const char *value)
{
	void *field = (char *)object + k->offset;
	uint64_t v;
	int r;

	if (k->parse != to_usec && k->parse != to_bytes && k->parse != to_number)
		return k->parse(value, field);
	r = k->parse(value, &v);
	if (r == 0 && (v < k->min || (k->parse == to_usec && v > USEC_MAX)))
		r = -ERANGE;
	if (r == 0)
		*(uint64_t *)field = v;
	return r;
}

static char *join_words(char **list)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; f && list && list[i]; i++)
		fprintf(f, "%s%s", i ? " " : "", list[i]);
	if (f && fclose(f) != 0)
		return NULL;
	return text;
}

static int set(void *object, struct mcr_said *said, const struct key *k, const char *value, const char *file,
	       unsigned int line)
{
	char *text;
	int r = set_field(object, k, value);

	if (r < 0)
		return r;
	text = is_list(k) ? join_words(*(char ***)((char *)object + k->offset)) : strdup(value);
	if (!text)
		return -ENOMEM;
	free(said->text);
	*said = (struct mcr_said){ .text = text, .file = file, .line = line };
	return 0;
}

static int set_defaults(void *object, struct mcr_said *said, const struct key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = set(object, &said[i], &keys[i], keys[i].value, NULL, 0);

		if (r < 0)
			return r;
	}
	return 0;
}

static void free_policy(struct mcr_policy *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->said); i++)
		free(p->said[i].text);
	strv_free(p->slices);
	strv_free(p->match);
	free(p->owner);
	free(p->name);
	free(p);
}

static int add_policy(struct mcr_config *c, const char *name, struct mcr_policy **ret)
{
	struct mcr_policy **bigger, *p;

	if (c->n_policies == MCR_POLICIES_MAX)
		return -ENOSPC;
	bigger = realloc(c->policies, (c->n_policies + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	c->policies = bigger;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->name = strdup(name);
	if (!p->name) {
		free(p);
		return -ENOMEM;
	}
	p->index = c->n_policies;
	c->policies[c->n_policies++] = p;
	*ret = p;
	return 0;
}

int mcr_config_new(struct mcr_config **ret)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = calloc(1, sizeof(*c));
	struct mcr_policy *p;
	int r;

	if (!c)
		return -ENOMEM;
	c->refs = 1;
	r = set_defaults(c, c->said, reaper_keys, ARRAY_SIZE(reaper_keys));
	if (r == 0)
		r = add_policy(c, MCR_DEFAULT_POLICY, &p);
	if (r == 0)
		r = set_defaults(p, p->said, policy_keys, ARRAY_SIZE(policy_keys));
	if (r < 0)
		return r;
	*ret = steal_ptr(c);
	return 0;
}

struct mcr_config *mcr_config_ref(struct mcr_config *c)
{
	c->refs++;
	return c;
}

struct mcr_config *mcr_config_unref(struct mcr_config *c)
{
	if (!c || --c->refs > 0)
		return NULL;
	for (size_t i = 0; i < c->n_policies; i++)
		free_policy(c->policies[i]);
	for (size_t i = 0; i < ARRAY_SIZE(c->said); i++)
		free(c->said[i].text);
	free(c->policies);
	free(c->slots);
	strv_free(c->except);
	strv_free(c->files);
	free(c);
	return NULL;
}

struct reading {
	struct mcr_config *c;
	const char *path;	/* the configuration's own */
	mcr_ini_complaint complain;
	void *userdata;
	int complaints;
	struct mcr_policy *last;	/* whose section it was */
};

static void complain(struct reading *r, unsigned int line, const char *key, const char *what)
{
	r->complaints++;
	if (r->complain)
		r->complain(r->path, line, key, what, r->userdata);
}

static const struct key *find_key(const struct key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void set_or_complain(struct reading *r, void *object, struct mcr_said *said, const struct key *k,
			    const char *value, unsigned int line)
{
	int e = set(object, said, k, value, r->path, line);

	if (e == -ERANGE)
		complain(r, line, k->name, "value is out of range, keeping the one before");
	else if (e < 0)
		complain(r, line, k->name, "value is not understood, keeping the one before");
}

static void on_reaper_key(struct reading *r, const char *name, const char *value, unsigned int line)
{
	const struct key *k = find_key(reaper_keys, ARRAY_SIZE(reaper_keys), name);

	if (k)
		set_or_complain(r, r->c, &r->c->said[k - reaper_keys], k, value, line);
	else if (find_key(policy_keys, ARRAY_SIZE(policy_keys), name))
		complain(r, line, name, "belongs in a section [Policy NAME], ignored");
	else
		complain(r, line, name, "unknown key, ignored");
}

static bool is_policy_name(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._:-", *p))
			return false;
	return len > 0 && len <= MCR_POLICY_NAME_MAX;
}

/* The policy of the section at hand; of a new section it is the last for now. */
static struct mcr_policy *section_policy(struct reading *r, const char *name, const char *key, unsigned int line)
{
	struct mcr_policy *p;
	int e;

	if (!is_policy_name(name)) {
		complain(r, line, key, "the policy's name is not 1 to 40 letters, digits, or ._:-, ignored");
		return NULL;
	}
	p = (struct mcr_policy *)mcr_policy_named(r->c, name);
	if (!p) {
		e = add_policy(r->c, name, &p);
		if (e < 0) {
			complain(r, line, key, e == -ENOSPC ? "more than 256 policies, ignored" : "out of memory");
			return NULL;
		}
	}
	if (p != r->last && p->index > 0)
		p->order = ++r->c->order;
	r->last = p;
	return p;
}

static void on_policy_key(struct reading *r, struct mcr_policy *p, const char *name, const char *value,
			  unsigned int line)
{
	const struct key *k = find_key(policy_keys, ARRAY_SIZE(policy_keys), name);

	if (k)
		set_or_complain(r, p, &p->said[k - policy_keys], k, value, line);
	else if (find_key(reaper_keys, ARRAY_SIZE(reaper_keys), name))
		complain(r, line, name, "belongs in the section [Reaper], ignored");
	else
		complain(r, line, name, "unknown key, ignored");
}

static void on_key(const char *section, const char *name, const char *value, unsigned int line, void *userdata)
{
	struct reading *r = userdata;
	size_t len = strlen(POLICY_SECTION);
	struct mcr_policy *p;

	if (strcmp(section, "Reaper") == 0) {
		on_reaper_key(r, name, value, line);
	} else if (strncmp(section, POLICY_SECTION, len) == 0) {
		p = section_policy(r, section + len, name, line);
		if (p)
			on_policy_key(r, p, name, value, line);
	} else {
		complain(r, line, name, "neither in section [Reaper] nor in a [Policy NAME], ignored");
	}
}

static void pass_on(const char *file, unsigned int line, const char *key, const char *what, void *userdata)
{
	struct reading *r = userdata;

	(void)file;
	if (r->complain)
		r->complain(r->path, line, key, what, r->userdata);
}

int mcr_config_read(struct mcr_config *c, const char *path, mcr_ini_complaint complaint, void *userdata)
{
	struct reading r = { .c = c, .complain = complaint, .userdata = userdata };
	char *copy = strdup(path);
	int n;

	if (append_word(&c->files, copy) < 0)
		return -ENOMEM;
	r.path = copy;
	n = mcr_ini_read(path, on_key, pass_on, &r);
	return n < 0 ? n : n + r.complaints;
}

static int inherit_one(struct mcr_policy *p, const struct mcr_policy *from, size_t i)
{
	const struct key *k = &policy_keys[i];
	int r;

	if (p->said[i].text)
		return 0;
	if (i < OWN_KEYS)
		return set(p, &p->said[i], k, is_list(k) ? "" : k->value, NULL, 0);
	r = set(p, &p->said[i], k, from->said[i].text, from->said[i].file, from->said[i].line);
	p->said[i].inherited = true;
	return r;
}

/* Complaints about a policy go to the place that was read last of it. */
static void complain_about(struct reading *r, const struct mcr_policy *p, const char *what)
{
	unsigned int line = 0;

	r->path = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(p->said); i++) {
		if (!p->said[i].file || p->said[i].inherited)
			continue;
		r->path = p->said[i].file;
		line = p->said[i].line;
	}
	if (r->path)
		complain(r, line, p->name, what);
}

int mcr_config_finish(struct mcr_config *c, mcr_ini_complaint complaint, void *userdata)
{
	struct reading r = { .c = c, .complain = complaint, .userdata = userdata };
	int e = 0;

	for (size_t n = 1; n < c->n_policies; n++)
		for (size_t i = 0; i < ARRAY_SIZE(policy_keys) && e == 0; i++)
			e = inherit_one(c->policies[n], c->policies[0], i);
	if (e == 0)
		e = mcr_policy_index(c);
	if (e < 0)
		return -ENOMEM;
	for (size_t n = 1; n < c->n_policies; n++)
		if (!c->policies[n]->slices && !c->policies[n]->selectable)
			complain_about(&r, c->policies[n], "neither Slice= nor Selectable=yes: nothing ever has this policy");
	return r.complaints;
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A file that vanished since it was found is no failure; a link that leads nowhere is somebody's mistake. */
static int read_files(struct mcr_config *c, char **files, mcr_ini_complaint complaint, void *userdata, char **ret_path)
{
	int complaints = 0;

	for (; *files; files++) {
		int r = mcr_config_read(c, *files, complaint, userdata);

		if (r == -ENOENT && is_link(*files)) {
			if (complaint)
				complaint(*files, 0, "", "a link that leads nowhere, ignored", userdata);
			r = 1;
		}
		if (r == -ENOENT)
			continue;
		if (r < 0) {
			if (ret_path)
				*ret_path = strdup(*files);
			return r;
		}
		complaints += r;
	}
	return complaints;
}

int mcr_config_load(const char *root, const char *file, mcr_ini_complaint complaint, void *userdata,
		    struct mcr_config **ret, char **ret_path)
{
	auto_(mcr_config_unrefp) struct mcr_config *c = NULL;
	auto_(strv_freep) char **files = NULL;
	int r, n;

	if (ret_path)
		*ret_path = NULL;
	r = mcr_config_new(&c);
	if (r < 0)
		return r;
	r = file ? append_word(&files, strdup(file)) : mcr_conf_files(root, &files);
	if (r < 0)
		return r;
	n = read_files(c, files, complaint, userdata, ret_path);
	if (n < 0)
		return n;
	r = mcr_config_finish(c, complaint, userdata);
	if (r < 0)
		return r;
	*ret = steal_ptr(c);
	return n + r;
}

bool mcr_config_setting(const struct mcr_config *c, size_t i, struct mcr_setting *ret)
{
	if (i >= ARRAY_SIZE(reaper_keys))
		return false;
	*ret = (struct mcr_setting){ .key = reaper_keys[i].name, .said = &c->said[i] };
	return true;
}

bool mcr_policy_setting(const struct mcr_policy *p, size_t i, struct mcr_setting *ret)
{
	if (i >= ARRAY_SIZE(policy_keys))
		return false;
	*ret = (struct mcr_setting){ .key = policy_keys[i].name, .said = &p->said[i] };
	return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>

#include "bpf/gate.h"
#include "bpf/gate.skel.h"
#include "bpfenv.h"
#include "fileio.h"
#include "util.h"

#define PIN_NAME "held"
/* Far longer than any of the programs runs. */
#define GRACE_USEC 50000

struct mcr_gate {
	struct gate_bpf *skel;
	struct ring_buffer *ring;
	mcr_gate_handler handler;
	void *userdata;
	enum mcr_gate_how how;
	uint64_t page_size;
	uint64_t n_read;	/* events */
	uint32_t n_rules;	/* of the set that is being made */
	bool making;
};

bool mcr_gate_lsm_active(void)
{
	char list[512];
	char *save, *word;

	if (mcr_read_at(AT_FDCWD, "/sys/kernel/security/lsm", list, sizeof(list)) < 0)
		return false;
	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (strcmp(word, "bpf") == 0)
			return true;
	return false;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct mcr_gate *g = ctx;
	const struct gate_event *e = data;
	struct mcr_gate_event event;

	g->n_read++;
	if (size < sizeof(*e))
		return 0;
	if (e->kind == GATE_EV_XATTR)	/* what is set from here on is another event */
		bpf_map__delete_elem(g->skel->maps.xattr_pending, &e->cgroup_id, sizeof(e->cgroup_id), 0);
	event = (struct mcr_gate_event){
		.kind = (enum mcr_gate_event_kind)e->kind,
		.id = e->cgroup_id,
		.at_ns = e->ts_ns,
		.usage_bytes = e->usage_pages * g->page_size,
		.swap_bytes = e->swap_pages * g->page_size,
		.policy = e->policy,
		.generation = e->generation,
	};
	g->handler(&event, g->userdata);
	return 0;
}

static void set_up(struct mcr_gate *g, const struct mcr_gate_opts *o)
{
	struct gate_settings *s = &g->skel->bss->settings;

	s->heartbeat_max_ns = o->heartbeat_max_ns;
	s->reuse_grace_ns = o->reuse_grace_ns;
	s->held_max = o->held_max < GATE_HELD_LIMIT ? o->held_max : GATE_HELD_LIMIT;
	s->daemon_pid = getpid();
	strncpy(s->mount, o->mount ? o->mount : "", sizeof(s->mount) - 1);
}

/*
 * Uses the pinned map of a predecessor.  One of another layout is given up: what that version held
 * stays as empty cgroups until somebody removes them.
 */
static int pin_held(struct mcr_gate *g, const char *pin_dir)
{
	auto_(freep) char *path = NULL;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd;

	if (asprintf(&path, "%s/" PIN_NAME, pin_dir) < 0)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.key_size != sizeof(__u64) ||
		    info.value_size != sizeof(struct gate_held) || info.max_entries != GATE_HELD_LIMIT)
			unlink(path);
		close(fd);
	}
	return bpf_map__set_pin_path(g->skel->maps.held, path);
}

static int load(struct mcr_gate *g, const struct mcr_gate_opts *o, bool lsm)
{
	int r;

	ring_buffer__free(g->ring);
	g->ring = NULL;
	gate_bpf__destroy(g->skel);
	g->skel = gate_bpf__open();
	if (!g->skel)
		return -errno;
	g->how = lsm ? MCR_GATE_LSM : MCR_GATE_FMOD_RET;
	bpf_program__set_autoload(g->skel->progs.gate_lsm, lsm);
	bpf_program__set_autoload(g->skel->progs.gate_fmod_ret, !lsm);
	set_up(g, o);
	r = o->pin_dir ? pin_held(g, o->pin_dir) : 0;
	if (r == 0)
		r = gate_bpf__load(g->skel);
	if (r < 0)
		return r;
	g->ring = ring_buffer__new(bpf_map__fd(g->skel->maps.events), on_record, g, NULL);
	return g->ring ? 0 : -errno;
}

static void count_held(struct mcr_gate *g)
{
	auto_(freep) uint64_t *ids = NULL;
	int n = mcr_gate_list_held(g, &ids);

	g->skel->bss->counters.held_now = n > 0 ? n : 0;
}

static int attach(struct mcr_gate *g)
{
	count_held(g);
	return gate_bpf__attach(g->skel);
}

int mcr_gate_new(const struct mcr_gate_opts *opts, mcr_gate_handler handler, void *userdata,
		 struct mcr_gate **ret, const char **ret_why)
{
	auto_(mcr_gate_freep) struct mcr_gate *g = calloc(1, sizeof(*g));
	int r = -EOPNOTSUPP;

	if (!g)
		return -ENOMEM;
	mcr_bpf_quiet();
	g->handler = handler;
	g->userdata = userdata;
	g->page_size = sysconf(_SC_PAGESIZE);
	if (!opts->force_fmod_ret && mcr_gate_lsm_active()) {
		r = load(g, opts, true);
		if (r == 0)
			r = attach(g);
	}
	if (r < 0) {
		r = load(g, opts, false);
		if (r == 0)
			r = attach(g);
	}
	if (r < 0) {
		if (ret_why)
			*ret_why = mcr_bpf_why(r);
		return r;
	}
	*ret = steal_ptr(g);
	return 0;
}

struct mcr_gate *mcr_gate_free(struct mcr_gate *g)
{
	if (!g)
		return NULL;
	ring_buffer__free(g->ring);
	gate_bpf__destroy(g->skel);
	free(g);
	return NULL;
}

enum mcr_gate_how mcr_gate_how(const struct mcr_gate *g)
{
	return g->how;
}

const char *mcr_gate_how_name(enum mcr_gate_how how)
{
	return how == MCR_GATE_LSM ? "lsm" : "fmod_ret";
}

void mcr_gate_heartbeat(struct mcr_gate *g)
{
	__atomic_store_n(&g->skel->bss->settings.heartbeat_ns, mcr_now_ns(), __ATOMIC_RELAXED);
}

/* Waits until every program that runs now has ended: they run under rcu_read_lock(). */
static void wait_for_programs(void)
{
	/* With nohz_full the kernel has no such thing, and with one CPU it does nothing. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0 || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		usleep(GRACE_USEC);
}

void mcr_gate_let_through(struct mcr_gate *g)
{
	__atomic_store_n(&g->skel->bss->settings.heartbeat_ns, 0, __ATOMIC_RELAXED);
	wait_for_programs();
}

/* The set that cover, rules and names go to. */
static uint32_t set_at_hand(const struct mcr_gate *g)
{
	uint32_t active = g->skel->bss->settings.active;

	return g->making ? !active : active;
}

/* Nobody is covered by the set at hand. */
static void uncover_all(struct mcr_gate *g)
{
	auto_(freep) uint64_t *ids = calloc(GATE_SLICES_MAX, sizeof(*ids));
	size_t n = 0;

	while (ids && n < GATE_SLICES_MAX &&
	       bpf_map__get_next_key(g->skel->maps.slices, n ? &ids[n - 1] : NULL, &ids[n], sizeof(*ids)) == 0)
		n++;
	while (n > 0)
		mcr_gate_cover(g, ids[--n], (struct mcr_gate_range){ 0 });
}

void mcr_gate_make(struct mcr_gate *g, uint32_t generation)
{
	struct gate_set *set;

	wait_for_programs();
	g->making = true;
	g->n_rules = 0;
	set = &g->skel->bss->settings.sets[set_at_hand(g)];
	*set = (struct gate_set){ .generation = generation };
	uncover_all(g);
}

int mcr_gate_add_rule(struct mcr_gate *g, const struct mcr_gate_rule *rule, uint32_t *ret_number)
{
	struct gate_rule r = {
		.hold_max_ns = rule->hold_max_ns,
		.hold_min_pages = rule->hold_min_bytes / g->page_size + !!(rule->hold_min_bytes % g->page_size),
		.policy = rule->policy,
		.flags = (rule->hold ? GATE_RULE_HOLD : 0) | (rule->force ? GATE_RULE_FORCE : 0),
	};
	uint32_t key = set_at_hand(g) * GATE_RULES_MAX + g->n_rules;
	int e;

	if (rule->glob && strlen(rule->glob) >= sizeof(r.glob))
		return -E2BIG;
	if (g->n_rules == GATE_RULES_MAX)
		return -ENOSPC;
	strcpy(r.glob, rule->glob ? rule->glob : "");
	e = bpf_map__update_elem(g->skel->maps.rules, &key, sizeof(key), &r, sizeof(r), BPF_ANY);
	if (e < 0)
		return e;
	*ret_number = g->n_rules++;
	return 0;
}

void mcr_gate_put_in_force(struct mcr_gate *g, const struct mcr_gate_opts *opts)
{
	uint32_t made = set_at_hand(g);

	set_up(g, opts);
	__atomic_store_n(&g->skel->bss->settings.active, made, __ATOMIC_SEQ_CST);
	g->making = false;
	wait_for_programs();
}

void mcr_gate_abandon(struct mcr_gate *g)
{
	g->making = false;
}

void mcr_gate_unpin(struct mcr_gate *g)
{
	if (bpf_map__is_pinned(g->skel->maps.held))
		bpf_map__unpin(g->skel->maps.held, NULL);
}

int mcr_gate_cover(struct mcr_gate *g, uint64_t id, struct mcr_gate_range range)
{
	const struct bpf_map *map = g->skel->maps.slices;
	uint32_t set = set_at_hand(g);
	struct gate_slice slice = { 0 };

	bpf_map__lookup_elem(map, &id, sizeof(id), &slice, sizeof(slice), 0);
	slice.set[set] = (struct gate_range){ .first = range.first, .n = range.n };
	if (!slice.set[0].n && !slice.set[1].n) {
		bpf_map__delete_elem(map, &id, sizeof(id), 0);
		return 0;
	}
	return bpf_map__update_elem(map, &id, sizeof(id), &slice, sizeof(slice), BPF_ANY);
}

int mcr_gate_except_prefix(struct mcr_gate *g, const char *prefix)
{
	struct gate_set *s = &g->skel->bss->settings.sets[set_at_hand(g)];
	size_t len = strlen(prefix);
	struct gate_name *n;

	if (len == 0 || len > sizeof(n->pattern))
		return -E2BIG;
	if (s->names_len == GATE_NAMES_MAX)
		return -ENOSPC;
	n = &s->names[s->names_len];
	memset(n, 0, sizeof(*n));
	memcpy(n->pattern, prefix, len);
	memset(n->mask, 0xff, len);
	s->names_len++;
	return 0;
}

int mcr_gate_fd(const struct mcr_gate *g)
{
	return ring_buffer__epoll_fd(g->ring);
}

int mcr_gate_dispatch(struct mcr_gate *g)
{
	const struct gate_counters *c = &g->skel->bss->counters;
	uint64_t begun = __atomic_load_n(&c->begun_events, __ATOMIC_ACQUIRE);
	int r = ring_buffer__consume(g->ring);

	if (r < 0)
		return r;
	/* It ends before one that is still being written, whatever is behind that. */
	return g->n_read + __atomic_load_n(&c->lost_events, __ATOMIC_ACQUIRE) < begun;
}

void mcr_gate_forget(struct mcr_gate *g, uint64_t id)
{
	if (bpf_map__delete_elem(g->skel->maps.held, &id, sizeof(id), 0) == 0)
		__atomic_sub_fetch(&g->skel->bss->counters.held_now, 1, __ATOMIC_RELAXED);
}

bool mcr_gate_is_held(const struct mcr_gate *g, uint64_t id)
{
	struct gate_held h;

	return bpf_map__lookup_elem(g->skel->maps.held, &id, sizeof(id), &h, sizeof(h), 0) == 0;
}

/* Begins its time anew. Whoever comes next for it, and has asked already, is waited for. */
static int hold_from(struct mcr_gate *g, uint64_t id, struct gate_held *h, uint64_t at_ns, uint64_t flags)
{
	h->since_ns = at_ns;
	bpf_map__update_elem(g->skel->maps.name_seen, &h->name_hash, sizeof(h->name_hash), &at_ns, sizeof(at_ns), BPF_ANY);
	if (bpf_map__update_elem(g->skel->maps.held, &id, sizeof(id), h, sizeof(*h), flags) < 0)
		return 0;
	if (h->state != GATE_HELD)
		return MCR_GATE_PARENT;
	__atomic_add_fetch(&g->skel->bss->counters.held_total, 1, __ATOMIC_RELAXED);
	return MCR_GATE_HELD;
}

int mcr_gate_forget_used(struct mcr_gate *g, uint64_t id, bool (*is_left)(uint64_t id, void *userdata), void *userdata)
{
	uint64_t *held_now = (uint64_t *)&g->skel->bss->counters.held_now, at_ns = mcr_now_ns();
	struct gate_held h;
	int r;

	if (bpf_map__lookup_elem(g->skel->maps.held, &id, sizeof(id), &h, sizeof(h), 0) < 0)
		return 0;
	if (is_left(id, userdata))
		return hold_from(g, id, &h, at_ns, BPF_EXIST);
	/* What is counted as held is what mkdir is watched for: that must not cease in between. */
	__atomic_add_fetch(held_now, 1, __ATOMIC_RELAXED);
	mcr_gate_forget(g, id);
	/* Any removal from here on is a hold of its own. Was there one before that was refused? */
	r = is_left(id, userdata) ? hold_from(g, id, &h, at_ns, BPF_NOEXIST) : 0;
	if (!r)
		__atomic_sub_fetch(held_now, 1, __ATOMIC_RELAXED);
	return r;
}

int mcr_gate_list_held(const struct mcr_gate *g, uint64_t **ret_ids)
{
	uint64_t *ids = calloc(GATE_HELD_LIMIT, sizeof(*ids));
	uint64_t key, next;
	void *prev = NULL;
	int n = 0;

	if (!ids)
		return -ENOMEM;
	while (n < GATE_HELD_LIMIT &&
	       bpf_map__get_next_key(g->skel->maps.held, prev, &next, sizeof(next)) == 0) {
		ids[n++] = key = next;
		prev = &key;
	}
	*ret_ids = ids;
	return n;
}

uint64_t mcr_gate_dying_since(const struct mcr_gate *g, uint64_t id)
{
	uint64_t since = 0;

	bpf_map__lookup_elem(g->skel->maps.dying_since, &id, sizeof(id), &since, sizeof(since), 0);
	return since;
}

void mcr_gate_counters(const struct mcr_gate *g, struct mcr_gate_counters *ret)
{
	const struct gate_counters *c = &g->skel->bss->counters;

	*ret = (struct mcr_gate_counters){
		.held_now = c->held_now, .held_total = c->held_total, .refused = c->refused,
		.empty = c->empty, .excluded = c->excluded, .over_limit = c->over_limit, .stale = c->stale,
		.expired = c->expired, .lost_events = c->lost_events, .reuse_waits = c->reuse_waits,
		.small = c->small, .too_hard = c->too_hard,
	};
}

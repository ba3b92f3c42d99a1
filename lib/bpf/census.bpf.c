// SPDX-License-Identifier: GPL-2.0-only
/*
 * Census: walk every memcg of the machine, dying ones included, and report those that are dying
 * or have children.  (Parents are reported so that user space can name a zombie's place; plain
 * live leaves, the bulk of any machine, cost one copy and nothing else.)
 *
 * Started by BPF_PROG_TEST_RUN, which runs a raw tracepoint program under RCU: csses are freed
 * after a grace period, so every pointer met stays readable, and a sibling removed meanwhile
 * still points forward.  The walk is bounded by max_steps whatever the lists do.
 */
#include "kernel.h"
#include "census.h"

char LICENSE[] SEC("license") = "GPL";

#define MAX_DEPTH 128		/* power of two: indexes are masked */
#define ZONES_MAX 8

extern const void root_mem_cgroup __ksym;

const volatile __u32 nr_nodes = 1;
const volatile __u32 max_steps = 1U << 22;

/* Results of one run, read by user space through the mapped section. */
__u64 visited;
__u64 dropped;
__u64 unfinished;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} records SEC(".maps");

/* One level of the walk: where the list of children ends, and which child comes next. */
struct level {
	__u64 head;
	__u64 next;
	__u64 id;
};

/*
 * The state of the walk lives in map memory, not on the stack: verifiers before 6.7 check a
 * bpf_loop() callback once, with the stack as it was before the first round, and patch out the
 * branches they take for dead.
 */
static __u64 pos;		/* sibling entry of the css to visit */
static __u64 head;		/* end of the list pos stands in */
static __u32 depth;

static struct level levels[MAX_DEPTH];
static struct census_record rec;
static __u64 zone_sizes[ZONES_MAX][CENSUS_LRUS];


static __always_inline void read_lru_sizes(const struct mem_cgroup *memcg)
{
	__u32 bytes = bpf_core_field_size(struct mem_cgroup_per_node, lru_zone_size);
	struct mem_cgroup_per_node *pn;
	__u32 nid, zone, lru;

	if (bytes > sizeof(zone_sizes))
		return;
	for (nid = 0; nid < 64 && nid < nr_nodes; nid++) {
		if (bpf_probe_read_kernel(&pn, sizeof(pn), &memcg->nodeinfo[nid]) || !pn)
			continue;
		if (bpf_probe_read_kernel(zone_sizes, bytes, &pn->lru_zone_size))
			continue;
		/* Zones this kernel does not have stay zero: the copy never reaches them. */
		for (zone = 0; zone < ZONES_MAX; zone++)
			for (lru = 0; lru < CENSUS_LRUS; lru++)
				rec.lru_pages[lru] += zone_sizes[zone][lru];
	}
}

static __always_inline void read_charges(const struct mem_cgroup *memcg,
					 const struct percpu_ref_data *ref)
{
	bpf_probe_read_kernel(&rec.usage_pages, 8, &memcg->memory.usage);
	bpf_probe_read_kernel(&rec.swap_pages, 8, &memcg->swap.usage);
	bpf_probe_read_kernel(&rec.refs, 8, &ref->count);
	read_lru_sizes(memcg);
}

/* Fills and sends the record of one css; returns its kernfs id, for its children's parent_id. */
static __always_inline __u64 report(const void *css, const __u64 *copy, __u32 flags, __u64 parent_id)
{
	struct cgroup *cgrp = SNAP_FIELD(copy, struct cgroup_subsys_state, cgroup);
	struct kernfs_node *kn;
	const char *name;
	long len;

	if (bpf_probe_read_kernel(&kn, sizeof(kn), &cgrp->kn) ||
	    bpf_probe_read_kernel(&rec.id, sizeof(rec.id), &kn->id) ||
	    bpf_probe_read_kernel(&name, sizeof(name), &kn->name))
		return 0;
	bpf_probe_read_kernel(&rec.level, sizeof(rec.level), &cgrp->level);
	rec.flags = flags;
	rec.parent_id = parent_id;
	__builtin_memset(&rec.refs, 0, __builtin_offsetof(struct census_record, level) -
				       __builtin_offsetof(struct census_record, refs));
	if (flags & CENSUS_DYING)
		read_charges(css, SNAP_FIELD(copy, struct cgroup_subsys_state, refcnt.data));

	len = bpf_probe_read_kernel_str(rec.name, sizeof(rec.name), name);
	if (len < 1 || len > CENSUS_NAME_MAX)
		len = 1;
	rec.name_len = len;
	if (bpf_ringbuf_output(&records, &rec, CENSUS_HEAD_BYTES + len, BPF_RB_NO_WAKEUP))
		dropped++;
	return rec.id;
}

static __always_inline void *to_css(__u64 sibling)
{
	return (void *)(sibling - bpf_core_field_offset(struct cgroup_subsys_state, sibling));
}

/* One step: visit a css and go down or sideways, or climb one level. */
static long step(__u32 index, void *ctx)
{
	const __u32 children = bpf_core_field_offset(struct cgroup_subsys_state, children);
	__u64 copy[SNAP_WORDS];
	__u64 first, next, id = 0;
	__u32 flags = 0, state;
	struct level *l;

	if (pos == head) {
		if (!depth)
			return 1;
		depth--;
		l = &levels[depth & (MAX_DEPTH - 1)];
		pos = l->next;
		head = l->head;
		return 0;
	}

	if (!snap(copy, SNAP_BYTES(struct cgroup_subsys_state, flags), to_css(pos))) {
		unfinished++;
		return 1;
	}
	visited++;
	state = SNAP_FIELD(copy, struct cgroup_subsys_state, flags);
	first = (__u64)SNAP_FIELD(copy, struct cgroup_subsys_state, children.next);
	next = (__u64)SNAP_FIELD(copy, struct cgroup_subsys_state, sibling.next);
	if (!depth)
		next = head;		/* the root stands in no list: the walk ends behind it */
	if (state & CSS_DYING)
		flags |= CENSUS_DYING;
	if (first != (__u64)to_css(pos) + children)
		flags |= CENSUS_INNER;
	if (flags) {
		l = &levels[(depth - 1) & (MAX_DEPTH - 1)];
		id = report(to_css(pos), copy, flags, depth ? l->id : 0);
	}
	if (!(flags & CENSUS_INNER)) {
		pos = next;
		return 0;
	}
	if (depth >= MAX_DEPTH - 1) {
		unfinished++;
		return 1;
	}
	l = &levels[depth & (MAX_DEPTH - 1)];
	l->next = next;
	l->head = head;
	l->id = id;
	depth++;
	head = (__u64)to_css(pos) + children;
	pos = first;
	return 0;
}

SEC("raw_tp")
int census(void *ctx)
{
	struct cgroup_subsys_state *root;
	long steps;

	visited = dropped = unfinished = 0;
	if (bpf_probe_read_kernel(&root, sizeof(root), &root_mem_cgroup) || !root)
		return -1;
	pos = (__u64)&root->sibling;
	head = 0;
	depth = 0;
	steps = bpf_loop(max_steps, step, NULL, 0);
	if (steps < 0 || steps >= max_steps)
		unfinished++;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gate: sees rmdir on cgroupfs before it happens and answers EBUSY while a covered cgroup that
 * is still charged with memory is being settled by the daemon.
 *
 * It fails open by itself, at every turn: no covering policy, nothing charged, the daemon's
 * heartbeat stale, too many held, the ring buffer full, the hold limit passed: the removal goes
 * through.  The programs are attached through links that die with the daemon.
 *
 * Removal and reuse must not cross.  A service manager that starts a unit again first calls
 * mkdir on the cgroup (and finds it exists), later puts a process into it; removing the cgroup
 * between the two would fail the start.  So mkdir calls are watched from their very beginning:
 * do_mkdirat() is entered before the parent directory is locked, and this program's answer to
 * the daemon's rmdir is given with that lock held.  Either the mkdir is seen here and the daemon
 * is put off, or the mkdir comes after the removal and creates a new cgroup.
 */
#include "kernel.h"
#include "gate.h"

#include <asm-generic/errno-base.h>

char LICENSE[] SEC("license") = "GPL";

#define CGROUP2_SUPER_MAGIC 0x63677270	/* include/uapi/linux/magic.h */
#define MAX_ANCESTORS 64		/* deeper than this below its slice: let go */
#define REUSE_PAUSE_NS 100000000ULL	/* between two holds of one cgroup */
#define MATCH_STEPS_MAX 32768		/* per removal, of all globs */

struct gate_settings settings;
struct gate_counters counters;
__u64 unseen_ns;	/* last mkdir whose name was not looked at */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_SLICES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);	/* what is replaced stays whole for who reads it */
	__type(key, __u64);
	__type(value, struct gate_slice);
} slices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_SETS * GATE_RULES_MAX);
	__type(key, __u32);
	__type(value, struct gate_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_HELD_LIMIT);
	__type(key, __u64);
	__type(value, struct gate_held);
} held SEC(".maps");

/* Hash of the names of held cgroups -> when somebody last asked to create such a name. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4 * GATE_HELD_LIMIT);
	__type(key, __u64);
	__type(value, __u64);
} name_seen SEC(".maps");

/* When a cgroup was removed, by id, until it is released: "zombie since". */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_COMMON_LRU);
	__type(key, __u64);
	__type(value, __u64);
} dying_since SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, char[GATE_PATH_MAX]);
} path_scratch SEC(".maps");

/*
 * The search for the rule of one cgroup.  In a map, because bpf_loop() before 6.7 forgets what a callback does to the
 * stack; callbacks get a pointer to it on the stack, which is all that loop takes.
 */
struct search {
	__u64 kn;		/* the cgroup */
	__u64 cursor;		/* the level that is looked at */
	__u64 at;		/* the component that is compared */
	__u64 slice;		/* whose rules are tried */
	__u32 set, first;
	__u32 decided;		/* number of the rule plus one, within all sets */
	__u32 excluded;		/* a name so far says container */
	__u32 below_slice;
	__u32 matched;
	__u32 result;		/* enum glob_result */
	__u32 steps;		/* of globs, in all */
	struct glob_match match;
	char glob[GLOB_MAX];
	char name[GLOB_TEXT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} searches SEC(".maps");

#define count(what) __sync_fetch_and_add(&counters.what, 1)

/* Clocks of two CPUs may disagree by a little: what lies ahead of now is no age at all. */
static __always_inline __u64 since(__u64 now, __u64 then)
{
	return (__s64)(now - then) > 0 ? now - then : 0;
}

static __always_inline bool daemon_alive(__u64 now)
{
	return settings.heartbeat_ns && since(now, settings.heartbeat_ns) <= settings.heartbeat_max_ns;
}

static __always_inline struct kernfs_node *kn_parent(struct kernfs_node *kn)
{
	struct kernfs_node___rcu *rcu = (void *)kn;

	if (bpf_core_field_exists(kn->parent))
		return BPF_CORE_READ(kn, parent);
	return BPF_CORE_READ(rcu, __parent);
}

static __always_inline bool name_excluded(const struct gate_set *set, struct kernfs_node *kn)
{
	__u64 name[GATE_NAME_WORDS + 1] = {};	/* one more, for the NUL */
	__u32 i;

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(kn, name));
	for (i = 0; i < GATE_NAMES_MAX && i < set->names_len; i++) {
		const struct gate_name *n = &set->names[i];

		if ((name[0] & n->mask[0]) == n->pattern[0] && (name[1] & n->mask[1]) == n->pattern[1])
			return true;
	}
	return false;
}

static long match_step(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	s->steps++;
	s->result = glob_step(s->glob, s->name, &s->match);
	return s->result != GLOB_GOES_ON;
}

/* One component of the way from the cgroup up to the slice. */
static long match_component(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	struct kernfs_node *kn = (void *)s->at;

	if (s->at == s->slice || s->steps >= MATCH_STEPS_MAX)
		return 1;
	if (bpf_probe_read_kernel_str(s->name, sizeof(s->name), BPF_CORE_READ(kn, name)) < 0)
		return 1;
	__builtin_memset(&s->match, 0, sizeof(s->match));
	bpf_loop(MATCH_STEPS_MAX, match_step, ctx, 0);
	if (s->result == GLOB_MATCHES) {
		s->matched = 1;
		return 1;
	}
	s->at = (__u64)kn_parent(kn);
	return 0;
}

/* One rule of the slice: is it for this cgroup? */
static long try_rule(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	__u32 number = s->set * GATE_RULES_MAX + s->first + i;
	struct gate_rule *rule = bpf_map_lookup_elem(&rules, &number);

	if (!rule)
		return 1;
	s->matched = !rule->glob[0];
	if (!s->matched) {
		__builtin_memcpy(s->glob, rule->glob, sizeof(s->glob));
		s->at = s->kn;
		bpf_loop(MAX_ANCESTORS, match_component, ctx, 0);
	}
	if (!s->matched)
		return 0;
	s->decided = number + 1;
	return 1;
}

/* What the policy says of a cgroup: rule is NULL when nothing covers it. */
struct verdict {
	struct gate_rule *rule;
	__u32 generation;
	bool excluded;		/* a name between cgroup and slice says container */
	bool below_slice;	/* some slice on the way has rules, for this cgroup or others */
};

/*
 * One level: has it rules, and is one of them for the cgroup?  A callback, so that the verifier looks at it once and not
 * for each of 64 levels: the program loads in a fraction of the time.
 */
static long judge_level(__u32 i, struct search **ctx)
{
	struct search *s = *ctx;
	struct kernfs_node *kn = (void *)s->cursor;
	__u32 set = s->set & (GATE_SETS - 1);
	struct gate_range range = {};
	struct gate_slice *slice;
	__u64 id;

	if (!kn)
		return 1;
	id = BPF_CORE_READ(kn, id);
	slice = bpf_map_lookup_elem(&slices, &id);
	if (slice)	/* both halves at once: it may be replaced */
		*(__u64 *)&range = *(volatile __u64 *)&slice->set[set];
	if (range.n) {
		s->below_slice = 1;
		s->slice = s->cursor;
		s->first = range.first;
		bpf_loop(range.n, try_rule, ctx, 0);
		if (s->decided)
			return 1;
	}
	if (!s->excluded)
		s->excluded = name_excluded(&settings.sets[set], kn);
	s->cursor = (__u64)kn_parent(kn);
	return 0;
}

/* The nearest ancestor with a rule for the cgroup decides. */
static __always_inline struct verdict judge(struct kernfs_node *leaf)
{
	__u32 zero = 0, set = settings.active & (GATE_SETS - 1);
	struct search *s = bpf_map_lookup_elem(&searches, &zero);
	struct verdict v = { .generation = settings.sets[set].generation };
	__u32 number;

	if (!s)
		return v;
	s->kn = s->cursor = (__u64)leaf;
	s->set = set;
	s->steps = s->decided = s->excluded = s->below_slice = 0;
	bpf_loop(MAX_ANCESTORS, judge_level, &s, 0);
	v.excluded = s->excluded;
	v.below_slice = s->below_slice;
	if (s->steps >= MATCH_STEPS_MAX) {
		count(too_hard);
	} else if (s->decided) {
		number = s->decided - 1;
		v.rule = bpf_map_lookup_elem(&rules, &number);
	}
	return v;
}

static __always_inline bool holds(const struct verdict *v)
{
	return v->rule && !v->excluded && (v->rule->flags & GATE_RULE_HOLD);
}

/* FNV-1a over the last component of a path; a trailing slash does not end it. */
static __always_inline __u64 hash_last(const char *path)
{
	__u64 hash = 0xcbf29ce484222325;
	bool fresh = false;
	int i;

	for (i = 0; i < GATE_PATH_MAX && path[i]; i++) {
		if (path[i] == '/') {
			fresh = true;
			continue;
		}
		if (fresh)
			hash = 0xcbf29ce484222325;
		fresh = false;
		hash = (hash ^ (__u8)path[i]) * 0x100000001b3;
	}
	return hash;
}

static __always_inline int send_event(__u64 id, __u32 kind, __u64 now, __u64 usage, __u64 swap,
				      const struct verdict *v)
{
	struct gate_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count(lost_events);
		return -ENOSPC;
	}
	e->ts_ns = now;
	e->cgroup_id = id;
	e->usage_pages = usage;
	e->swap_pages = swap;
	e->kind = kind;
	e->policy = v && v->rule ? v->rule->policy : 0;
	e->generation = v ? v->generation : 0;
	e->pad = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* Enters a cgroup into the map of held ones, with everything a later answer needs. */
static __always_inline int hold(struct kernfs_node *kn, __u64 id, __u32 state, __u64 now, __u64 hold_max_ns)
{
	struct gate_held h = { .since_ns = now, .hold_max_ns = hold_max_ns, .state = state, .refused = 1 };
	__u32 slot = 1;
	__u64 never = 0;
	char *name = bpf_map_lookup_elem(&path_scratch, &slot);

	if (!name || bpf_probe_read_kernel_str(name, GATE_PATH_MAX, BPF_CORE_READ(kn, name)) < 0)
		return -EINVAL;
	h.name_hash = hash_last(name);
	/*
	 * The name is watched before the entry exists: no mkdir can fall between.  Another cgroup of
	 * this name may be held already: what was seen of it must not be forgotten.
	 */
	__sync_fetch_and_add(&counters.held_now, 1);
	bpf_map_update_elem(&name_seen, &h.name_hash, &never, BPF_NOEXIST);
	if (!bpf_map_lookup_elem(&name_seen, &h.name_hash) ||
	    bpf_map_update_elem(&held, &id, &h, BPF_NOEXIST)) {
		__sync_fetch_and_add(&counters.held_now, -1);
		return -ENOSPC;
	}
	return 0;
}

static __always_inline void forget(__u64 id)
{
	if (!bpf_map_delete_elem(&held, &id))
		__sync_fetch_and_add(&counters.held_now, -1);
}

/* The daemon removes what it has settled, unless somebody wants the cgroup back. */
static __always_inline int answer_daemon(struct gate_held *h, __u64 now)
{
	__u64 *seen = bpf_map_lookup_elem(&name_seen, &h->name_hash);
	__u64 hash = h->name_hash;

	if (!seen) {
		/* Evicted: what was seen is not known, so it counts as seen just now. */
		bpf_map_update_elem(&name_seen, &hash, &now, BPF_ANY);
		count(reuse_waits);
		return -EBUSY;
	}
	if (unseen_ns && since(now, unseen_ns) < settings.reuse_grace_ns) {
		count(reuse_waits);
		return -EBUSY;
	}
	if (*seen && since(now, *seen) < settings.reuse_grace_ns) {
		count(reuse_waits);
		return -EBUSY;
	}
	return 0;
}

/* Was it asked for since it was held?  Then it has been used again, and this is a new end of it. */
static __always_inline bool was_reused(const struct gate_held *h)
{
	__u64 *seen = bpf_map_lookup_elem(&name_seen, &h->name_hash);

	if (!seen || !*seen || (__s64)(*seen - h->since_ns) <= 0)
		return false;
	*seen = 0;	/* whoever asked for it is done with it */
	return true;
}

/* Somebody tries again to remove what is held already. */
static __always_inline int answer_again(struct kernfs_node *kn, struct gate_held *h, __u64 id, __u64 now)
{
	if (h->state != GATE_HELD)
		return 0;
	if (!daemon_alive(now)) {
		count(stale);
		return 0;
	}
	/* Not over and over: mkdir and rmdir in a loop must not fill the ring. */
	if (since(now, h->since_ns) >= REUSE_PAUSE_NS && was_reused(h)) {
		struct verdict v = judge(kn);

		if (!holds(&v))
			return 0;
		h->since_ns = now;
		h->hold_max_ns = v.rule->hold_max_ns;
		if (send_event(id, GATE_EV_HELD, now, 0, 0, &v))
			return 0;
		count(held_total);
	} else if (since(now, h->since_ns) > h->hold_max_ns) {
		count(expired);
		send_event(id, GATE_EV_EXPIRED, now, 0, 0, NULL);
		return 0;
	}
	h->refused++;
	count(refused);
	return -EBUSY;
}

/*
 * A cgroup with live ones below: the kernel will refuse.  That may be our doing also where its own policy would let it go,
 * because one below is held: the daemon looks.
 */
static __always_inline void note_parent(struct kernfs_node *kn, __u64 id, __u64 now)
{
	struct verdict v;

	if (!counters.held_now || counters.held_now >= settings.held_max)
		return;
	v = judge(kn);
	if (!v.below_slice || v.excluded || hold(kn, id, GATE_PARENT, now, 0))
		return;
	if (send_event(id, GATE_EV_PARENT, now, 0, 0, &v))
		forget(id);
}

/* Is there a reason to let it go although policy would hold it?  It is counted. */
static __always_inline bool not_worth_it(const struct gate_rule *rule, __u64 pages)
{
	if (!pages)
		count(empty);
	else if (pages < rule->hold_min_pages && !(rule->flags & GATE_RULE_FORCE))
		count(small);
	else if (counters.held_now >= settings.held_max)
		count(over_limit);
	else
		return false;
	return true;
}

static __always_inline int answer_first(struct kernfs_node *kn, __u64 id, __u64 now,
					struct mem_cgroup *memcg)
{
	__u64 usage = BPF_CORE_READ(memcg, memory.usage.counter);
	__u64 swap = BPF_CORE_READ(memcg, swap.usage.counter);
	struct verdict v = judge(kn);

	if (!v.rule || !(v.rule->flags & GATE_RULE_HOLD))
		return 0;
	if (v.excluded) {
		count(excluded);
		return 0;
	}
	if (not_worth_it(v.rule, usage + swap) || hold(kn, id, GATE_HELD, now, v.rule->hold_max_ns))
		return 0;
	if (send_event(id, GATE_EV_HELD, now, usage, swap, &v)) {
		forget(id);
		return 0;
	}
	count(held_total);
	count(refused);
	return -EBUSY;
}

static __always_inline struct mem_cgroup *memcg_of(struct cgroup *cgrp)
{
	struct cgroup_subsys_state *css;
	__u32 i = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);

	if (bpf_probe_read_kernel(&css, sizeof(css), &cgrp->subsys[i]))
		return NULL;
	return (void *)css;	/* css is the first member of mem_cgroup: checked at start */
}

static __always_inline bool is_populated(struct cgroup *cgrp)
{
	return BPF_CORE_READ(cgrp, nr_populated_csets) + BPF_CORE_READ(cgrp, nr_populated_domain_children) +
	       BPF_CORE_READ(cgrp, nr_populated_threaded_children);
}

static __always_inline int on_rmdir(struct dentry *dentry)
{
	struct kernfs_node *kn = dentry->d_inode->i_private;
	__u64 now = bpf_ktime_get_ns();
	struct mem_cgroup *memcg;
	struct gate_held *h;
	struct cgroup *cgrp;
	__u64 id;

	id = BPF_CORE_READ(kn, id);
	cgrp = BPF_CORE_READ(kn, priv);
	h = bpf_map_lookup_elem(&held, &id);
	/*
	 * What the daemon does not hold is not its to remove: another cgroup has come to the name.  Nor is what is in use: the
	 * kernel looks later, and would remove it if the last process ended meanwhile.
	 */
	if ((__u32)(bpf_get_current_pid_tgid() >> 32) == settings.daemon_pid)
		return h && !is_populated(cgrp) ? answer_daemon(h, now) : -EBUSY;
	if (is_populated(cgrp))
		return 0;	/* the kernel refuses, or the process will never exist */
	if (h)
		return answer_again(kn, h, id, now);
	if (!daemon_alive(now)) {
		if (settings.heartbeat_ns)
			count(stale);
		return 0;
	}
	if (BPF_CORE_READ(cgrp, nr_descendants)) {
		note_parent(kn, id, now);
		return 0;
	}
	memcg = memcg_of(cgrp);
	return memcg ? answer_first(kn, id, now, memcg) : 0;
}

SEC("lsm/inode_rmdir")
int BPF_PROG(gate_lsm, struct inode *dir, struct dentry *dentry, int ret)
{
	if (ret || dir->i_sb->s_magic != CGROUP2_SUPER_MAGIC)
		return ret;
	return on_rmdir(dentry);
}

SEC("fmod_ret/security_inode_rmdir")
int BPF_PROG(gate_fmod_ret, struct inode *dir, struct dentry *dentry, int ret)
{
	if (ret || dir->i_sb->s_magic != CGROUP2_SUPER_MAGIC)
		return ret;
	return on_rmdir(dentry);
}

static __always_inline bool on_cgroupfs(const char *path)
{
	int i;

	for (i = 0; i < GATE_MOUNT_MAX && settings.mount[i]; i++)
		if (path[i] != settings.mount[i])
			return false;
	return true;
}

/* Somebody asks for a name that is held: keep off it for a while. */
SEC("fentry/do_mkdirat")
int BPF_PROG(watch_mkdir, int dfd, struct filename *name)
{
	__u64 now, hash, *seen;
	__u32 slot = 0;
	char *path;
	long len;

	if (!counters.held_now)
		return 0;
	path = bpf_map_lookup_elem(&path_scratch, &slot);
	if (!path)
		return 0;
	len = bpf_probe_read_kernel_str(path, GATE_PATH_MAX, name->name);
	if (len < 0 || (path[0] == '/' && !on_cgroupfs(path)))
		return 0;	/* no path at all, or one that leads elsewhere */
	if (len >= GATE_PATH_MAX) {
		unseen_ns = bpf_ktime_get_ns();	/* too long to tell: it could be any of them */
		return 0;
	}
	hash = hash_last(path);
	seen = bpf_map_lookup_elem(&name_seen, &hash);
	if (!seen)
		return 0;
	now = bpf_ktime_get_ns();
	*seen = now;
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(watch_rmdir, struct cgroup *cgrp)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 id = cgrp->kn->id;

	bpf_map_update_elem(&dying_since, &id, &now, BPF_ANY);
	if (counters.held_now && bpf_map_lookup_elem(&held, &id)) {
		forget(id);
		send_event(id, GATE_EV_GONE, now, 0, 0, NULL);
	}
	return 0;
}

SEC("tp_btf/cgroup_release")
int BPF_PROG(watch_release, struct cgroup *cgrp)
{
	__u64 id = cgrp->kn->id;

	bpf_map_delete_elem(&dying_since, &id);
	return 0;
}

/* Cgroups whose attribute the daemon has yet to look at: one event for each, however often it is set. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_XATTR_PENDING_MAX);
	__type(key, __u64);
	__type(value, __u8);
} xattr_pending SEC(".maps");

#define POLICY_XATTR "user.memcg_reaper.policy"	/* policy.h's MCR_POLICY_XATTR */

/* An attribute that may choose a policy has changed: the daemon reads it, and decides whether it may. */
static __always_inline void note_xattr(struct dentry *dentry, const char *name)
{
	char head[sizeof(POLICY_XATTR) + 1];
	struct kernfs_node *kn;
	__u8 yes = 1;
	__u64 id;

	if (dentry->d_inode->i_sb->s_magic != CGROUP2_SUPER_MAGIC ||
	    bpf_probe_read_kernel_str(head, sizeof(head), name) != sizeof(POLICY_XATTR) ||
	    bpf_strncmp(head, sizeof(POLICY_XATTR), POLICY_XATTR))
		return;
	kn = dentry->d_inode->i_private;
	id = BPF_CORE_READ(kn, id);
	if (bpf_map_update_elem(&xattr_pending, &id, &yes, BPF_NOEXIST))
		return;
	if (send_event(id, GATE_EV_XATTR, bpf_ktime_get_ns(), 0, 0, NULL))
		bpf_map_delete_elem(&xattr_pending, &id);
}

SEC("fexit/vfs_setxattr")
int BPF_PROG(watch_setxattr, void *idmap, struct dentry *dentry, const char *name, const void *value,
	     unsigned long size, int flags, int ret)
{
	if (!ret)
		note_xattr(dentry, name);
	return 0;
}

SEC("fexit/vfs_removexattr")
int BPF_PROG(watch_removexattr, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	if (!ret)
		note_xattr(dentry, name);
	return 0;
}

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
#include "gate-judge.h"
#include "gate-hold.h"

char LICENSE[] SEC("license") = "GPL";

#define CGROUP2_SUPER_MAGIC 0x63677270	/* include/uapi/linux/magic.h */

/* When a cgroup was removed, by id, until it is released: "zombie since". */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_COMMON_LRU);
	__type(key, __u64);
	__type(value, __u64);
} dying_since SEC(".maps");

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

/*
 * What the daemon does not hold is not its to remove: another cgroup has come to the name.  Nor is what is in use: the kernel
 * looks later, and would remove it if the last process ended meanwhile.
 */
static __always_inline int on_own_rmdir(struct cgroup *cgrp, struct gate_held *h, __u64 now)
{
	if (!h)
		return -EBUSY;
	if (is_populated(cgrp)) {
		count(reuse_waits);
		return -EBUSY;
	}
	return answer_daemon(h, now);
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
	if ((__u32)(bpf_get_current_pid_tgid() >> 32) == settings.daemon_pid)
		return on_own_rmdir(cgrp, h, now);
	if (is_populated(cgrp))
		return 0;	/* the kernel refuses, or the process will never exist */
	if (h)
		return answer_again(kn, h, id, now);
	if (BPF_CORE_READ(cgrp, nr_descendants)) {
		note_parent(kn, id, now);
		return 0;
	}
	if (!daemon_alive(now)) {
		if (settings.heartbeat_ns)
			count(stale);
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

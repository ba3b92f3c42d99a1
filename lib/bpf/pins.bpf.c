// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: what keeps one memcg from going.
 *
 * Run by BPF_PROG_TEST_RUN, under RCU, one after the other: pins_find looks the memcg up by its id,
 * pins_pages walks its LRU lists (or pins_scan all pages of the machine), pins_names tells about
 * the mappings these belong to, pins_refs finds what else refers to it.  User space sorts and sums.
 *
 * No lock is taken.  A page is believed when one copy of it names this memcg and has a link back
 * to where the walk came from; a name, when a page of that file was still there after it had been read.
 */
#include "kernel-mm.h"
#include "pins.h"

char LICENSE[] SEC("license") = "GPL";

extern const void root_mem_cgroup __ksym;
extern const void bdi_list __ksym __weak;
extern const void vmemmap_base __ksym __weak;
extern const void max_pfn __ksym __weak;
extern const struct memcg_stock_pcp memcg_stock __ksym __weak;

const volatile __u32 nr_nodes = 1;
const volatile __u32 nr_cpus = 1;
const volatile __u32 page_struct_bytes = 64;

struct pins_state state;
struct pins_run runs[PINS_RUNS];
struct pins_ask asks[PINS_ASKS];
struct pins_answer answers[PINS_ASKS];
struct pins_ref refs[PINS_REFS];
char names[PINS_NAMES_BYTES + 256];

#define WALK_MAX (1U << 22)

/* In map memory, as in the census: see there. */
static __u64 memcg;		/* the one found; every program looks whether it still is */

static __always_inline bool read_word(__u64 *ret, __u64 from)
{
	return bpf_probe_read_kernel(ret, 8, (void *)from) == 0;
}

#define OFF(type, field) bpf_core_field_offset(type, field)

/* ---- Finding the memcg ---- */

static __u64 pos;		/* css to visit, or just left */
static bool climbing;

static __always_inline __u64 id_of(__u64 css)
{
	struct cgroup *cgrp;
	struct kernfs_node *kn;
	__u64 id;

	if (!read_word((__u64 *)&cgrp, css + OFF(struct cgroup_subsys_state, cgroup)) ||
	    !read_word((__u64 *)&kn, (__u64)&cgrp->kn) || !read_word(&id, (__u64)&kn->id))
		return 0;
	return id;
}

/* One css, in pre-order.  A removed one still points to its parent and forward. */
static long find_step(__u32 i, void *ctx)
{
	__u64 next, parent, child;

	if (!climbing) {
		if (state.want_id && id_of(pos) == state.want_id) {
			memcg = pos;
			return 1;
		}
		if (!read_word(&child, pos + OFF(struct cgroup_subsys_state, children)))
			return 1;
		if (child != pos + OFF(struct cgroup_subsys_state, children)) {
			pos = child - OFF(struct cgroup_subsys_state, sibling);
			return 0;
		}
	}
	if (!read_word(&parent, pos + OFF(struct cgroup_subsys_state, parent)) || !parent ||
	    !read_word(&next, pos + OFF(struct cgroup_subsys_state, sibling)))
		return 1;
	climbing = next == parent + OFF(struct cgroup_subsys_state, children);
	pos = climbing ? parent : next - OFF(struct cgroup_subsys_state, sibling);
	return 0;
}

static __always_inline __s64 read_refs(void)
{
	struct percpu_ref_data *data;
	__s64 count;

	if (!read_word((__u64 *)&data, memcg + OFF(struct cgroup_subsys_state, refcnt.data)) ||
	    !read_word((__u64 *)&count, (__u64)&data->count))
		return -1;
	return count;
}

#define ZONES_MAX 8
#define LRUS 5
#define LRU_UNEVICTABLE 4

static __u64 zone_sizes[ZONES_MAX * LRUS];

static __always_inline __u64 per_node(__u32 nid)
{
	__u64 pn;

	if (!read_word(&pn, memcg + OFF(struct mem_cgroup, nodeinfo) + nid * 8))
		return 0;
	return pn;
}

static __always_inline __u64 count_unevictable(void)
{
	__u32 bytes = bpf_core_field_size(struct mem_cgroup_per_node, lru_zone_size);
	__u32 nid, zone;
	__u64 pn, sum = 0;

	if (bytes > sizeof(zone_sizes))
		return 0;
	for (nid = 0; nid < 64 && nid < nr_nodes; nid++) {
		pn = per_node(nid);
		if (!pn || bpf_probe_read_kernel(zone_sizes, bytes,
				(void *)(pn + OFF(struct mem_cgroup_per_node, lru_zone_size))))
			continue;
		for (zone = 0; zone < ZONES_MAX; zone++)
			sum += zone_sizes[zone * LRUS + LRU_UNEVICTABLE];
	}
	return sum;
}

static __always_inline void read_memcg(void)
{
	struct mem_cgroup *m = (void *)memcg;
	struct cgroup *cgrp = NULL;
	__u32 id_refs = 0;

	state.refs = read_refs();
	bpf_probe_read_kernel(&state.css_flags, 4, &m->css.flags);
	bpf_probe_read_kernel(&state.usage_pages, 8, &m->memory.usage);
	bpf_probe_read_kernel(&state.swap_pages, 8, &m->swap.usage);
	bpf_probe_read_kernel(&id_refs, 4, &((struct mem_cgroup___refs *)m)->id.ref);
	bpf_probe_read_kernel(&cgrp, 8, &m->css.cgroup);
	bpf_probe_read_kernel(&state.level, 4, &cgrp->level);
	state.id_refs = id_refs;
	state.unevictable_pages = count_unevictable();
}

/* 0: there is no such memcg. */
SEC("raw_tp")
int pins_find(void *ctx)
{
	if (!read_word(&pos, (__u64)&root_mem_cgroup) || !pos)
		return -1;
	memcg = 0;
	climbing = false;
	state.unfinished = 0;
	if (bpf_loop(WALK_MAX, find_step, NULL, 0) >= WALK_MAX)
		state.unfinished = 1;
	if (!memcg)
		return 0;
	read_memcg();
	return 1;
}

static __always_inline bool still_there(void)
{
	return memcg && id_of(memcg) == state.want_id;
}

/* ---- Pages ---- */

#define RETRIES_MAX 64		/* of a step, in one list */
#define RESTARTS_MAX 3		/* of a list */

static __u64 node, prev, before_prev, head;	/* list heads: the next, and those behind it */
static __u32 list;		/* number of list heads begun, over all nodes */
static __u32 list_seq;
static __u32 retries, restarts;

static __always_inline __u32 page_flags(__u64 flags, __u32 *ret_dirty, bool *ret_large)
{
	__u32 f = 0;

#define BIT_OF(bit) ((flags >> bpf_core_enum_value(enum pageflags, bit)) & 1)
	*ret_dirty = BIT_OF(PG_dirty) | BIT_OF(PG_writeback);
	*ret_large = BIT_OF(PG_head);
	if (BIT_OF(PG_swapbacked)) {
		f |= PINS_SWAPBACKED;
		if (BIT_OF(PG_swapcache))
			f |= PINS_SWAPCACHE;
	}
	if (BIT_OF(PG_mlocked))
		f |= PINS_MLOCKED;
	if (BIT_OF(PG_unevictable))
		f |= PINS_UNEVICTABLE;
	if (BIT_OF(PG_writeback))
		f |= PINS_WRITEBACK;
	return f;
#undef BIT_OF
}

static __always_inline __u32 large_order(__u64 folio)
{
	__u8 order = 0;

	if (bpf_core_field_exists(struct folio, _folio_order))
		bpf_probe_read_kernel(&order, 1, &((struct folio *)folio)->_folio_order);
	else if (bpf_core_field_exists(struct folio___later, _flags_1))
		bpf_probe_read_kernel(&order, 1, &((struct folio___later *)folio)->_flags_1);
	return order & 31;
}

static __always_inline bool large_mapped(__u64 folio)
{
	__s32 count = -1;

	if (bpf_core_field_exists(struct folio___later, _large_mapcount))
		bpf_probe_read_kernel(&count, 4, &((struct folio___later *)folio)->_large_mapcount);
	else if (bpf_core_field_exists(struct folio, _total_mapcount))
		bpf_probe_read_kernel(&count, 4, &((struct folio *)folio)->_total_mapcount);
	return count >= 0;
}

/* The copy of a page that is charged to the memcg: a run of its own, or part of the one before. */
static __always_inline void add_folio(const __u64 *copy, __u64 folio)
{
	__u64 mapping = (__u64)SNAP_FIELD(copy, struct folio, mapping);
	__u64 index = SNAP_FIELD(copy, struct folio, index);
	bool mapped = SNAP_FIELD(copy, struct folio, _mapcount).counter >= 0, large;
	__u32 dirty, pages = 1, n = state.n_runs;
	struct pins_run *r;
	__u32 flags = page_flags(SNAP_FIELD(copy, struct folio, flags), &dirty, &large);

	if (large) {
		pages <<= large_order(folio);
		mapped = large_mapped(folio);
		flags |= PINS_LARGE;
	}
	if (!mapping)
		index = 0;
	state.pages_seen += pages;
	r = &runs[(n - 1) & (PINS_RUNS - 1)];
	if (n && r->mapping == mapping && r->list == list_seq && r->flags == flags) {
		if (index + pages == r->index)
			r->index = index;
		else if (mapping && index != r->index + r->pages)
			goto new;
		r->pages += pages;
		r->folios++;
		r->dirty += dirty ? pages : 0;
		r->mapped += mapped ? pages : 0;
		return;
	}
new:
	r = &runs[n & (PINS_RUNS - 1)];
	r->mapping = mapping;
	r->index = index;
	r->folio = folio;
	r->pages = pages;
	r->folios = 1;
	r->dirty = dirty ? pages : 0;
	r->mapped = mapped ? pages : 0;
	r->flags = flags;
	r->list = list_seq;
	state.n_runs = n + 1;
}

/* The place of a list head by its number; 0 behind the last of a node. */
static __always_inline __u64 list_place(__u64 pn, __u32 i)
{
	__u64 lruvec = pn + OFF(struct mem_cgroup_per_node___lists, lruvec);
	__u32 bytes, first;

	if (i < LRUS)
		return lruvec + OFF(struct lruvec, lists) + i * 16;
	i -= LRUS;
	if (bpf_core_field_exists(struct lruvec, lrugen.folios)) {
		first = OFF(struct lruvec, lrugen.folios);
		bytes = bpf_core_field_size(struct lruvec, lrugen.folios);
	} else if (bpf_core_field_exists(struct lruvec___first, lrugen.lists)) {
		first = OFF(struct lruvec___first, lrugen.lists);
		bytes = bpf_core_field_size(struct lruvec___first, lrugen.lists);
	} else {
		return 0;
	}
	return i * 16 < bytes ? lruvec + first + i * 16 : 0;
}

static __u32 nid;

/* The next list that is not empty, one look a step; 1 when there is none left. */
static __always_inline long next_list(void)
{
	__u64 pn = nid < nr_nodes ? per_node(nid) : 0;
	__u64 place, first;

	if (nid >= nr_nodes)
		return 1;
	place = pn ? list_place(pn, list) : 0;
	if (!place) {
		nid++;
		list = 0;
		return 0;
	}
	/* The list of unevictable pages is imaginary: what their links should be is another counter. */
	if (list++ == LRU_UNEVICTABLE || !read_word(&first, place) || !first || first == place)
		return 0;
	head = prev = before_prev = place;
	node = first;
	list_seq++;
	retries = restarts = 0;
	return 0;
}

/*
 * The page is not where the list said.  Ask the one before it again, if that is still in its place; else
 * begin the list anew; in the end, give up on it.
 */
static __always_inline long astray(void)
{
	__u64 copy[SNAP_WORDS], first;
	struct pins_run *r;

	if (prev != head && retries++ < RETRIES_MAX &&
	    snap(copy, SNAP_BYTES(struct folio, memcg_data), (void *)(prev - OFF(struct folio, lru))) &&
	    SNAP_FIELD(copy, struct folio, memcg_data) == memcg &&
	    (__u64)SNAP_FIELD(copy, struct folio, lru.prev) == before_prev) {
		node = (__u64)SNAP_FIELD(copy, struct folio, lru.next);
		return 0;
	}
	if (restarts++ >= RESTARTS_MAX || !read_word(&first, head)) {
		state.unfinished++;
		node = head;
		return 0;
	}
	r = &runs[state.n_runs & (PINS_RUNS - 1)];
	__builtin_memset(r, 0, sizeof(*r));
	r->flags = PINS_RESTARTED;
	r->list = list_seq++;
	state.n_runs++;
	state.restarts++;
	prev = before_prev = head;
	node = first;
	return 0;
}

static long page_step(__u32 i, void *ctx)
{
	__u64 copy[SNAP_WORDS], folio;

	if (state.n_runs >= PINS_RUNS)
		return 1;
	if (node == head) {
		if (next_list()) {
			state.done = 1;
			return 1;
		}
		return 0;
	}
	folio = node - OFF(struct folio, lru);
	if (!snap(copy, SNAP_BYTES(struct folio, memcg_data), (void *)folio) ||
	    SNAP_FIELD(copy, struct folio, memcg_data) != memcg ||
	    (__u64)SNAP_FIELD(copy, struct folio, lru.prev) != prev)
		return astray();
	add_folio(copy, folio);
	before_prev = prev;
	prev = node;
	node = (__u64)SNAP_FIELD(copy, struct folio, lru.next);
	return 0;
}

/* Each run of it walks one portion, after pins_begin. */
SEC("raw_tp")
int pins_pages(void *ctx)
{
	state.n_runs = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_STEPS, page_step, NULL, 0);
	return 0;
}

SEC("raw_tp")
int pins_begin(void *ctx)
{
	node = head = prev = before_prev = 0;
	list = nid = 0;
	list_seq = 1;
	state.pages_seen = state.restarts = state.done = state.unfinished = 0;
	return still_there() ? 0 : -1;
}

/* ---- What the mappings are ---- */

static __u32 ask;		/* the one in hand */
static __u64 dentry;		/* 0: nothing read yet of this one */
static __u32 path_len;

static __always_inline bool page_is_there(const struct pins_ask *q)
{
	__u64 copy[SNAP_WORDS];

	return snap(copy, SNAP_BYTES(struct folio, memcg_data), (void *)q->folio) &&
	       SNAP_FIELD(copy, struct folio, memcg_data) == memcg &&
	       (__u64)SNAP_FIELD(copy, struct folio, mapping) == q->mapping;
}

static __always_inline long answered(const struct pins_ask *q, struct pins_answer *a)
{
	a->name_len = path_len;
	if (!page_is_there(q))
		a->flags |= PINS_STALE;
	dentry = 0;
	path_len = 0;
	ask++;
	return 0;
}

/* Looks for a vma that covers the page, from the top of the interval tree down one path. */
static __always_inline void read_owner(const struct pins_ask *q, struct pins_answer *a)
{
	struct anon_vma *av = (void *)(q->mapping & ~3ULL);
	struct vm_area_struct *vma = NULL;
	struct task_struct *owner = NULL;
	struct mm_struct *mm = NULL;
	__u64 rb = 0, avc, left, last, start, end, pgoff;
	int i;

	bpf_probe_read_kernel(&rb, 8, &av->rb_root.rb_root.rb_node);
	for (i = 0; i < 16 && rb; i++) {
		avc = rb - OFF(struct anon_vma_chain, rb);
		if (!read_word((__u64 *)&vma, avc + OFF(struct anon_vma_chain, vma)) ||
		    !read_word(&start, (__u64)&vma->vm_start) || !read_word(&end, (__u64)&vma->vm_end) ||
		    !read_word(&pgoff, (__u64)&vma->vm_pgoff))
			return;
		if (q->index >= pgoff && q->index - pgoff < (end - start) >> 12)
			break;
		vma = NULL;
		if (read_word(&left, rb + OFF(struct rb_node, rb_left)) && left &&
		    read_word(&last, left - OFF(struct anon_vma_chain, rb) +
				     OFF(struct anon_vma_chain, rb_subtree_last)) && last >= q->index)
			rb = left;
		else if (!read_word(&rb, rb + OFF(struct rb_node, rb_right)))
			return;
	}
	if (!vma || !read_word((__u64 *)&mm, (__u64)&vma->vm_mm) || !read_word((__u64 *)&owner, (__u64)&mm->owner))
		return;
	bpf_probe_read_kernel(&a->pid, 4, &owner->tgid);
	bpf_probe_read_kernel_str(a->comm, sizeof(a->comm), &owner->comm);
}

/* The one the last inode was of; most are of the same. */
static __u64 sb_known;
static __u64 sb_root;
static struct pins_answer sb_answer;

static __always_inline bool read_sb(__u64 sb)
{
	__u64 copy[SNAP_WORDS];
	struct file_system_type *type;
	const char *name;

	if (sb == sb_known)
		return true;
	sb_known = 0;
	if (!snap(copy, SNAP_BYTES(struct super_block, s_root), (void *)sb))
		return false;
	sb_answer.dev = SNAP_FIELD(copy, struct super_block, s_dev);
	sb_answer.magic = SNAP_FIELD(copy, struct super_block, s_magic);
	sb_root = (__u64)SNAP_FIELD(copy, struct super_block, s_root);
	type = SNAP_FIELD(copy, struct super_block, s_type);
	bpf_probe_read_kernel_str(sb_answer.sb_id, sizeof(sb_answer.sb_id), (void *)(sb + OFF(struct super_block, s_id)));
	sb_answer.fstype[0] = 0;
	if (read_word((__u64 *)&name, (__u64)&type->name))
		bpf_probe_read_kernel_str(sb_answer.fstype, sizeof(sb_answer.fstype), name);
	sb_known = sb;
	return true;
}

/* Whether there is a name to read, too. */
static __always_inline bool read_inode(const struct pins_ask *q, struct pins_answer *a)
{
	struct address_space *as = (void *)q->mapping;
	__u64 copy[SNAP_WORDS], inode, alias;

	if (!read_word(&inode, (__u64)&as->host) || !snap(copy, SNAP_BYTES(struct inode, i_size), (void *)inode) ||
	    !read_sb((__u64)SNAP_FIELD(copy, struct inode, i_sb))) {
		a->flags |= PINS_STALE;
		return false;
	}
	a->ino = SNAP_FIELD(copy, struct inode, i_ino);
	a->size = SNAP_FIELD(copy, struct inode, i_size);
	a->nlink = SNAP_FIELD(copy, struct inode, i_nlink);
	a->mode = SNAP_FIELD(copy, struct inode, i_mode);
	a->rdev = SNAP_FIELD(copy, struct inode, i_rdev);
	a->dev = sb_answer.dev;
	a->magic = sb_answer.magic;
	__builtin_memcpy(a->fstype, sb_answer.fstype, sizeof(a->fstype));
	__builtin_memcpy(a->sb_id, sb_answer.sb_id, sizeof(a->sb_id));
	if (!read_word(&alias, inode + OFF(struct inode, i_dentry.first)) || !alias) {
		a->flags |= PINS_NAMELESS;
		return false;
	}
	dentry = alias - OFF(struct dentry, d_u.d_alias);
	return true;
}

/* Half a path would be a false one. */
static __always_inline long nameless(const struct pins_ask *q, struct pins_answer *a)
{
	a->flags |= PINS_NAMELESS;
	return answered(q, a);
}

static __always_inline __u32 dentry_seq(void)
{
	__u32 seq = 1;

	bpf_probe_read_kernel(&seq, 4, (void *)(dentry + OFF(struct dentry, d_seq.seqcount.sequence)));
	return seq;
}

/* One mapping, or one component of its path, a step. */
static long name_step(__u32 i, void *ctx)
{
	__u64 copy[SNAP_WORDS], parent, name;
	struct pins_answer *a;
	struct pins_ask *q;
	__u32 at, seq;
	long len;

	if (ask >= state.n_asks || ask >= PINS_ASKS) {
		state.done = 1;
		return 1;
	}
	if (state.names_used > PINS_NAMES_BYTES - PINS_PATH_MAX - 256 && !dentry)
		return 1;
	q = &asks[ask & (PINS_ASKS - 1)];
	a = &answers[ask & (PINS_ASKS - 1)];
	if (!dentry) {
		__builtin_memset(a, 0, sizeof(*a));
		a->name = state.names_used;
		path_len = 0;
		if (q->mapping & 1) {
			a->flags = PINS_ANON | (q->mapping & 2 ? PINS_KSM : 0);
			if (!(q->mapping & 2))
				read_owner(q, a);
			return answered(q, a);
		}
		return read_inode(q, a) ? 0 : answered(q, a);
	}
	if (dentry == sb_root)
		return answered(q, a);
	if (!snap(copy, SNAP_BYTES(struct dentry, d_name), (void *)dentry))
		return nameless(q, a);
	seq = SNAP_FIELD(copy, struct dentry, d_seq.seqcount.sequence);
	parent = (__u64)SNAP_FIELD(copy, struct dentry, d_parent);
	name = (__u64)SNAP_FIELD(copy, struct dentry, d_name.name);
	if (path_len >= PINS_PATH_MAX) {
		a->flags |= PINS_CUT;
		return answered(q, a);
	}
	at = state.names_used;
	if (at > PINS_NAMES_BYTES)
		return 1;
	len = bpf_probe_read_kernel_str(&names[at], 256, (void *)name);
	if (len < 1 || len > 256)
		return nameless(q, a);
	if (seq & 1 || seq != dentry_seq())
		return 0;	/* it is being renamed: read it again */
	state.names_used = at + len;
	path_len += len;
	if (parent == dentry) {
		a->flags |= PINS_PSEUDO;
		return answered(q, a);
	}
	dentry = parent;
	return 0;
}

SEC("raw_tp")
int pins_names(void *ctx)
{
	state.names_used = state.done = 0;
	sb_known = 0;
	ask = path_len = 0;
	dentry = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_ASKS * 64, name_step, NULL, 0);
	state.n_asks = ask;
	return 0;
}

/* ---- Pages again, wherever they are ---- */

/*
 * Those on no list (unevictable ones, those on their way to a list or isolated from it) are found by
 * looking at all pages of the machine.  A page's own word about its memcg is exact.
 */
static __u64 batch[PINS_BATCH * 8];

#define SECTION_BYTES (2U << 20)	/* struct pages of one memory section: they are there or not as one */

/*
 * A page of the batch.  Not static: the verifier then checks it once, not for each of the 64 places it may be
 * called with.
 */
__noinline int add_found(__u32 k, __u64 folio)
{
	add_folio(&batch[(k & (PINS_BATCH - 1)) * 8], folio);
	return 0;
}

static long scan_step(__u32 i, void *ctx)
{
	const __u32 memcg_word = OFF(struct folio, memcg_data) / 8;
	__u64 folio = state.next_folio;
	__u32 k;

	if (folio >= state.end_folio) {
		state.done = 1;
		return 1;
	}
	if (state.n_runs > PINS_RUNS - PINS_BATCH)
		return 1;
	if (bpf_probe_read_kernel(batch, sizeof(batch), (void *)folio)) {
		state.next_folio = (folio | (SECTION_BYTES - 1)) + 1;
		return 0;
	}
	for (k = 0; k < PINS_BATCH; k++)
		if (batch[k * 8 + (memcg_word & 7)] == memcg)
			add_found(k, folio + k * 64);
	state.next_folio = folio + sizeof(batch);
	return 0;
}

SEC("raw_tp")
int pins_scan(void *ctx)
{
	state.n_runs = 0;
	if (!still_there())
		return -1;
	bpf_loop(PINS_STEPS, scan_step, NULL, 0);
	return 0;
}

/* After pins_begin; the result is 0 where the kernel's pages are not in one row. */
SEC("raw_tp")
int pins_scan_begin(void *ctx)
{
	__u64 pages;

	if (page_struct_bytes != 64 || !&vmemmap_base || !&max_pfn ||
	    !read_word(&state.next_folio, (__u64)&vmemmap_base) || !read_word(&pages, (__u64)&max_pfn))
		return 0;
	state.end_folio = state.next_folio + pages * 64;
	return 1;
}

/* ---- What else holds a reference ---- */

/* Not static: clang would make a boolean of what is ever set to one address, and BTF then not fit. */
__u64 outer_head;
static __u64 outer, inner, inner_head;
static __u32 ref_kind;

/* Counted in any case; told while there is room. */
static __always_inline struct pins_ref *new_ref(__u32 kind)
{
	struct pins_ref *r = &refs[state.n_refs & (PINS_REFS - 1)];

	state.refs_by_kind[kind & 15]++;
	if (state.n_refs >= PINS_REFS)
		return NULL;
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = kind;
	state.n_refs++;
	return r;
}

static __always_inline void name_task(struct pins_ref *r, __u64 task)
{
	struct task_struct *t = (void *)task;

	bpf_probe_read_kernel(&r->pid, 4, &t->tgid);
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), &t->comm);
}

static __always_inline void one_child(__u64 at)
{
	struct cgroup_subsys_state *css = (void *)(at - OFF(struct cgroup_subsys_state, sibling));
	struct pins_ref *r = new_ref(PINS_REF_CHILD);
	struct cgroup *cgrp;
	struct kernfs_node *kn;
	__u32 flags = 0;
	const char *name;

	if (!r)
		return;
	bpf_probe_read_kernel(&flags, 4, &css->flags);
	r->count = !!(flags & CSS_DYING);
	if (!read_word((__u64 *)&cgrp, (__u64)&css->cgroup) || !read_word((__u64 *)&kn, (__u64)&cgrp->kn))
		return;
	bpf_probe_read_kernel(&r->id, 8, &kn->id);
	if (read_word((__u64 *)&name, (__u64)&kn->name))
		bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
}

static __always_inline void one_mm(__u64 at)
{
	struct mm_struct *mm = (void *)(at - OFF(struct mm_struct, lru_gen.list));
	struct pins_ref *r = new_ref(PINS_REF_MM);
	__u64 owner;

	if (r && read_word(&owner, (__u64)&mm->owner) && owner)
		name_task(r, owner);
}

static __always_inline __u32 memory_ssid(void)
{
	return bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) & 31;
}

static __always_inline void one_cset(__u64 at)
{
	struct css_set *cset = (void *)(at - OFF(struct css_set, e_cset_node) - memory_ssid() * 16);
	struct pins_ref *r = new_ref(PINS_REF_CSET);
	__u64 first;
	__u32 n = 0;

	if (!r)
		return;
	bpf_probe_read_kernel(&n, 4, &cset->nr_tasks);
	r->count = n;
	if (read_word(&first, (__u64)&cset->dying_tasks) && first != (__u64)&cset->dying_tasks)
		name_task(r, first - OFF(struct task_struct, cg_list));
}

/* One entry of a plain list. */
static long ref_step(__u32 i, void *ctx)
{
	if (!inner || inner == inner_head)
		return 1;
	switch (ref_kind) {
	case PINS_REF_CHILD:
		one_child(inner);
		break;
	case PINS_REF_MM:
		one_mm(inner);
		break;
	case PINS_REF_CSET:
		one_cset(inner);
		break;
	}
	return !read_word(&inner, inner);
}

static __always_inline void walk_refs(__u32 kind, __u64 list_head)
{
	ref_kind = kind;
	inner_head = list_head;
	if (read_word(&inner, list_head) && bpf_loop(WALK_MAX, ref_step, NULL, 0) >= WALK_MAX)
		state.unfinished++;
}

/*
 * The writeback structures of all devices: a dying memcg's own list of them is emptied when it goes
 * offline, while its inodes keep them.
 */
static long writeback_step(__u32 i, void *ctx)
{
	struct backing_dev_info *bdi;
	struct pins_ref *r;
	__u64 css;

	if (!inner || inner == inner_head) {
		if (!read_word(&outer, outer) || outer == outer_head)
			return 1;
		inner_head = outer - OFF(struct backing_dev_info, bdi_list) + OFF(struct backing_dev_info, wb_list);
		return !read_word(&inner, inner_head);
	}
	if (read_word(&css, inner - OFF(struct bdi_writeback, bdi_node) + OFF(struct bdi_writeback, memcg_css)) &&
	    css == memcg) {
		r = new_ref(PINS_REF_WRITEBACK);
		bdi = (void *)(outer - OFF(struct backing_dev_info, bdi_list));
		if (r)
			bpf_probe_read_kernel_str(r->name, sizeof(r->name), &bdi->dev_name);
	}
	return !read_word(&inner, inner);
}

static long stock_step(__u32 cpu, void *ctx)
{
	const struct memcg_stock_pcp *stock;
	struct pins_ref *r;

	stock = bpf_per_cpu_ptr(&memcg_stock, cpu);
	if (!stock)
		return 1;
	if ((__u64)stock->cached != memcg)
		return 0;
	r = new_ref(PINS_REF_STOCK);
	if (r)
		r->count = cpu;
	return 0;
}

SEC("raw_tp")
int pins_refs(void *ctx)
{
	struct mem_cgroup___refs *m = (void *)memcg;
	__u64 cgrp;
	__u32 k;

	state.n_refs = 0;
	for (k = 0; k < PINS_REF_KINDS; k++)
		state.refs_by_kind[k] = 0;
	if (!still_there())
		return -1;
	walk_refs(PINS_REF_CHILD, memcg + OFF(struct cgroup_subsys_state, children));
	if (bpf_core_field_exists(struct mem_cgroup___refs, mm_list))
		walk_refs(PINS_REF_MM, (__u64)&m->mm_list.fifo);
	if (read_word(&cgrp, memcg + OFF(struct cgroup_subsys_state, cgroup)))
		walk_refs(PINS_REF_CSET, cgrp + OFF(struct cgroup___csets, e_csets) + memory_ssid() * 16);
	if (&bdi_list) {
		outer = outer_head = (__u64)&bdi_list;
		inner = 0;
		if (bpf_loop(WALK_MAX, writeback_step, NULL, 0) >= WALK_MAX)
			state.unfinished++;
	}
	if (bpf_core_field_exists(struct memcg_stock_pcp, cached) && &memcg_stock)
		bpf_loop(nr_cpus, stock_step, NULL, 0);
	return 0;
}

/* Whether anything came or went meanwhile. */
SEC("raw_tp")
int pins_end(void *ctx)
{
	if (!still_there())
		return -1;
	state.refs_after = read_refs();
	return 0;
}

/* ---- Open files of all processes: sockets, and those who watch files ---- */

extern const void socket_file_ops __ksym __weak;
extern const void inotify_fops __ksym __weak;
extern const void fanotify_fops __ksym __weak;

struct seen_key {
	__u64 object;
	__u64 walk;
};

/* What several descriptors lead to is one reference. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct seen_key);
	__type(value, __u8);
} seen SEC(".maps");

static __always_inline struct pins_ref *file_ref(__u32 kind, __u64 object, __u64 task)
{
	struct seen_key key = { .object = object, .walk = state.walk };
	struct pins_ref *r;
	__u8 yes = 1;

	if (bpf_map_update_elem(&seen, &key, &yes, BPF_NOEXIST))
		return NULL;
	r = new_ref(kind);
	if (r)
		name_task(r, task);
	return r;
}

#define FAMILY_UNIX 1
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define IN_COMMON(field) (OFF(struct sock, __sk_common) + OFF(struct sock_common, field))
#define IN_COMMON6(field) (OFF(struct sock, __sk_common) + OFF(struct sock_common___v6, field))

static __always_inline void read_unix_name(struct pins_ref *r, __u64 sk)
{
	struct unix_address *addr;
	__u32 len = 0;

	if (!read_word((__u64 *)&addr, (__u64)&((struct unix_sock *)sk)->addr) || !addr)
		return;
	bpf_probe_read_kernel(&len, 4, &addr->len);
	if (len < 2)
		return;
	len -= 2;		/* without the family */
	r->name_len = len < sizeof(r->name) ? len : sizeof(r->name);
	bpf_probe_read_kernel(r->name, sizeof(r->name), &addr->name[0].sun_path);
}

static __always_inline void read_addresses(struct pins_ref *r, __u64 sk)
{
	__u16 port = 0;

	bpf_probe_read_kernel(&r->family, 2, (void *)(sk + IN_COMMON(skc_family)));
	bpf_probe_read_kernel(&r->protocol, 2, &((struct sock *)sk)->sk_protocol);
	if (r->family == FAMILY_UNIX) {
		read_unix_name(r, sk);
		return;
	}
	if (r->family == FAMILY_INET) {
		bpf_probe_read_kernel(r->local, 4, (void *)(sk + IN_COMMON(skc_rcv_saddr)));
		bpf_probe_read_kernel(r->remote, 4, (void *)(sk + IN_COMMON(skc_daddr)));
	} else if (r->family == FAMILY_INET6) {
		bpf_probe_read_kernel(r->local, 16, (void *)(sk + IN_COMMON6(skc_v6_rcv_saddr)));
		bpf_probe_read_kernel(r->remote, 16, (void *)(sk + IN_COMMON6(skc_v6_daddr)));
	} else {
		return;
	}
	bpf_probe_read_kernel(&r->local_port, 2, (void *)(sk + IN_COMMON(skc_num)));
	bpf_probe_read_kernel(&port, 2, (void *)(sk + IN_COMMON(skc_dport)));
	r->remote_port = port << 8 | port >> 8;
}

SEC("iter/task_file")
int pins_files(struct bpf_iter__task_file *ctx)
{
	__u64 task = (__u64)ctx->task, ops, object, owner, sk;
	struct file *file = ctx->file;
	struct pins_ref *r;

	if (!task || !file || !memcg)
		return 0;
	ops = (__u64)file->f_op;
	object = (__u64)file->private_data;
	if (!object)
		return 0;
	if (&socket_file_ops && ops == (__u64)&socket_file_ops) {
		if (!read_word(&sk, object + OFF(struct socket, sk)) || !sk ||
		    !read_word(&owner, sk + OFF(struct sock, sk_memcg)) || owner != memcg)
			return 0;
		r = file_ref(PINS_REF_SOCKET, sk, task);
		if (r)
			read_addresses(r, sk);
		return 0;
	}
	if ((&inotify_fops && ops == (__u64)&inotify_fops) || (&fanotify_fops && ops == (__u64)&fanotify_fops)) {
		if (read_word(&owner, object + OFF(struct fsnotify_group, memcg)) && owner == memcg)
			file_ref(&inotify_fops && ops == (__u64)&inotify_fops ? PINS_REF_INOTIFY : PINS_REF_FANOTIFY, object, task);
	}
	return 0;
}

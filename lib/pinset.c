/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinset.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "util.h"

#define MAGIC_BDEV 0x62646576
#define MAGIC_TMPFS 0x01021994
#define MAGIC_RAMFS 0x858458f6
#define MAGIC_EXT4 0xef53
#define MAGIC_BTRFS 0x9123683e
#define MAGIC_F2FS 0xf2f52010

#define EXT4_ROOT_INO 2
#define EXT4_FIRST_INO 11	/* those before are the file system's own, but for the root directory */

static const char *const kind_names[MCR_PIN_KINDS] = {
	[MCR_PIN_FILE] = "file",
	[MCR_PIN_BLOCK_DEVICE] = "block-device",
	[MCR_PIN_METADATA] = "metadata",
	[MCR_PIN_TMPFS] = "tmpfs",
	[MCR_PIN_MEMFD] = "memfd",
	[MCR_PIN_SYSV] = "sysv",
	[MCR_PIN_SHARED_ANON] = "shared-anon",
	[MCR_PIN_KERNEL_SHMEM] = "kernel-shmem",
	[MCR_PIN_ANON] = "anon",
	[MCR_PIN_KSM] = "ksm",
	[MCR_PIN_SWAP_CACHE] = "swap-cache",
	[MCR_PIN_NO_FILE] = "no-file",
	[MCR_PIN_VANISHED] = "vanished",
	[MCR_PIN_SWAP] = "swap",
	[MCR_PIN_CHILD] = "child",
	[MCR_PIN_WRITEBACK] = "writeback",
	[MCR_PIN_PROCESS] = "process",
	[MCR_PIN_MM] = "mm",
	[MCR_PIN_STOCK] = "stock",
	[MCR_PIN_SOCKET] = "socket",
	[MCR_PIN_INOTIFY] = "inotify",
	[MCR_PIN_FANOTIFY] = "fanotify",
};

const char *mcr_pin_kind_name(enum mcr_pin_kind kind)
{
	return (unsigned int)kind < MCR_PIN_KINDS ? kind_names[kind] : "?";
}

struct mcr_pins *mcr_pins_free(struct mcr_pins *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		free(p->pins[i].name);
		free(p->pins[i].path);
		free(p->pins[i].ranges);
		free(p->pins[i].swap_ranges);
	}
	free(p->pins);
	free(p);
	return NULL;
}

/* The array of pins doubles at each power of two. */
int mcr_pins_add(struct mcr_pins *p, const struct mcr_pin *pin)
{
	if ((p->n & (p->n - 1)) == 0) {
		struct mcr_pin *bigger = reallocarray(p->pins, p->n ? p->n * 2 : 1, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		p->pins = bigger;
	}
	p->pins[p->n++] = *pin;
	return 0;
}

static void forget_list(struct mcr_runs *r, uint32_t list)
{
	while (r->n && r->run[r->n - 1].list == list)
		r->n--;
}

int mcr_runs_add(struct mcr_runs *r, const struct pins_run *portion, size_t n)
{
	if (r->n + n > r->size) {
		size_t size = r->size * 2 > r->n + n ? r->size * 2 : r->n + n;
		struct pins_run *bigger = reallocarray(r->run, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		r->run = bigger;
		r->size = size;
	}
	for (size_t i = 0; i < n; i++) {
		if (portion[i].flags & PINS_RESTARTED)
			forget_list(r, portion[i].list);
		else
			r->run[r->n++] = portion[i];
	}
	return 0;
}

uint64_t mcr_runs_folios(const struct mcr_runs *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->n; i++)
		sum += r->run[i].folios;
	return sum;
}

/* Pages of no mapping: those in the swap cache are a kind of their own. */
static int compare_mapping(const struct pins_run *x, const struct pins_run *y)
{
	uint32_t swap_x = x->mapping ? 0 : x->flags & PINS_SWAPCACHE;
	uint32_t swap_y = y->mapping ? 0 : y->flags & PINS_SWAPCACHE;

	if (x->mapping != y->mapping)
		return x->mapping < y->mapping ? -1 : 1;
	return (swap_x > swap_y) - (swap_x < swap_y);
}

static int compare_runs(const void *a, const void *b)
{
	const struct pins_run *x = a, *y = b;
	int r = compare_mapping(x, y);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

void mcr_runs_sort(struct mcr_runs *r)
{
	qsort(r->run, r->n, sizeof(*r->run), compare_runs);
}

size_t mcr_runs_same(const struct pins_run *run, size_t n)
{
	size_t i = 1;

	while (i < n && compare_mapping(run, run + i) == 0)
		i++;
	return n ? i : 0;
}

/* A page in memory rather than an entry in swap: it is looked at in one copy. */
struct pins_ask mcr_runs_ask(const struct pins_run *run, size_t n)
{
	size_t i = 0;

	while (i + 1 < n && !run[i].folio)
		i++;
	return (struct pins_ask){ run[i].mapping, run[i].folio, run[i].index };
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Without the pages before end, which have been counted. */
static struct pins_run behind(const struct pins_run *run, uint64_t end)
{
	struct pins_run r = *run;
	uint64_t twice = end > r.index ? least(end - r.index, r.pages) : 0;

	r.index += twice;
	r.pages -= twice;
	r.folios = least(r.folios, r.pages);
	r.dirty = least(r.dirty, r.pages);
	r.mapped = least(r.mapped, r.pages);
	return r;
}

static void add_range(struct mcr_range *ranges, size_t *n, uint64_t offset, uint64_t len)
{
	struct mcr_range *last = *n ? &ranges[*n - 1] : NULL;

	if (last && last->offset + last->len == offset)
		last->len += len;
	else
		ranges[(*n)++] = (struct mcr_range){ offset, len };
}

static size_t count_swapped(const struct pins_run *run, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += !!(run[i].flags & PINS_SWAPPED);
	return sum;
}

static int make_ranges(struct mcr_pin *pin, const struct pins_run *run, size_t n)
{
	size_t swapped = count_swapped(run, n);

	pin->ranges = calloc(n, sizeof(*pin->ranges));
	pin->swap_ranges = swapped ? calloc(swapped, sizeof(*pin->swap_ranges)) : NULL;
	if (pin->ranges && (pin->swap_ranges || !swapped))
		return 0;
	free(pin->ranges);
	free(pin->swap_ranges);
	return -ENOMEM;
}

int mcr_pin_sum(const struct pins_run *run, size_t n, uint64_t page_size, struct mcr_pin *ret)
{
	struct mcr_pin pin = { .kind = MCR_PIN_VANISHED };
	bool file = run->mapping && !(run->mapping & 3);
	uint64_t end = 0;

	if (!run->mapping)
		pin.kind = run->flags & PINS_SWAPCACHE ? MCR_PIN_SWAP_CACHE : MCR_PIN_NO_FILE;
	if (file && make_ranges(&pin, run, n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct pins_run r = file ? behind(&run[i], end) : run[i];

		if (run[i].flags & PINS_SWAPPED)
			pin.swap_bytes += run[i].pages * page_size;
		if (file && run[i].flags & PINS_SWAPPED)
			add_range(pin.swap_ranges, &pin.n_swap_ranges, run[i].index * page_size, run[i].pages * page_size);
		if (run[i].flags & PINS_SWAPPED || !r.pages)
			continue;
		end = r.index + r.pages;
		pin.refs += r.folios;
		pin.bytes += r.pages * page_size;
		pin.dirty_bytes += r.dirty * page_size;
		pin.mapped_bytes += r.mapped * page_size;
		pin.locked |= !!(r.flags & (PINS_MLOCKED | PINS_UNEVICTABLE));
		pin.large |= !!(r.flags & PINS_LARGE);
		if (file)
			add_range(pin.ranges, &pin.n_ranges, r.index * page_size, r.pages * page_size);
	}
	*ret = pin;
	return 0;
}

static dev_t user_dev(uint32_t dev)
{
	return makedev(dev >> 20, dev & 0xfffff);
}

/* Components come last to first, each with its NUL. */
static char *make_path(const char *names, size_t len)
{
	char *path = malloc(len + 2), *to = path;

	if (!path)
		return NULL;
	if (!len)
		*to++ = '/';
	while (len) {
		size_t start = len - 1, n;

		while (start && names[start - 1])
			start--;
		n = len - 1 - start;
		*to++ = '/';
		memcpy(to, names + start, n);
		to += n;
		len = start;
	}
	*to = '\0';
	return path;
}

/* Inodes that no directory lists. */
static bool is_metadata(uint64_t magic, uint64_t ino)
{
	switch (magic) {
	case MAGIC_EXT4:
		return ino < EXT4_FIRST_INO && ino != EXT4_ROOT_INO;
	case MAGIC_BTRFS:
		return ino == 1;
	case MAGIC_F2FS:
		return ino < 3;
	}
	return false;
}

/* Kernel-internal shared memory is told by its name. */
static int name_shmem(struct mcr_pin *pin, const char *name)
{
	pin->kind = MCR_PIN_KERNEL_SHMEM;
	if (strncmp(name, "memfd:", 6) == 0) {
		pin->kind = MCR_PIN_MEMFD;
		name += 6;
	} else if (strcmp(name, "dev/zero") == 0) {
		pin->kind = MCR_PIN_SHARED_ANON;
	} else if (strncmp(name, "SYSV", 4) == 0 && strlen(name) == 12) {
		pin->kind = MCR_PIN_SYSV;
		pin->key = strtoul(name + 4, NULL, 16);
		pin->shmid = pin->ino;
	}
	pin->name = strdup(name);
	return pin->name ? 0 : -ENOMEM;
}

int mcr_pin_name(struct mcr_pin *pin, const struct pins_answer *a, const char *names, size_t names_bytes)
{
	if (a->name > names_bytes || a->name_len > names_bytes - a->name ||
	    (a->name_len && names[a->name + a->name_len - 1]))
		return -EPROTO;
	if (a->flags & PINS_STALE)
		return 0;		/* it stays MCR_PIN_VANISHED */
	if (a->flags & PINS_ANON) {
		pin->kind = a->flags & PINS_KSM ? MCR_PIN_KSM : MCR_PIN_ANON;
		pin->pid = a->pid;
		memcpy(pin->comm, a->comm, sizeof(pin->comm));
		return 0;
	}
	pin->ino = a->ino;
	pin->nlink = a->nlink;
	pin->size = a->size;
	pin->magic = a->magic;
	pin->dev = user_dev(a->dev);
	memcpy(pin->fstype, a->fstype, sizeof(pin->fstype));
	memcpy(pin->device, a->sb_id, sizeof(a->sb_id));
	if (a->magic == MAGIC_BDEV) {
		pin->kind = MCR_PIN_BLOCK_DEVICE;
		pin->rdev = user_dev(a->rdev);
		return 0;
	}
	if (a->magic == MAGIC_TMPFS && a->flags & PINS_PSEUDO)
		return name_shmem(pin, names + a->name);
	pin->kind = MCR_PIN_FILE;
	if (a->magic == MAGIC_TMPFS || a->magic == MAGIC_RAMFS)
		pin->kind = MCR_PIN_TMPFS;
	else if (is_metadata(a->magic, a->ino))
		pin->kind = MCR_PIN_METADATA;
	pin->name_cut = a->flags & PINS_CUT;
	if (a->flags & PINS_NAMELESS)
		return 0;
	pin->name = make_path(names + a->name, a->name_len);
	return pin->name ? 0 : -ENOMEM;
}

#define END_BYTES (INET6_ADDRSTRLEN + 16)

static void name_end(char *to, int family, const uint8_t *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, address, text, sizeof(text));
	if (family == AF_INET6)
		snprintf(to, END_BYTES, "[%s]:%u", text, port);
	else
		snprintf(to, END_BYTES, "%s:%u", text, port);
}

/* "tcp 127.0.0.1:80 -> 127.0.0.1:40000"; the other end only where there is one. */
static char *name_inet(const struct pins_ref *ref)
{
	char protocol[16], local[END_BYTES], remote[END_BYTES] = "", *name;

	if (ref->protocol == IPPROTO_TCP || ref->protocol == IPPROTO_UDP)
		snprintf(protocol, sizeof(protocol), "%s", ref->protocol == IPPROTO_TCP ? "tcp" : "udp");
	else
		snprintf(protocol, sizeof(protocol), "protocol %u", ref->protocol);
	name_end(local, ref->family, ref->local, ref->local_port);
	if (ref->remote_port)
		name_end(remote, ref->family, ref->remote, ref->remote_port);
	if (asprintf(&name, "%s %s%s%s", protocol, local, remote[0] ? " -> " : "", remote) < 0)
		return NULL;
	return name;
}

/* "unix /run/x", "unix @abstract", "unix". */
static char *name_unix(const struct pins_ref *ref)
{
	bool abstract = ref->name_len && !ref->name[0];
	size_t len = ref->name_len < sizeof(ref->name) ? ref->name_len : sizeof(ref->name);
	char *name;

	if (!len)
		return strdup("unix");
	if (asprintf(&name, "unix %s%.*s", abstract ? "@" : "", (int)(len - abstract), ref->name + abstract) < 0)
		return NULL;
	return name;
}

static char *name_addresses(const struct pins_ref *ref)
{
	char *name;

	switch (ref->family) {
	case AF_UNIX:
		return name_unix(ref);
	case AF_INET:
	case AF_INET6:
		return name_inet(ref);
	}
	return asprintf(&name, "family %u", ref->family) < 0 ? NULL : name;
}

/* "unix /run/x (not accepted yet)": how it is there, if nobody has it open. */
static char *name_open(const struct pins_ref *ref)
{
	static const char *const how[] = {
		[PINS_SOCK_OPEN] = "",
		[PINS_SOCK_EMBRYO] = "(not accepted yet)",
		[PINS_SOCK_IN_FLIGHT] = "(sent in a message, not received yet)",
		[PINS_SOCK_CLOSED] = "(closed, with data to deliver)",
		[PINS_SOCK_NOT_OPEN] = "(not open)",
	};
	const char *text = ref->count < ARRAY_SIZE(how) ? how[ref->count] : "";
	auto_(freep) char *addresses = NULL;
	char *name;

	if (ref->kind != PINS_REF_SOCKET)
		return strdup(text);
	addresses = name_addresses(ref);
	if (!addresses || asprintf(&name, "%s%s%s", addresses, *text ? " " : "", text) < 0)
		return NULL;
	return name;
}

static bool is_open_file(enum mcr_pin_kind kind)
{
	return kind == MCR_PIN_SOCKET || kind == MCR_PIN_INOTIFY || kind == MCR_PIN_FANOTIFY;
}

int mcr_pin_from_ref(const struct pins_ref *ref, struct mcr_pin *ret)
{
	static const enum mcr_pin_kind kinds[PINS_REF_KINDS] = {
		[PINS_REF_CHILD] = MCR_PIN_CHILD, [PINS_REF_WRITEBACK] = MCR_PIN_WRITEBACK,
		[PINS_REF_CSET] = MCR_PIN_PROCESS, [PINS_REF_MM] = MCR_PIN_MM, [PINS_REF_STOCK] = MCR_PIN_STOCK,
		[PINS_REF_SOCKET] = MCR_PIN_SOCKET, [PINS_REF_INOTIFY] = MCR_PIN_INOTIFY,
		[PINS_REF_FANOTIFY] = MCR_PIN_FANOTIFY,
	};
	struct mcr_pin pin = { .refs = 1, .count = ref->count, .pid = ref->pid, .cgroup_id = ref->id };
	bool named;

	if (ref->kind >= PINS_REF_KINDS)
		return -EPROTO;
	pin.kind = kinds[ref->kind];
	memcpy(pin.comm, ref->comm, sizeof(pin.comm) - 1);
	if (pin.kind == MCR_PIN_WRITEBACK)
		memcpy(pin.device, ref->name, sizeof(pin.device) - 1);
	named = pin.kind == MCR_PIN_CHILD || pin.kind == MCR_PIN_SOCKET || (is_open_file(pin.kind) && ref->count);
	if (named)
		pin.name = pin.kind == MCR_PIN_CHILD ? strndup(ref->name, sizeof(ref->name)) : name_open(ref);
	if (named && !pin.name)
		return -ENOMEM;
	if (is_open_file(pin.kind))
		pin.count = 0;
	*ret = pin;
	return 0;
}

static bool is_private(const struct mcr_pin *p)
{
	return p->kind == MCR_PIN_ANON || p->kind == MCR_PIN_KSM;
}

static int by_owner(const void *a, const void *b)
{
	const struct mcr_pin *x = a, *y = b;

	if (x->kind != y->kind)
		return (x->kind > y->kind) - (x->kind < y->kind);
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int by_refs(const void *a, const void *b)
{
	const struct mcr_pin *x = a, *y = b;

	if (x->refs != y->refs)
		return x->refs < y->refs ? 1 : -1;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->swap_bytes != y->swap_bytes)
		return x->swap_bytes < y->swap_bytes ? 1 : -1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* Of neighbours with the same owner one stays; the number of those left. */
static size_t merge_owners(struct mcr_pin *pins, size_t n)
{
	size_t last = 0;

	for (size_t i = 1; i < n; i++) {
		struct mcr_pin *to = &pins[last];
		const struct mcr_pin *from = &pins[i];

		if (by_owner(to, from) != 0) {
			pins[++last] = *from;
			continue;
		}
		to->refs += from->refs;
		to->bytes += from->bytes;
		to->dirty_bytes += from->dirty_bytes;
		to->mapped_bytes += from->mapped_bytes;
		to->locked |= from->locked;
		to->large |= from->large;
	}
	return n ? last + 1 : 0;
}

/* Files whose entries in swap went while they were asked for: what is left of these is told with the rest. */
static void forget_unnamed(struct mcr_pins *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (p->pins[i].refs || p->pins[i].kind != MCR_PIN_VANISHED) {
			p->pins[n++] = p->pins[i];
		} else {
			free(p->pins[i].ranges);
			free(p->pins[i].swap_ranges);
		}
	}
	p->n = n;
}

void mcr_pins_order(struct mcr_pins *p)
{
	size_t others = 0;

	forget_unnamed(p);
	/* Private memory to the end, where it is sorted by process. */
	for (size_t i = 0; i < p->n; i++) {
		struct mcr_pin pin = p->pins[i];

		if (is_private(&pin))
			continue;
		p->pins[i] = p->pins[others];
		p->pins[others++] = pin;
	}
	if (p->n > others)
		qsort(p->pins + others, p->n - others, sizeof(*p->pins), by_owner);
	p->n = others + merge_owners(p->pins + others, p->n - others);
	if (p->n)
		qsort(p->pins, p->n, sizeof(*p->pins), by_refs);
}

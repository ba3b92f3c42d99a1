/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinview.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pins.h"
#include "util.h"

#define MAGIC_BTRFS 0x9123683e

struct mount {
	int id, parent;
	dev_t dev;
	char *root;		/* the part of the file system */
	char *point;		/* where it is */
	char *fstype, *source;
};

struct mounts {
	struct mount *at;
	size_t n;
};

static void free_mount(struct mount *m)
{
	free(m->root);
	free(m->point);
	free(m->fstype);
	free(m->source);
}

static void mounts_free(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++)
		free_mount(&m->at[i]);
	free(m->at);
}

/* Blanks and backslashes are written as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Lines of another form are passed over. */
static int add_mount(struct mounts *m, const char *line)
{
	struct mount new = { 0 }, *bigger;
	const char *rest = strstr(line, " - ");
	unsigned int major, minor;

	if (!rest || sscanf(line, "%d %d %u:%u %ms %ms", &new.id, &new.parent, &major, &minor, &new.root, &new.point) != 6 ||
	    sscanf(rest, " - %ms %ms", &new.fstype, &new.source) != 2) {
		free_mount(&new);
		return 0;
	}
	new.dev = makedev(major, minor);
	unescape(new.root);
	unescape(new.point);
	bigger = reallocarray(m->at, m->n + 1, sizeof(*bigger));
	if (!bigger) {
		free_mount(&new);
		return -ENOMEM;
	}
	m->at = bigger;
	m->at[m->n++] = new;
	return 0;
}

static int read_mounts(const char *file, struct mounts *m)
{
	auto_(fclosep) FILE *f = fopen(file, "re");
	auto_(freep) char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &size, f) > 0)
		r = add_mount(m, line);
	return r == 0 && ferror(f) ? -EIO : r;
}

/* What follows the directory in the path: "" or "/..."; NULL: it is not below. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]) ? path + len : NULL;
}

static bool is_child(const struct mounts *m, const struct mount *parent, const struct mount *child)
{
	if (parent)
		return child->parent == parent->id && child != parent;
	for (size_t i = 0; i < m->n; i++)
		if (&m->at[i] != child && m->at[i].id == child->parent)
			return false;
	return true;
}

/*
 * The mount a path leads to, by following the tree from its root (which a chroot hides, then there are several): what is
 * mounted first in the way hides what is further down.
 */
static const struct mount *reach(const struct mounts *m, const char *path)
{
	const struct mount *at = NULL, *next;
	size_t steps = 0;

	do {
		next = NULL;
		for (size_t i = 0; i < m->n; i++) {
			const struct mount *c = &m->at[i];

			if (below(path, c->point) && is_child(m, at, c) && (!next || strlen(c->point) <= strlen(next->point)))
				next = c;
		}
		if (next)
			at = next;
	} while (next && steps++ < m->n);
	return at;
}

/* Found, it has a path. 0 or -ENOMEM. */
static int find_path(const struct mounts *m, struct mcr_pin *p)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct mount *at = &m->at[i];
		const char *rest = at->dev == p->dev ? below(p->name, at->root) : NULL;
		auto_(freep) char *path = NULL;

		if (!rest)
			continue;
		if (asprintf(&path, "%s%s", strcmp(at->point, "/") == 0 && *rest ? "" : at->point, rest) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (reach(m, path) != at)
			continue;
		p->path = steal_ptr(path);
		p->view = MCR_VIEW_HERE;
		return 0;
	}
	return 0;
}

/* Each subvolume has a number of its own there. */
static void ask_stat(struct mcr_pin *p)
{
	struct stat st;

	p->stat_dev = 0;
	if (p->path && fstatat(AT_FDCWD, p->path, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 && st.st_ino == p->ino)
		p->stat_dev = st.st_dev;
}

static bool is_mounted(const struct mounts *m, dev_t dev)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->at[i].dev == dev)
			return true;
	return false;
}

/* The file system of a block device: of btrfs, whose number is another, by the name it was mounted by. */
static const char *fstype_on(const struct mounts *m, dev_t rdev)
{
	for (size_t i = 0; i < m->n; i++) {
		struct stat st;

		if (m->at[i].dev == rdev)
			return m->at[i].fstype;
		if (strncmp(m->at[i].source, "/dev/", 5) == 0 && stat(m->at[i].source, &st) == 0 && S_ISBLK(st.st_mode) &&
		    st.st_rdev == rdev)
			return m->at[i].fstype;
	}
	return "";
}

/* "vda", or its number. */
static void name_device(struct mcr_pin *p)
{
	char link[96], target[256];
	ssize_t n;

	snprintf(p->device, sizeof(p->device), "%u:%u", major(p->rdev), minor(p->rdev));
	snprintf(link, sizeof(link), "/sys/dev/block/%s", p->device);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	if (strrchr(target, '/'))
		snprintf(p->device, sizeof(p->device), "%.63s", strrchr(target, '/') + 1);
}

static int view_pin(const struct mounts *m, struct mcr_pin *p)
{
	int r = 0;

	p->stat_dev = p->dev;
	if (p->kind == MCR_PIN_BLOCK_DEVICE) {
		snprintf(p->fstype, sizeof(p->fstype), "%s", fstype_on(m, p->rdev));
		name_device(p);
	}
	if (p->kind != MCR_PIN_FILE && p->kind != MCR_PIN_TMPFS)
		return 0;
	if (m->n && !is_mounted(m, p->dev)) {
		p->view = MCR_VIEW_ELSEWHERE;
	} else if (m->n && p->name && !p->name_cut && p->nlink) {
		p->view = MCR_VIEW_HIDDEN;
		r = find_path(m, p);
	}
	if (p->magic == MAGIC_BTRFS)
		ask_stat(p);
	return r;
}

int mcr_pins_view(const char *mountinfo, struct mcr_pins *pins)
{
	struct mounts m = { 0 };
	int r = read_mounts(mountinfo, &m);

	if (r < 0) {
		mounts_free(&m);
		m = (struct mounts){ 0 };
	}
	for (size_t i = 0; i < pins->n; i++) {
		int e = view_pin(&m, &pins->pins[i]);

		r = r < 0 ? r : e;
	}
	mounts_free(&m);
	return r;
}

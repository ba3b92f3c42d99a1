/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conffiles.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util.h"

/* Directories in order of precedence, systemd's own (man systemd-system.conf). */
static const char *const dirs[] = {
	"/etc/memcg-reaper", "/run/memcg-reaper", "/usr/local/lib/memcg-reaper", "/usr/lib/memcg-reaper",
};

struct found {
	char **paths;
	size_t n;
};

static const char *base(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Takes the path over, whatever comes of it. */
static int add(struct found *f, char *path)
{
	char **bigger = path ? realloc(f->paths, (f->n + 2) * sizeof(*bigger)) : NULL;

	if (!bigger) {
		free(path);
		return -ENOMEM;
	}
	f->paths = bigger;
	f->paths[f->n++] = path;
	f->paths[f->n] = NULL;
	return 0;
}

static char *join(const char *root, const char *dir, const char *rest)
{
	char *path;

	return asprintf(&path, "%s%s/%s", root, dir, rest) < 0 ? NULL : path;
}

static bool has_name(const struct found *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(base(f->paths[i]), name) == 0)
			return true;
	return false;
}

static bool is_dropin(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

static int add_dropins(struct found *f, const char *root, const char *dir)
{
	auto_(freep) char *path = join(root, dir, MCR_CONF_NAME ".d");
	struct dirent *e;
	DIR *d;
	int r = 0;

	if (!path)
		return -ENOMEM;
	d = opendir(path);
	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (r == 0 && (e = readdir(d)))
		if (is_dropin(e) && !has_name(f, e->d_name))
			r = add(f, join(path, "", e->d_name));
	closedir(d);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(base(*(char *const *)a), base(*(char *const *)b));
}

/* A link that leads nowhere is no mask: reading it fails, and that is told. */
static bool is_masked(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	return S_ISREG(st.st_mode) ? st.st_size == 0 : S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static void drop_masked(struct found *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (is_masked(f->paths[i]))
			free(f->paths[i]);
		else
			f->paths[kept++] = f->paths[i];
	}
	f->n = kept;
	f->paths[kept] = NULL;
}

static int add_main(struct found *f, const char *root)
{
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char *path = join(root, dirs[i], MCR_CONF_NAME);

		if (!path)
			return -ENOMEM;
		if (lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR))
			return add(f, path);
		free(path);
	}
	return 0;
}

static int find(struct found *f, const char *root)
{
	struct found dropins = { 0 };
	int r = add_main(f, root);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = add_dropins(&dropins, root, dirs[i]);
	if (dropins.n)
		qsort(dropins.paths, dropins.n, sizeof(*dropins.paths), by_name);
	for (size_t i = 0; i < dropins.n; i++) {
		if (r == 0)
			r = add(f, dropins.paths[i]);
		else
			free(dropins.paths[i]);
	}
	free(dropins.paths);
	return r;
}

int mcr_conf_files(const char *root, char ***ret)
{
	struct found f = { .paths = calloc(1, sizeof(char *)) };
	int r = f.paths ? find(&f, root ? root : "") : -ENOMEM;

	if (r < 0) {
		strv_free(f.paths);
		return r;
	}
	drop_masked(&f);
	*ret = f.paths;
	return 0;
}

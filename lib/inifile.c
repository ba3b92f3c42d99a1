/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inifile.h"

#include <ctype.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

#define INIH_LINE_MAX 199
#define INIH_NAME_MAX 49

struct reading {
	FILE *file;
	const char *path;
	unsigned int line;
	size_t size;		/* read so far */
	char *text;		/* the line at hand */
	size_t text_size;
	mcr_ini_handler handler;
	mcr_ini_complaint complain;
	void *userdata;
	int complaints;
	bool too_big;
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

/* Why inih must not see the line, or NULL. */
static const char *objection(const struct reading *r, const char *start, size_t len, size_t room)
{
	if (memchr(r->text, '\0', len))
		return "a NUL byte in the line, ignored";
	if (*start == '[' && strcspn(start + 1, "]") > INIH_NAME_MAX)
		return "name of the section is longer than 49 characters, ignored with its keys";
	if (len > INIH_LINE_MAX || len >= room)
		return "line is longer than 198 characters, ignored";
	if (!makes_sense(start + strspn(start, "\r\n")))
		return "neither a section nor an assignment, ignored";
	return NULL;
}

/* What inih is given for a line: the line, or one that means nothing. */
static const char *sanitized(struct reading *r, size_t len, size_t room)
{
	const char *start = r->text, *why;

	if (r->line == 1 && strncmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3;
	start += strspn(start, " \t\v\f\r");
	why = objection(r, start, len, room);
	if (!why)
		return start;
	complain(r, "", why);
	return *start == '[' ? "[?]\n" : "\n";	/* what follows a broken section is not of the one before */
}

/*
 * inih asks for a line at a time: so lines are counted here, and what it would cut, take for the end
 * of the file, or join to the line before is kept from it.
 */
static char *next_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	ssize_t n = getline(&r->text, &r->text_size, r->file);

	if (n < 0 || r->complaints > MCR_INI_NONSENSE_MAX)
		return NULL;
	r->size += n;
	if (r->size > MCR_INI_SIZE_MAX) {	/* it has grown meanwhile */
		r->too_big = true;
		return NULL;
	}
	r->line++;
	strcpy(buf, sanitized(r, n, size));
	return buf;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	int before = r->complaints;

	if (strlen(name) >= INIH_NAME_MAX)
		complain(r, name, "name is too long, ignored");
	if (r->complaints == before)
		r->handler(section, name, value, r->line, r->userdata);
	return 1;
}

/* Not blocking: a FIFO would keep us waiting for a writer. */
static int open_regular(const char *path, FILE **ret)
{
	auto_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > MCR_INI_SIZE_MAX)
		return -EFBIG;
	*ret = fdopen(fd, "r");
	if (!*ret)
		return -errno;
	steal_fd(fd);
	return 0;
}

int mcr_ini_read(const char *path, mcr_ini_handler handler, mcr_ini_complaint complaint, void *userdata)
{
	auto_(fclosep) FILE *f = NULL;
	struct reading r = { .path = path, .handler = handler, .complain = complaint, .userdata = userdata };
	int first = open_regular(path, &f);

	if (first < 0)
		return first;
	r.file = f;
	first = ini_parse_stream(next_line, &r, on_key, &r);
	free(r.text);
	if (ferror(f))
		return -EIO;
	if (r.too_big)
		return -EFBIG;
	if (r.complaints > MCR_INI_NONSENSE_MAX)
		return -EBADMSG;
	return first == -2 ? -ENOMEM : r.complaints;
}

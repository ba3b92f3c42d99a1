/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inifile.h"

#include <errno.h>

#include "complaints.h"
#include "main.h"
#include "util.h"

/* All assignments as "section|key=value@line", with a space after each. */
struct seen {
	struct complaints complaints;	/* first: note() takes it for the whole */
	char text[4096];
};

static void on_key(const char *section, const char *key, const char *value, unsigned int line, void *userdata)
{
	struct seen *seen = userdata;
	size_t used = strlen(seen->text);

	snprintf(seen->text + used, sizeof(seen->text) - used, "%s|%s=%s@%u ", section, key, value, line);
}

/* Reads bytes as a file; the result and the complaints must agree on their number. */
static int read_bytes(const char *text, size_t len, struct seen *ret)
{
	const char *path = temp_path("x.conf");
	int r;

	*ret = (struct seen){ 0 };
	put_bytes(temp_fd, "x.conf", text, len);
	r = mcr_ini_read(path, on_key, note, ret);
	if (r >= 0)
		ck_assert_int_eq(r, ret->complaints.n);
	if (ret->complaints.n)
		ck_assert_str_eq(ret->complaints.file, path);
	return r;
}

static int read_text(const char *text, struct seen *ret)
{
	return read_bytes(text, strlen(text), ret);
}

/* An error without a word, and nothing read. */
static void assert_refused(const char *path, int error)
{
	struct seen seen = { 0 };

	ck_assert_int_eq(mcr_ini_read(path, on_key, note, &seen), error);
	ck_assert_uint_eq(seen.complaints.n, 0);
	ck_assert_str_eq(seen.text, "");
}

START_TEST(assignments_come_with_their_section_and_line)
{
	struct seen seen;

	ck_assert_int_eq(read_text("a=1\n[One]\nb = 2 3\n\n# remark\n; remark\n[Two x]\nc=\nd=4 ; remark\n", &seen), 0);
	ck_assert_str_eq(seen.text, "|a=1@1 One|b=2 3@3 Two x|c=@8 Two x|d=4@9 ");
}
END_TEST

START_TEST(an_empty_file_is_a_good_file)
{
	struct seen seen;

	ck_assert_int_eq(read_text("", &seen), 0);
	ck_assert_int_eq(read_text("\n\n", &seen), 0);
	ck_assert_int_eq(read_text("[One]", &seen), 0);
	ck_assert_str_eq(seen.text, "");
}
END_TEST

START_TEST(a_last_line_without_a_newline_counts)
{
	struct seen seen;

	ck_assert_int_eq(read_text("[One]\na=1", &seen), 0);
	ck_assert_str_eq(seen.text, "One|a=1@2 ");
}
END_TEST

START_TEST(a_file_from_windows_reads_the_same)
{
	struct seen seen;

	ck_assert_int_eq(read_text("\xef\xbb\xbf[One]\r\na=1\r\nb=2\r\n", &seen), 0);
	ck_assert_str_eq(seen.text, "One|a=1@2 One|b=2@3 ");
}
END_TEST

START_TEST(an_indented_line_stands_for_itself)
{
	struct seen seen;

	ck_assert_int_eq(read_text("  [One]\na=1\n  b=2\n\tc=3\n \t\n  # d=4\n\fe=5\n\vf=6\n", &seen), 0);
	ck_assert_str_eq(seen.text, "One|a=1@2 One|b=2@3 One|c=3@4 One|e=5@7 One|f=6@8 ");
}
END_TEST

START_TEST(every_line_that_is_no_assignment_is_reported)
{
	struct seen seen;

	ck_assert_int_eq(read_text("[One]\nfoo\na=1\n  bar\nb=2\n", &seen), 2);
	assert_complaint(&seen.complaints, 4, "", "neither a section nor an assignment");
	ck_assert_str_eq(seen.text, "One|a=1@3 One|b=2@5 ");
}
END_TEST

START_TEST(an_assignment_that_is_cut_off_by_a_remark_is_reported)
{
	struct seen seen;

	ck_assert_int_eq(read_text("[One]\na ;=7\nb=2\n", &seen), 1);
	assert_complaint(&seen.complaints, 2, "", "neither a section nor an assignment");
	ck_assert_str_eq(seen.text, "One|b=2@3 ");
}
END_TEST

START_TEST(a_line_with_a_nul_byte_is_reported_and_left_out)
{
	static const char first[] = "[One]\n\0a=8\nb=3\n", within[] = "[One]\n#x\0y\na=7\n", last[] = "[One]\na=9\0";
	struct seen seen;

	ck_assert_int_eq(read_bytes(first, sizeof(first) - 1, &seen), 1);
	assert_complaint(&seen.complaints, 2, "", "NUL");
	ck_assert_str_eq(seen.text, "One|b=3@3 ");
	ck_assert_int_eq(read_bytes(within, sizeof(within) - 1, &seen), 1);
	ck_assert_str_eq(seen.text, "One|a=7@3 ");	/* the next line is not swallowed */
	ck_assert_int_eq(read_bytes(last, sizeof(last) - 1, &seen), 1);
	assert_complaint(&seen.complaints, 2, "", "NUL");
	ck_assert_str_eq(seen.text, "");
}
END_TEST

/* "[One]", a line of len characters that begins with head, and "z=1". */
static int read_long_line(const char *head, size_t len, struct seen *ret)
{
	char text[2048] = "[One]\n", *line = text + strlen(text);

	ck_assert_uint_le(len, sizeof(text) - 32);
	memset(line, 'a', len);
	memcpy(line, head, strlen(head));
	strcpy(line + len, "\nz=1\n");
	return read_text(text, ret);
}

START_TEST(a_line_of_198_characters_is_read_whole)
{
	struct seen seen;

	ck_assert_int_eq(read_long_line("b=", 198, &seen), 0);
	ck_assert_uint_eq(strlen(seen.text), strlen("One|@2 One|z=1@3 ") + 198);
}
END_TEST

START_TEST(a_line_of_199_characters_or_more_is_left_out_whole)
{
	static const size_t lengths[] = { 199, 200, 201, 398, 400, 1000 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct seen seen;

		ck_assert_int_eq(read_long_line("b=", lengths[i], &seen), 1);
		assert_complaint(&seen.complaints, 2, "", "longer than 198 characters");
		ck_assert_str_eq(seen.text, "One|z=1@3 ");
	}
}
END_TEST

START_TEST(a_key_of_49_characters_is_left_out)
{
	struct seen seen;
	char text[128];

	snprintf(text, sizeof(text), "[One]\n%048d=1\n", 0);
	ck_assert_int_eq(read_text(text, &seen), 0);
	snprintf(text, sizeof(text), "[One]\n%049d=1\nb=2\n", 0);
	ck_assert_int_eq(read_text(text, &seen), 1);
	ck_assert_uint_eq(seen.complaints.line, 2);
	ck_assert_uint_eq(strlen(seen.complaints.key), 49);
	ck_assert_str_eq(seen.text, "One|b=2@3 ");
}
END_TEST

START_TEST(a_section_of_49_characters_has_its_whole_name)
{
	struct seen seen;
	char text[128], expected[128];

	snprintf(text, sizeof(text), "[%049d]\na=1\n", 7);
	snprintf(expected, sizeof(expected), "%049d|a=1@2 ", 7);
	ck_assert_int_eq(read_text(text, &seen), 0);
	ck_assert_str_eq(seen.text, expected);
}
END_TEST

START_TEST(keys_of_a_section_of_50_characters_are_in_none)
{
	static const int lengths[] = { 50, 51, 100, 196, 197, 198, 400 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct seen seen;
		char text[512];

		snprintf(text, sizeof(text), "[One]\na=1\n[%0*d]\nb=2\n[Two]\nc=3\n", lengths[i], 7);
		ck_assert_int_eq(read_text(text, &seen), 1);
		assert_complaint(&seen.complaints, 3, "", "49 characters");
		ck_assert_str_eq(seen.text, "One|a=1@2 ?|b=2@4 Two|c=3@6 ");
	}
}
END_TEST

START_TEST(keys_below_a_section_line_that_is_not_understood_are_in_none)
{
	static const struct { const char *text; size_t len; } bad[] = {
#define BYTES(s) { s, sizeof(s) - 1 }
		BYTES("[One]\na=1\n[Half\nb=2\n"), BYTES("[One]\na=1\n  [Half\nb=2\n"),
		BYTES("[One]\na=1\n[Ha ; lf]\nb=2\n"), BYTES("[One]\na=1\n[Ha\0lf]\nb=2\n"),
		BYTES("[One]\na=1\n[Half]\0\nb=2\n"), BYTES("[One]\na=1\n[\nb=2\n"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct seen seen;

		ck_assert_int_eq(read_bytes(bad[i].text, bad[i].len, &seen), 1);
		ck_assert_uint_eq(seen.complaints.line, 3);
		ck_assert_str_eq(seen.text, "One|a=1@2 ?|b=2@4 ");
	}
}
END_TEST

START_TEST(keys_below_a_section_line_that_is_too_long_are_in_none)
{
	struct seen seen;

	ck_assert_int_eq(read_long_line("[Two] ; ", 300, &seen), 1);
	assert_complaint(&seen.complaints, 2, "", "longer than 198 characters");
	ck_assert_str_eq(seen.text, "?|z=1@3 ");
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_waiting)
{
	ck_assert_int_eq(mkfifoat(temp_fd, "fifo", 0600), 0);
	assert_refused(temp_path("fifo"), -EINVAL);
	assert_refused("/dev/null", -EINVAL);
	assert_refused("/dev/zero", -EINVAL);
	assert_refused(temp_path("."), -EISDIR);
	assert_refused(temp_path("none"), -ENOENT);
	assert_refused("/dev/null/below", -ENOTDIR);
}
END_TEST

START_TEST(a_link_is_followed)
{
	struct seen seen = { 0 };

	put_file(temp_fd, "real", "[One]\na=1\n");
	ck_assert_int_eq(symlinkat("real", temp_fd, "link"), 0);
	ck_assert_int_eq(mcr_ini_read(temp_path("link"), on_key, note, &seen), 0);
	ck_assert_str_eq(seen.text, "One|a=1@2 ");
	ck_assert_int_eq(symlinkat("loop", temp_fd, "loop"), 0);
	assert_refused(temp_path("loop"), -ELOOP);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused_unread)
{
	int fd = openat(temp_fd, "huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(write(fd, "[One]\na=1\n", 10), 10);
	ck_assert_int_eq(ftruncate(fd, MCR_INI_SIZE_MAX + 1), 0);
	close(fd);
	assert_refused(temp_path("huge"), -EFBIG);
}
END_TEST

START_TEST(a_file_as_large_as_allowed_is_read)
{
	struct seen seen = { 0 };
	FILE *f = fopen(temp_path("large"), "we");

	for (size_t i = 0; i < MCR_INI_SIZE_MAX / 64 - 1; i++)
		fprintf(f, "#%062d\n", 0);
	fprintf(f, "[One]\na=1\n");
	fclose(f);
	ck_assert_int_eq(mcr_ini_read(temp_path("large"), on_key, note, &seen), 0);
	ck_assert_str_eq(seen.text, "One|a=1@16385 ");
}
END_TEST

START_TEST(a_binary_file_is_refused)
{
	unsigned char junk[65536];
	struct seen seen;

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = i * 2654435761U >> 13;
	ck_assert_int_eq(read_bytes((const char *)junk, sizeof(junk), &seen), -EBADMSG);
	ck_assert_uint_eq(seen.complaints.n, MCR_INI_NONSENSE_MAX + 1);
	memset(junk, 0, sizeof(junk));
	for (size_t i = 7; i < sizeof(junk); i += 8)
		junk[i] = '\n';
	ck_assert_int_eq(read_bytes((const char *)junk, sizeof(junk), &seen), -EBADMSG);
}
END_TEST

/* As many lines of nonsense, and then an assignment. */
static int read_nonsense(unsigned int lines, struct seen *ret)
{
	char text[1024] = "[One]\n";

	for (unsigned int i = 0; i < lines; i++)
		strcat(text, "what\n");
	strcat(text, "a=1\n");
	return read_text(text, ret);
}

START_TEST(with_more_than_50_lines_of_nonsense_it_is_no_configuration)
{
	struct seen seen;

	ck_assert_int_eq(read_nonsense(50, &seen), 50);
	ck_assert_str_eq(seen.text, "One|a=1@52 ");
	ck_assert_int_eq(read_nonsense(51, &seen), -EBADMSG);
	ck_assert_str_eq(seen.text, "");
}
END_TEST

START_TEST(complaints_may_go_unheard)
{
	struct seen seen = { 0 };

	put_file(temp_fd, "x.conf", "[One]\nfoo\n");
	ck_assert_int_eq(mcr_ini_read(temp_path("x.conf"), on_key, NULL, &seen), 1);
}
END_TEST

TEST_MAIN("inifile", assignments_come_with_their_section_and_line, an_empty_file_is_a_good_file,
	  a_last_line_without_a_newline_counts, a_file_from_windows_reads_the_same,
	  an_indented_line_stands_for_itself, every_line_that_is_no_assignment_is_reported,
	  an_assignment_that_is_cut_off_by_a_remark_is_reported,
	  a_line_with_a_nul_byte_is_reported_and_left_out, a_line_of_198_characters_is_read_whole,
	  a_line_of_199_characters_or_more_is_left_out_whole, a_key_of_49_characters_is_left_out,
	  a_section_of_49_characters_has_its_whole_name, keys_of_a_section_of_50_characters_are_in_none,
	  keys_below_a_section_line_that_is_not_understood_are_in_none,
	  keys_below_a_section_line_that_is_too_long_are_in_none,
	  what_is_no_regular_file_is_refused_without_waiting, a_link_is_followed,
	  a_file_that_is_too_large_is_refused_unread, a_file_as_large_as_allowed_is_read,
	  a_binary_file_is_refused, with_more_than_50_lines_of_nonsense_it_is_no_configuration,
	  complaints_may_go_unheard)

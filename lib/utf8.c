/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "utf8.h"

#include <stdio.h>
#include <string.h>

size_t mcr_utf8_len(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if (s[i] >> 6 != 2)
			return 0;
	return n;
}

const char *mcr_utf8_clean(const char *text, char *buf, size_t size)
{
	size_t used = 0;

	while (*text && used + 5 < size) {
		size_t n = mcr_utf8_len(text);

		if (n == 0) {
			used += sprintf(buf + used, "\\x%02x", (unsigned char)*text++);
			continue;
		}
		memcpy(buf + used, text, n);
		used += n;
		text += n;
	}
	buf[used] = '\0';
	return buf;
}

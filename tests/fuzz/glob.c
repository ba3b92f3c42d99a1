/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first line of the input is a glob, the rest a text: the answer must be that of a simpler algorithm. */
#include "bpf/glob.h"

#include "fuzz.h"
#include "policy.h"
#include "util.h"

/* Row by row: can this much of the glob match this much of the text? */
static bool reference(const char *glob, const char *text)
{
	size_t g_len = strlen(glob), t_len = strlen(text);
	bool can[GLOB_MAX][GLOB_TEXT_MAX] = { { true } };

	for (size_t g = 1; g <= g_len; g++) {
		can[g][0] = can[g - 1][0] && glob[g - 1] == '*';
		for (size_t t = 1; t <= t_len; t++) {
			if (glob[g - 1] == '*')
				can[g][t] = can[g - 1][t] || can[g][t - 1];
			else
				can[g][t] = can[g - 1][t - 1] && (glob[g - 1] == '?' || glob[g - 1] == text[t - 1]);
		}
	}
	return can[g_len][t_len];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(freep) char *glob = text_of(data, size);
	char *text = glob + strcspn(glob, "\n");

	if (*text)
		*text++ = '\0';
	if (strlen(glob) >= GLOB_MAX || strlen(text) >= GLOB_TEXT_MAX)
		MUST(!mcr_glob_matches(glob, text));
	else
		MUST(mcr_glob_matches(glob, text) == reference(glob, text));
	return 0;
}

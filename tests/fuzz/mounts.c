/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is the name of a file, and below it a mountinfo and lines of maps: where the caller sees the file. */
#include <sys/sysmacros.h>

#include "fuzz.h"
#include "pins.h"
#include "pinview.h"
#include "users.h"
#include "util.h"

static void check_mapping(const char *line)
{
	struct mcr_mapping m = { .len = 0x55 };

	MUST(mcr_mapping_parse(line, &m) == 0 || m.len == 0x55);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(freep) char *text = text_of(data, size);
	struct mcr_pin pins[] = {
		{ .kind = MCR_PIN_FILE, .dev = makedev(0, 1), .ino = 2, .nlink = 1 },
		{ .kind = MCR_PIN_TMPFS, .dev = makedev(0, 2), .ino = 2, .nlink = 1 },
	};
	struct mcr_pins p = { .pins = pins, .n = ARRAY_SIZE(pins) };
	char *mounts = strchr(text, '\n');

	if (!mounts || text[0] != '/')
		return 0;
	*mounts++ = '\0';
	check_mapping(mounts);
	put_input(mounts, strlen(mounts));
	pins[0].name = pins[1].name = text;
	MUST(mcr_pins_view(input_path(), &p) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
		MUST((pins[i].view == MCR_VIEW_HERE) == (pins[i].path != NULL));
		MUST(pins[i].stat_dev == pins[i].dev);
		free(pins[i].path);
	}
	return 0;
}

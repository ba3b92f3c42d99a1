/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do about a pin: what would free it, at what cost, and by which command. */
#pragma once

#include <stdint.h>

struct mcr_pin;

/* One sentence without the final dot; static. */
const char *advice_text(const struct mcr_pin *p);

/* The command that does it, in a static buffer; NULL: there is none. memcg_id: which it pins. */
const char *advice_command(const struct mcr_pin *p, uint64_t memcg_id);

/* The command that has it moved to an owner, in a static buffer. */
const char *advice_recharge(uint64_t memcg_id);

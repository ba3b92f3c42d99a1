/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What survived a round is looked at by a worker, pin by pin: what nothing of ours can free is called pinned at once instead
 * of being tried again, and the reason is the pin that holds most.
 */
#pragma once

struct manager;

/* Looks at survivors that were not looked at since they changed; afterwards tells of those that are pinned. */
void pinning_start(struct manager *m);

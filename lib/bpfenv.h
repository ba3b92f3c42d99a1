/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both BPF objects need of their surroundings: a silent libbpf, and plain words for refusals. */
#pragma once

/*
 * Keeps libbpf from writing to stderr: what it says is for developers. With MCR_BPF_DEBUG set in the
 * environment it may speak.
 */
void mcr_bpf_quiet(void);

/* A static sentence that says why the kernel refused a program with this errno, as far as can be told. */
const char *mcr_bpf_why(int error);

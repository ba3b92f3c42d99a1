/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpfenv.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "fileio.h"
#include "util.h"

void mcr_bpf_quiet(void)
{
	if (!getenv("MCR_BPF_DEBUG"))
		libbpf_set_print(NULL);
}

/* "confidentiality" forbids programs to read kernel memory; 6.1 says EINVAL to them, others EPERM. */
static bool locked_down(void)
{
	char state[128];

	return mcr_read_at(AT_FDCWD, "/sys/kernel/security/lockdown", state, sizeof(state)) > 0 &&
	       strstr(state, "[confidentiality]");
}

const char *mcr_bpf_why(int error)
{
	if (locked_down())
		return "tracing BPF is refused: the kernel is locked down (confidentiality)";
	switch (-error) {
	case EPERM:
	case EACCES:
		return "tracing BPF is refused: CAP_BPF, CAP_PERFMON or CAP_SYSLOG is missing";
	case ESRCH:
	case ENOENT:
		return "the kernel has no BTF, or lacks a function the program attaches to";
	case ENOMEM:
		return "out of memory";
	default:
		return "the kernel does not take the program (MCR_BPF_DEBUG=1 shows what it says)";
	}
}

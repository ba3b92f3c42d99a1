/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pressure.h"

#include <stddef.h>
#include <string.h>

#include "fileio.h"
#include "util.h"

int mcr_psi_parse(const char *text, unsigned int *ret_centi)
{
	unsigned int whole, cent;

	if (sscanf(text, "some avg10=%3u.%2u", &whole, &cent) != 2 || text[strlen("some avg10=")] == '-')
		return -EINVAL;
	*ret_centi = whole * 100 + cent;
	return 0;
}

int mcr_pressure_read(int proc_fd, struct mcr_pressure *ret)
{
	struct mcr_pressure p = { 0 };
	char text[8192];
	uint64_t kib;
	int r;

	/* Without CONFIG_PSI there is no file, with psi=0 reading it fails: no figure either way. */
	r = mcr_read_at(proc_fd, "pressure/memory", text, sizeof(text));
	if (r >= 0)
		p.psi = mcr_psi_parse(text, &p.some_avg10_centi) == 0;
	r = mcr_read_at(proc_fd, "meminfo", text, sizeof(text));
	if (r < 0)
		return r;
	if (mcr_keyed_u64(text, "MemTotal", &kib) < 0)
		return -EINVAL;
	p.total_bytes = kib * 1024;
	if (mcr_keyed_u64(text, "MemAvailable", &kib) < 0)
		return -EINVAL;
	p.available_bytes = kib * 1024;
	*ret = p;
	return 0;
}

const char *mcr_pressure_exceeds(const struct mcr_pressure *p, const struct mcr_pressure_limits *limits)
{
	if (p->psi && limits->some_avg10_centi && p->some_avg10_centi > limits->some_avg10_centi)
		return "memory pressure is above PressureMaxPct=";
	if (p->available_bytes < p->total_bytes / 10000 * limits->available_centi)
		return "available memory is below AvailableMinPct=";
	return NULL;
}

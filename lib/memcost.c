/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memcost.h"

#include <bpf/btf.h>
#include <stdbool.h>

#include "bpfenv.h"
#include "nodes.h"
#include "util.h"

struct part {
	const char *type;
	bool required;
	bool per_cpu;
	bool per_node;
};

static const struct part parts[] = {
	{ "mem_cgroup",			true,  false, false },
	{ "mem_cgroup_per_node",	true,  false, true },
	{ "memcg_vmstats",		false, false, false },	/* part of mem_cgroup before 6.1 */
	{ "memcg_vmstats_percpu",	false, true,  false },
	{ "lruvec_stats_percpu",	false, true,  true },
	{ "cgroup",			true,  false, false },
	{ "cgroup_rstat_cpu",		false, true,  false },
};

static int sum_parts(const struct btf *btf, uint64_t cpus, uint64_t nodes, uint64_t *ret)
{
	uint64_t sum = nodes * sizeof(void *);	/* mem_cgroup.nodeinfo[] */

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct part *p = &parts[i];
		int id = btf__find_by_name_kind(btf, p->type, BTF_KIND_STRUCT);

		if (id < 0 && p->required)
			return -ESRCH;
		if (id >= 0)
			sum += btf__type_by_id(btf, id)->size * (p->per_cpu ? cpus : 1) *
			       (p->per_node ? nodes : 1);
	}
	*ret = sum;
	return 0;
}

int mcr_memcost_estimate(uint64_t *ret_bytes)
{
	struct btf *btf;
	int r;

	mcr_bpf_quiet();
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -ENOENT;
	r = sum_parts(btf, mcr_possible_cpus(), mcr_numa_nodes(), ret_bytes);
	btf__free(btf);
	return r;
}

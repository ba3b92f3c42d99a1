# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Each capability of the unit is taken away in turn: what its comment says breaks, and nothing else.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/unit.sh

mount_home

# without CAP...: the daemon without them.
without() { with "CapabilityBoundingSet=~$*"; }

# holds NAME: a charged cgroup of root's is held. It is left to the daemon.
holds() {
	local dir

	dir=$(charged_cgroup "$1")
	! rmdir "$dir" 2>/dev/null
}
is_removed() { wait_for 20 test ! -e "$slice/$1"; }

works() {
	check "without $1 the gate is active" wait_for 10 gate_is_on
	check "without $1 a cgroup is held" holds "plain-$2"
	check "without $1 it is drained and removed" is_removed "plain-$2"
}

# The unit names what is here, and no more.
check_eq "the capabilities of the unit" "$(systemctl show -p CapabilityBoundingSet --value memcg-reaperd)" \
	"cap_dac_override cap_dac_read_search cap_sys_admin cap_syslog cap_perfmon cap_bpf"

without CAP_SYS_ADMIN
works CAP_SYS_ADMIN 1
check "without CAP_SYS_ADMIN the census has names" census_is_named
run_writers no-admin
sync
check_not "without CAP_SYS_ADMIN no journal of ext4 is emptied" wait_at_most 15 journal_is_empty
check "without CAP_SYS_ADMIN what wrote metadata is removed with a rest" wait_for 20 says 'removed with a rest'

for cap in CAP_BPF CAP_PERFMON; do
	without $cap
	check "without $cap, but with CAP_SYS_ADMIN, the gate is active" wait_for 10 gate_is_on
	check "without $cap, but with CAP_SYS_ADMIN, the census has names" census_is_named
	without $cap CAP_SYS_ADMIN
	check "without $cap and CAP_SYS_ADMIN there is no gate" says 'no gate, .*tracing BPF is refused'
	check "without $cap and CAP_SYS_ADMIN there is no census by name" says 'no census by name, .*tracing BPF is refused'
done

without CAP_SYSLOG
works CAP_SYSLOG 2
check "without CAP_SYSLOG there is no census by name" says 'no census by name, .*CAP_SYSLOG'

without CAP_DAC_OVERRIDE
works CAP_DAC_OVERRIDE 3
check "without CAP_DAC_OVERRIDE the census has names" census_is_named
dir=$(users_cgroup users)
check_not "without CAP_DAC_OVERRIDE a user's cgroup is held" rmdir "$dir"
check "without CAP_DAC_OVERRIDE it is not drained" wait_for 10 says "draining '/system.slice/users' failed: Permission denied"
with
rmdir "$dir" 2>/dev/null || true
check "with it, it is adopted and removed" is_removed users

without CAP_DAC_READ_SEARCH
check "without CAP_DAC_READ_SEARCH the gate is active" wait_for 10 gate_is_on
check "without CAP_DAC_READ_SEARCH a cgroup is held" holds by-id
sleep 5
check "without CAP_DAC_READ_SEARCH it is never removed" test -e $slice/by-id
check "without CAP_DAC_READ_SEARCH nothing is reaped" wait_for 30 says 'shielded reclaim .* failed: Operation not permitted'

# What the unit does instead of the settings it cannot have.
with ProtectKernelTunables=yes
check "with ProtectKernelTunables=yes there is no census by name" says 'no census by name'
check "with ProtectKernelTunables=yes there is no gate" says 'no gate, .*Read-only file system'
with ProtectHome=yes
sync
run_writers hidden
sync
check_not "with ProtectHome=yes the journal of an ext4 below it is not emptied" wait_at_most 15 journal_is_empty
rm "$drop_in"
systemctl daemon-reload
systemctl restart memcg-reaperd
rmdir $slice/by-id 2>/dev/null || true
check_nothing_held "the unit as it is cleans up" 30

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Under kernel lockdown tracing BPF is refused: everything says so in a line, and reaping works by counts.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

grep -q '\[confidentiality\]' /sys/kernel/security/lockdown || fail "the guest is not locked down"

before=$(zombies)
check "list gives counts per subtree" grep -q ' /system.slice$' <<<"$(memcg-reaper list 2>/dev/null)"
check_eq "which add up to the kernel's" "$(memcg-reaper list 2>/dev/null | awk 'END { print $1 }')" "$before"
check_eq "one line says what is refused" "$(memcg-reaper list 2>&1 >/dev/null | grep -c 'tracing BPF is refused')" 1
check "doctor says no, and what it costs" \
	grep -A1 'census of dying memcgs by BPF *no' <<<"$(memcg-reaper doctor)"
systemctl start memcg-reaperd
check "the daemon reaps by counts" wait_for 90 at_most_zombies 3
check "status tells why there is no gate" grep -q 'No gate: tracing BPF is refused' <<<"$(memcg-reaper status)"
check "and why there are no names" grep -q 'No names: tracing BPF is refused' <<<"$(memcg-reaper status)"
figure "zombies before" "$before" cgroups
figure "zombies after, without BPF" "$(zombies)" cgroups

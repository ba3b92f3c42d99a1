# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Memory on cgroup v1 cannot be served: one line that names what is missing, exit code 3, no unit that flaps.
. /opt/mcr-tests/lib.sh

said=$(memcg-reaper status 2>&1) && code=0 || code=$?
check_eq "status exits with 3" "$code" 3
check_eq "in one line" "$(wc -l <<<"$said")" 1
check "that names cgroup v1 and the way out" grep -q 'cgroup v1.*unified_cgroup_hierarchy=1' <<<"$said"
check_not "the service does not start" systemctl start memcg-reaperd
sleep 3
check_eq "and is not tried again and again" "$(systemctl show -p NRestarts --value memcg-reaperd)" 0
check "its journal says why" grep -q 'cgroup v1' <<<"$(journalctl -u memcg-reaperd -o cat --no-pager)"

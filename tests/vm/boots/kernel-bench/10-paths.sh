# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Page faults, reads and writes: with everything off and, where there is something to switch on, with on_access.
# timeout: 900
. /opt/mcr-tests/lib.sh

readonly knobs=/sys/kernel/mm/memcg_recharge cgroup=/sys/fs/cgroup/bench out=/run/paths.out

# measure NAME: in a cgroup of its own, with nothing beside it.
# shellcheck disable=SC2016 # for the inner shell
measure() {
	local what value unit

	sync
	sh -c 'echo $$ >"$1/cgroup.procs" && exec /opt/mcr-tests/mcr-paths paths' sh $cgroup >$out ||
		fail "mcr-paths has failed"
	while IFS='|' read -r what value unit; do
		figure "$1: $what" "$value" "$unit"
	done <$out
	check_ge "$1: figures" "$(wc -l <$out)" 11
}

systemctl stop memcg-reaperd
systemctl stop '*.timer'
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $cgroup
measure off
[[ -d $knobs ]] || exit 0
echo 1 >$knobs/on_access
echo 1 >$knobs/enabled
measure on_access
echo 0 >$knobs/enabled
echo 0 >$knobs/on_access

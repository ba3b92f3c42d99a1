# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A chain of cgroups is removed from below, the lowest is held, and the daemon removes it at any moment of that: all go.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly rounds=25 depth=20

# chain NAME: prints the path of the lowest of it, which is charged; the others have to have the controller for it.
chain() {
	local path=$1 dir=/sys/fs/cgroup/system.slice/$1

	mkdir "$dir"
	for ((i = 1; i < depth; i++)); do
		echo +memory >"$dir/cgroup.subtree_control"
		path+=/$1-d$i dir+=/$1-d$i	# no name comes twice: the daemon waits for who asks for one that is held
		mkdir "$dir"
	done
	charged_cgroup "$path"
}

# remove_upwards LOWEST: one try for each, as a service manager does. By chance the lowest is drained and removed in the middle.
remove_upwards() {
	local dir=$1

	while [[ $dir != */system.slice ]]; do
		rmdir "$dir" 2>/dev/null || refused=$((refused + 1))
		[[ $dir != "$1" ]] || sleep "0.$((RANDOM % 5))"
		dir=${dir%/*}
	done
}

left() { find /sys/fs/cgroup/system.slice -maxdepth 1 -name 'chain-*' | wc -l; }

systemctl start memcg-reaperd
refused=0
for ((round = 0; round < rounds; round++)); do
	remove_upwards "$(chain "chain-$round")"
done
check_ge "removals refused" "$refused" $((rounds * 2))
check_nothing_held "all chains are removed" 20
figure "chains of $depth cgroups removed from below" "$rounds" chains
figure "of their removals, refused" "$refused" removals
figure "chains of which something is left" "$(left)" chains

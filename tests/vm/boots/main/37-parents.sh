# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The kernel refuses to remove a cgroup because one below it is held: it is removed after that one, in whatever order they were
# tried, and whatever the daemon did meanwhile.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice conf=/etc/memcg-reaper/reaper.conf.d/parents.conf
readonly rounds=25 depth=20 heartbeat=5

to_daemon() { systemctl kill --signal="$1" --kill-who=main memcg-reaperd; }

# chain NAME DEPTH: prints the path of the lowest of it, which is charged; the others have the controller for it.
chain() {
	local path=$1 dir=$slice/$1

	mkdir "$dir"
	for ((i = 1; i < $2; i++)); do
		echo +memory >"$dir/cgroup.subtree_control"
		path+=/$1-d$i dir+=/$1-d$i	# no name comes twice: the daemon waits for who asks for one that is held
		mkdir "$dir"
	done
	charged_cgroup "$path"
}

# remove_upwards LOWEST: one try for each, as a service manager does; prints how many were refused. By chance the lowest is drained
# and removed in the middle of it.
remove_upwards() {
	local dir=$1 refused=0

	while [[ $dir != "$slice" ]]; do
		rmdir "$dir" 2>/dev/null || refused=$((refused + 1))
		[[ $dir != "$1" ]] || sleep "0.$((round % 5))"
		dir=${dir%/*}
	done
	echo $refused
}

mkdir -p ${conf%/*}
printf '[Reaper]\nReuseGraceSec=15s\nHeartbeatMaxSec=%ds\n' $heartbeat >$conf
systemctl restart memcg-reaperd
wait_for 30 test -e "${status_file:?}"

# The daemon sleeps, and finds the events of all this at once. Something else is held, or nobody notes parents.
other=$(charged_cgroup other)
lowest=$(chain early 2)
to_daemon SIGSTOP
check_not "another one is held" rmdir "$other"
check_not "tried before the one below is held: refused" rmdir "${lowest%/*}"
check_not "the one below is held" rmdir "$lowest"
check_not "tried once more: refused" rmdir "${lowest%/*}"
to_daemon SIGCONT
check "tried first: both go" wait_for 20 test ! -e $slice/early

# What is held is asked for, so it stays for a while; the daemon has not been heard of for long when its parent is tried.
lowest=$(chain late 2)
to_daemon SIGSTOP
check_not "one is held" rmdir "$lowest"
check_not "and asked for" mkdir "$lowest"
sleep $((heartbeat + 2))
check_not "its parent is refused while the daemon sleeps" rmdir "${lowest%/*}"
to_daemon SIGCONT
check "tried late: both go" wait_for 40 test ! -e $slice/late
rm $conf
systemctl restart memcg-reaperd
wait_for 30 test -e "$status_file"

met=0
for ((round = 0; round < rounds; round++)); do
	refused=$(remove_upwards "$(chain "chain-$round" $depth)")
	((refused <= 1 || refused >= depth)) || met=$((met + 1))
done
check_nothing_held "all chains are removed" 20
figure "chains of $depth cgroups removed from below" "$rounds" chains
figure "of them, with the lowest removed on the way" "$met" chains

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Atomic operations on what all CPUs share, per 1,000 pages that are recharged. Each call of the page counters' charging
# and uncharging goes up from a cgroup to below the common ancestor and does one atomic operation a level
# (mm/page_counter.c); the counters of the interface do one a call. Calls with a common ancestor are recharging's alone;
# they are traced, all of them.
. /opt/mcr-tests/lib.sh

readonly tracing=/sys/kernel/tracing top=/sys/fs/cgroup/atomics knobs=/sys/kernel/mm/memcg_recharge
readonly file=/run/interleaved/file mib=32

start_tracing() {
	mountpoint -q $tracing || mount -t tracefs tracefs $tracing
	echo 20000 >$tracing/buffer_size_kb
	cat >$tracing/kprobe_events <<-'PROBES'
		p:mcr/charge page_counter_try_charge_below top=$arg2:x64 nr=$arg3:u64
		p:mcr/uncharge page_counter_uncharge_below top=$arg2:x64 nr=$arg3:u64
		p:mcr/count recharge_count nr=$arg2:u64
		p:mcr/move mem_cgroup_move_folio
	PROBES
	echo 'top != 0' >$tracing/events/mcr/charge/filter
	echo 'top != 0' >$tracing/events/mcr/uncharge/filter
	echo 1 >$tracing/events/mcr/enable
}
stop_tracing() {
	echo 0 >$tracing/events/mcr/enable
	echo >$tracing/kprobe_events
}

# chain DIR LEVELS: cgroups one in the other; prints the last of them.
chain() {
	local dir=$1 i

	for ((i = 1; i <= $2; i++)); do
		mkdir -p "$dir"
		((i == $2)) || echo +memory >"$dir/cgroup.subtree_control"
		((i == $2)) || dir=$dir/$i
	done
	printf '%s\n' "$dir"
}

# calls EVENT, pages EVENT: of what was traced.
calls() { grep -c " $1: (" /run/trace || true; }
pages() { sed -n "s/.* $1: (.* nr=\([0-9]*\)\$/\1/p" /run/trace | awk '{ n += $1 } END { print n + 0 }'; }

# shellcheck disable=SC2016 # for the inner shell
fill() { sh -c 'echo $$ >"$1/cgroup.procs" && exec head -c "$2"M /dev/zero >"$3"' sh "$1" $mib $file; }

# measure LEVELS [dying]: from a living cgroup, or one that is gone.
measure() {
	local levels=$1 how=${2:-living} source target before moved all id

	source=$(chain $top/from "$levels")
	target=$(chain $top/to "$levels")
	rm -f $file
	fill "$source"
	id=$(stat -c %i "$source")
	[[ $how == living ]] || wait_for 10 rmdir "$source"
	before=$(<$knobs/moved)
	echo >$tracing/trace
	check "$levels levels, $how: recharged" recharge "$id" "$target"
	cat $tracing/trace >/run/trace
	moved=$(($(<$knobs/moved) - before))
	check_ge "$levels levels, $how: pages moved" $moved $((mib * 256))
	check_eq "$levels levels, $how: no call was lost" "$(grep -c 'LOST' /run/trace || true)" 0
	check_eq "$levels levels, $how: what was charged was uncharged" "$(pages charge)" "$(pages uncharge)"
	check_ge "$levels levels, $how: charged in all" "$(pages charge)" $moved
	all=$(((($(calls charge) + $(calls uncharge)) * levels + $(calls count)) * 1000 / moved))
	figure "$levels levels, $how: on page counters" "$((($(calls charge) + $(calls uncharge)) * levels * 1000 / moved))" \
		"atomics per 1,000 pages"
	figure "$levels levels, $how: with the interface's counters" "$all" "atomics per 1,000 pages"
	figure "$levels levels, $how: one by one it would be" $((2 * levels * 1000)) "atomics per 1,000 pages"
	figure "$levels levels, $how: folios" $(($(calls move) * 1000 / moved)) "per 1,000 pages"
	check_le "$levels levels, $how: a tenth of one by one" $all $((200 * levels))
	remove $top/from
	remove $top/to
}

# Pages of the target move nowhere: they are freed before it goes.
remove() {
	rm -f $file
	wait_for 10 eval "find $1 -depth -type d -exec rmdir {} + 2>/dev/null; [[ ! -e $1 ]]"
}
recharge() { echo "$1 $(stat -c %i "$2")" >$knobs/recharge; }

systemctl stop memcg-reaperd
check_ge "nodes" "$(find /sys/devices/system/node -name 'node[0-9]*' | wc -l)" 2
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p $top ${file%/*}
echo +memory >$top/cgroup.subtree_control
mount -t tmpfs -o mpol=interleave interleaved ${file%/*}
echo 1 >$knobs/enabled
start_tracing
for levels in 1 3; do
	measure $levels
	measure $levels dying
done
stop_tracing
rmdir $top

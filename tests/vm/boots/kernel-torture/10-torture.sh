# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Memory of every class is changed, moved between nodes, swapped, split and collapsed in cgroups that come and go, and
# recharged to and fro meanwhile. Then every page is counted.
# timeout: 1400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/kernel.sh

readonly top=/sys/fs/cgroup/torture out=/run/torture.out
readonly huge=/sys/kernel/mm/transparent_hugepage
seconds=$(setting seconds 60)

setup() {
	systemctl stop memcg-reaperd
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p $top /run/torture-huge
	mount -t tmpfs -o huge=always,size=256M torture /run/torture-huge
	mount -o remount,size=512M /dev/shm
	echo always >$huge/enabled
	# Where it is called for, khugepaged has no rest.
	if (($(setting khugepaged 1))); then
		echo 10 >$huge/khugepaged/scan_sleep_millisecs
		echo 4096 >$huge/khugepaged/pages_to_scan
	else
		echo 4000000 >$huge/khugepaged/scan_sleep_millisecs
	fi
	echo 1 >$knobs/enabled
	swap_on_flash
}

is_quiet() { grep -qx quiet $out || ! kill -0 "$torture" 2>/dev/null; }
value() { awk -v key="$1" '{ for (i = 1; i < NF; i++) if ($i == key) print $(i + 1) }' <<<"$figures"; }
below() { find $top -mindepth 1 -type d | sort; }

# Whom it takes along is still on the way out when it has ended.
recount_agrees() { /opt/mcr-tests/mcr-recount "$@" >/run/recount.out; }

# recounted WHEN: at every cgroup, top included.
recounted() {
	local cgroups

	mapfile -t cgroups < <(below)
	check "$1: counters equal a count of the pages" recount_agrees $top "${cgroups[@]}"
	grep DIFFERS /run/recount.out || true
}

charged() { awk -v top="$top" '$1 == top && $2 == "charged" { print $4 }' /run/recount.out; }

# What is left of those removed: pages of the disk's metadata, that others have too. Recharged, all of them go.
recharge_dying() {
	local id

	while read -r id _; do
		echo "$id $(stat -c %i $top/a)" >$knobs/recharge 2>/dev/null || true
	done < <(grep "/torture/" /sys/kernel/debug/memcg_recharge/dying || true)
}
none_dying() { recharge_dying; [[ $(zombies torture) == 0 ]]; }

setup
before=$(zombies)
/opt/mcr-tests/mcr-torture $top "$seconds" "$(setting seed 1)" switch >$out 2>/run/torture.err &
torture=$!
wait_for $((seconds * 2 + 300)) is_quiet || fail "it does not become quiet: $(tail -n 5 /run/torture.err)"
check "it is quiet" grep -qx quiet $out
check_eq "all modes are off" "$(cat $knobs/{mapped,on_access,evict} | xargs)" "0 0 0"
recounted "while all is still there"
check_ge "pages that are still there" "$(charged)" 5000
figure "torture: dying in the end" "$(zombies torture)" cgroups

kill -TERM $torture
wait $torture && code=0 || code=$?
figures=$(grep ^rounds $out || true)
echo "$figures"
head -n 20 /run/torture.err
check_eq "no content is lost, no answer unknown" $code 0
check_ge "rounds" "$(value rounds)" $((seconds * 10))
check_ge "requests that moved all" "$(value "done")" $((seconds))
check_ge "requests that met a limit" "$(value limit)" 1
check_ge "requests that came too late" "$(value gone)" 1
check_ge "pages moved" "$(<$knobs/moved)" $((seconds * 50))
check_ge "swap entries moved" "$(<$knobs/moved_swap)" 10
for counter in moved_mapped moved_on_access evicted; do
	check_ge "$counter" "$(<$knobs/$counter)" 1
done
for counter in moved moved_swap moved_mapped moved_on_access evicted failed_busy failed_limit failed_pinned; do
	figure "torture: $counter" "$(<$knobs/$counter)" pages
done
for what in rounds "done" busy limit gone off; do
	figure "torture: $what" "$(value $what)" times
done

check "none is dying when all has been freed" wait_for 60 none_dying
recounted "in the end"
# CPUs keep entries that were freed, and the swap cache pages that nobody has any more, until there is reclaim. Without swap there
# are no entries at all, so whatever is still counted would be counted wrong.
check "no entry is left in swap: it can be switched off" swapoff -a
check_eq "then none is counted, of no cgroup" "$(find $top -name memory.swap.current -exec cat {} + | sort -u)" 0
below | tac | xargs rmdir
rmdir $top
check_le "dying cgroups more than before" $(($(zombies) - before)) 8

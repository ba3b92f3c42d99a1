# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What nothing else moves, or not without somebody's waiting, the kernel does: sealed, locked, on /run, in swap, used by whoever
# cannot be frozen. Users see nothing of it.
# timeout: 600
# shellcheck disable=SC2154 # of swap.sh
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/swap.sh
. /opt/mcr-tests/kernel.sh

readonly bytes=$((3 << 20))

# goes PAYER WHAT: the maker goes, and this cgroup pays for what it has left.
goes() {
	local payer=$1 what=$2 before moved out

	before=$(shmem_of "$payer") moved=$(moved_bytes) out=$(pages_out)
	remove_maker
	check "$what: the maker's cgroup goes" wait_for 60 test ! -e "$maker"
	check "$what: and is no zombie" wait_for 30 no_zombie
	check_eq "$what: it is charged now to $payer, bytes" $(($(shmem_of "$payer") - before)) $bytes
	check_ge "$what: by the kernel" $(($(moved_bytes) - moved)) $bytes
	check_eq "$what: pages it was out by" $(($(pages_out) - out)) 0
	check "$what: the journal says so" wait_for 10 said "$what" recharged "by the kernel"
}

# swapped_out BYTES: of what was in use a moment ago reclaim may find little at first.
swapped_out() {
	echo $((bytes / 2)) >"$maker/memory.reclaim" || true
	(($(<"$maker/memory.swap.current") >= $1))
}

# What services of the boot have left on /run goes to the same owner, and is not to be counted.
nothing_dies() { (($(zombies system.slice) == 0)); }

kernel_on
swap_setup yes ''
wait_for 15 nothing_dies || true
ipcmk -M 4096 >/dev/null
for kind in file memfd sealed future sysv shared locked busy; do
	share "$kind" $bytes /dev/shm/kind
	check "$kind: a dry run says how" dry_run_says "would be moved by the kernel"
	goes "$owner" "$kind"
	check "$kind: not a bit is different" unshare_same
	rm -f /dev/shm/kind
done
share file $bytes /run/kind
goes "$owner" "a file of the service manager's"
check "a file of the service manager's: not a bit is different" unshare_same
rm /run/kind
share memfd $bytes
echo "$user_pid" >/sys/fs/cgroup/init.scope/cgroup.procs
goes "$owner" "used in init.scope"
echo "$user_pid" >"$user/cgroup.procs" || true
check "used in init.scope: not a bit is different" end_user

# Whoever maps most is to pay: nobody has to be frozen, and so he can.
swap_setup yes user
share memfd $bytes
goes "$user" "Owner=user"
check "Owner=user: not a bit is different" unshare_same
check_eq "nobody was frozen" "$(status since_start longest_pause_usec)" 0

# Half of it is in swap.
swap_setup yes ''
share memfd $bytes
check "a quarter or more of it goes to swap" wait_for 30 swapped_out $((bytes / 4))
swapped=$(<"$maker/memory.swap.current")
entries=$(moved_swap_bytes) paid=$(<"$owner/memory.swap.current") in=$(awk '$1 == "pswpin" { print $2 }' /proc/vmstat)
remove_maker
check "in swap: the maker's cgroup goes" wait_for 60 test ! -e "$maker"
check "in swap: and is no zombie" wait_for 30 no_zombie
check_eq "in swap: entries the kernel has counted, bytes" $(($(moved_swap_bytes) - entries)) "$swapped"
check_eq "in swap: and charged to the owner" $(($(<"$owner/memory.swap.current") - paid)) "$swapped"
check_eq "in swap: pages read back for it" $(($(awk '$1 == "pswpin" { print $2 }' /proc/vmstat) - in)) 0
check "in swap: not a bit is different" unshare_same
kernel_off
rm -f /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd

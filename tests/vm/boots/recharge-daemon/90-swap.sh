# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What cannot be rewritten goes by swap: out while its cgroup is held, the removal, back in by the owner. Nobody is frozen.
# timeout: 600
# shellcheck disable=SC2154 # of swap.sh
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/swap.sh

readonly bytes=$((3 << 20))

# goes PAYER WHAT: the maker goes, and this cgroup pays for what it has left.
goes() {
	local payer=$1 what=$2 before out

	before=$(shmem_of "$payer") out=$(pages_out)
	remove_maker
	check "$what: the maker's cgroup goes" wait_for 60 test ! -e "$maker"
	check "$what: and is no zombie" wait_for 30 no_zombie
	check_eq "$what: it is charged now to $payer, bytes" $(($(shmem_of "$payer") - before)) $bytes
	check_ge "$what: pages it was out by" $(($(pages_out) - out)) $((bytes / 4096))
	check "$what: the journal says so" wait_for 10 said "$what" recharged
}

# The seed: a pays, b maps it, a goes. Who maps it is to pay, and cannot be frozen and write: each kind goes by swap.
swap_setup yes user
ipcmk -M 4096 >/dev/null
for kind in file memfd sealed future sysv shared; do
	share "$kind" $bytes /dev/shm/swapped
	check "$kind: a dry run says how" dry_run_says "3.0M would be moved swap"
	goes "$user" "$kind"
	check_eq "$kind: nothing of its user's is left in swap" "$(<"$user/memory.swap.current")" 0
	check "$kind: not a bit is different" unshare_same
	rm -f /dev/shm/swapped
done
check_eq "nobody was frozen" "$(status since_start longest_pause_usec)" 0

# An owner that lives on pays where nobody may write, or nobody may be frozen.
swap_setup yes ''
for kind in sealed future; do
	share $kind $bytes
	goes "$owner" "$kind"
	check "$kind: not a bit is different" unshare_same
done
share file $bytes /run/swapped
goes "$owner" "a file of the service manager's"
check "a file of the service manager's: not a bit is different" unshare_same
rm /run/swapped
share file $bytes /dev/shm/swapped
chattr +i /dev/shm/swapped
goes "$owner" "an immutable file"
chattr -i /dev/shm/swapped
check "an immutable file: not a bit is different" unshare_same
rm /dev/shm/swapped
share memfd $bytes
echo "$user_pid" >/sys/fs/cgroup/init.scope/cgroup.procs
goes "$owner" "used in init.scope"
echo "$user_pid" >"$user/cgroup.procs" || true
check "used in init.scope: not a bit is different" end_user
check_eq "nobody was frozen" "$(status since_start longest_pause_usec)" 0
# What can be rewritten still is.
share memfd $bytes
out=$(pages_out)
remove_maker
check "a memfd of an ordinary user goes too" wait_for 60 no_zombie
check_eq "but not by swap: pages out" $(($(pages_out) - out)) 0
check "not a bit is different" unshare_same
rm -f /etc/memcg-reaper/reaper.conf

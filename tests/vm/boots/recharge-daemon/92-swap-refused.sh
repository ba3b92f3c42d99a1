# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Where swap cannot do it either: too little of it, what does not go, what is used again. And whoever is killed on the way.
# timeout: 900
# shellcheck disable=SC2154 # of swap.sh
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/swap.sh

readonly bytes=$((3 << 20))

# Nothing reaps the zombies here, which would move their memory to the parent by swap.
swap_setup yes '' no

# stays WHAT REASON: the cgroup is removed all the same, a zombie is left, and the journal says why.
stays() {
	remove_maker
	check "$1: it is removed all the same" wait_for 60 test ! -e "$maker"
	check "$1: and said why" wait_for 10 said "$1" "not recharged" "$2"
	check "$1: it is a zombie now" is_zombie
	check "$1: not a bit is different" unshare_same
	check "$1: with its user the zombie goes" wait_for 30 no_zombie
}
is_zombie() { ! no_zombie; }

# 64 MiB of swap, of which a quarter is for others.
share sealed $((56 << 20))
out=$(pages_out)
stays "more than there is room for" "too little free swap"
check_le "pages that went out in vain" $(($(pages_out) - out)) 64
share sealed $bytes
echo 1M >"$maker/memory.swap.max"
stays "a cgroup that may not swap so much" "too little free swap"
share locked $bytes
echo "$user_pid" >/sys/fs/cgroup/init.scope/cgroup.procs
remove_maker
check "locked: it is removed all the same" wait_for 60 test ! -e "$maker"
check "locked: and said why" wait_for 10 said locked "not recharged" "locked, used all the time"
check "locked: not a bit is different" end_user
systemctl start system-memcgowner.slice
echo 1M >"$owner/memory.max"
share sealed $bytes
stays "an owner with a limit" "the owner, or a cgroup above it, has no room"
echo max >"$owner/memory.max"
swapoff -a
share sealed $bytes
stays "without swap" "sealed against writing"
swapon /dev/disk/by-id/virtio-mcrswap

# As much as there is room for.
share sealed $((40 << 20))
before=$(shmem_of "$owner")
remove_maker
check "40 MiB: no zombie is left" wait_for 60 no_zombie
said "40 MiB" recharged || true
check_eq "40 MiB: the owner pays, bytes" $(($(shmem_of "$owner") - before)) $((40 << 20))
check "40 MiB: not a bit is different" unshare_same

# Somebody reads it from end to end all the time: what goes, goes.
share busy $bytes
echo "$user_pid" >/sys/fs/cgroup/init.scope/cgroup.procs
remove_maker
check "used all the time: its cgroup goes" wait_for 60 test ! -e "$maker"
check "used all the time: it is said what came of it" wait_for 30 eval 'said busy recharged || said busy "not recharged"'
check "used all the time: not a bit is different" end_user

# Killed when the cgroup has just gone: what is in swap waits for whoever comes next.
killed=0 stays=0
paid() { (($(shmem_of "$owner") - before == bytes)); }
for i in {1..5}; do
	share sealed $bytes
	before=$(shmem_of "$owner")
	remove_maker
	until [[ ! -e $maker ]]; do :; done
	pkill -KILL -x memcg-recharge && killed=$((killed + 1))
	# Killed after reading and before the CPU was emptied, the entries that this one keeps hold the zombie.
	wait_at_most $((60 * MCR_SLOW)) no_zombie || stays=$((stays + 1))
	wait_for 60 paid || true
	check_eq "kill $i: the owner pays, bytes" $(($(shmem_of "$owner") - before)) "$bytes"
	check "kill $i: not a bit is different" unshare_same
done
check_le "kills after which a zombie stayed for a minute" "$stays" 2
figure "kills after which a zombie stayed for a minute" "$stays" "of 5"
check_ge "killed when the cgroup had gone" $killed 3

# Killed with the daemon between removal and reading, and nobody starts it again: a zombie with all in swap, which the next daemon
# finds. Each is stopped before it can be faster than us.
swap_setup yes '' yes
asked() { compgen -G "/run/memcg-reaper/recharge/held-$maker_id-*.$1" >/dev/null; }
share sealed $bytes
before=$(shmem_of "$owner")
remove_maker
check "both killed: it is asked for" wait_for 30 asked request
systemctl kill -s STOP memcg-reaperd
check "both killed: it is out" wait_for 60 asked out
pkill -STOP -x memcg-recharge
systemctl kill -s CONT memcg-reaperd
check "both killed: the cgroup is gone" wait_for 30 test ! -e "$maker"
systemctl kill -s KILL memcg-reaperd 'memcg-reaper-recharge@*' || true
systemctl stop memcg-reaperd 'memcg-reaper-recharge@*' || true
rm -f /run/memcg-reaper/recharge/*.request
check "both killed: it is a zombie" is_zombie
check_eq "both killed: nobody pays for it" $(($(shmem_of "$owner") - before)) 0
systemctl start memcg-reaperd
check "both killed: no zombie is left" wait_for 120 no_zombie
check_eq "both killed: the owner pays, bytes" $(($(shmem_of "$owner") - before)) $bytes
check "both killed: not a bit is different" unshare_same

# Nobody removes it: it is given up, and comes back to who asks for it.
systemctl stop memcg-reaperd
share sealed $bytes
mkdir -p /run/memcg-reaper/recharge
printf '{"cgroup_id":%s,"path":"%s","owner":"system.slice/system-memcgowner.slice","only_empty":true,"pause_max_usec":50000}' \
	"$maker_id" "${maker#/sys/fs/cgroup}" >/run/memcg-reaper/recharge/test-1.request
systemctl start memcg-reaper-recharge@test-1
check "it says when it is out" wait_for 60 test -e /run/memcg-reaper/recharge/test-1.out
check "not removed: there is an answer" wait_for 60 test -e /run/memcg-reaper/recharge/test-1.result
cat /run/memcg-reaper/recharge/test-1.result
check "not removed: it says so" grep -q '"refusal":"not-removed"' /run/memcg-reaper/recharge/test-1.result
check "it does not say any more that it is out" test ! -e /run/memcg-reaper/recharge/test-1.out
rm -f /run/memcg-reaper/recharge/test-1.*
check "not removed: not a bit is different" unshare_same
check_eq "and it is charged as before" "$(shmem_of "$maker")" 0
rmdir "$maker"

# A zombie that has it in swap already: whoever is to pay reads it, and nobody is frozen.
systemctl start shared.slice
share sealed $bytes
echo 64M >"$maker/memory.reclaim" || true
remove_maker
check "a zombie with all in swap" wait_for 10 is_zombie
check "a dry run says how" refuses_nothing "3.0M would be moved swap-in" --dry-run --to=shared.slice "$maker_id"
check "moved" refuses_nothing "3.0M moved swap-in" --to=shared.slice "$maker_id"
check "it is gone" wait_for 20 no_zombie
check_eq "who is to pay pays, bytes" "$(shmem_of /sys/fs/cgroup/shared.slice)" $bytes
check "not a bit is different" unshare_same
rm -f /etc/memcg-reaper/reaper.conf
systemctl start memcg-reaperd

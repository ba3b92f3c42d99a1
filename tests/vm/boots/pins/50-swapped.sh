# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What is in swap, by file: entries hold the memcg as pages do, and are in no list of it.
# timeout: 400
# shellcheck disable=SC2154,SC2034,SC2086,SC2164 # of and for pins.sh, without blanks; lib.sh has set -e
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh

systemctl stop memcg-reaperd
pins_setup
page_cluster=$(cat /proc/sys/vm/page-cluster)
echo 0 >/proc/sys/vm/page-cluster	# what is read back comes alone

mem_stat() { awk -v key="$2" '$1 == key { print $2 }' "$top/$1/memory.stat"; }
is_swapped_out() {
	echo 64M >"$top/$1/memory.reclaim" 2>/dev/null || true
	[[ $(($(mem_stat "$1" shmem) + $(mem_stat "$1" anon))) -le ${2:-0} ]]
}
# begin NAME, then pins in it with add, then finish NAME.
add() {
	local name=$1

	shift
	: >"$ready_file"
	/opt/mcr-tests/mcr-pin "$top/$name" "$@" >"$ready_file" &
	maker=$!
	wait_for 30 grep -q ^ready "$ready_file" || fail "mcr-pin $* is not ready"
	answer=$(awk '{ print $2 }' "$ready_file")
}

mkdir $top/swapped
group_id=$(stat -c %i $top/swapped)
add swapped write /dev/shm/whole 1048576
add swapped write /dev/shm/part 131072
add swapped write /dev/shm/deleted 40960
exec 9</dev/shm/deleted
rm /dev/shm/deleted
add swapped memfd in-swap 65536
memfd=$answer
add swapped sysv 0x4d4353 40960
segment=$answer
add swapped shared 49152
shared=$answer
# Two pages, 4 TiB apart: the tree of a sparse file is deep.
truncate -s 5T /dev/shm/sparse
sh -c "echo \$\$ >$top/swapped/cgroup.procs && exec dd if=/dev/zero of=/dev/shm/sparse bs=4K count=1 seek=1000000000 conv=notrunc status=none"
sh -c "echo \$\$ >$top/swapped/cgroup.procs && exec dd if=/dev/zero of=/dev/shm/sparse bs=4K count=1 seek=7 conv=notrunc status=none"
add swapped anon 1048576 $elsewhere
anon=$answer
check "all is in swap" wait_for 20 is_swapped_out swapped
# Two pages come back, and are pages of the same file as the rest.
sh -c "echo \$\$ >$top/swapped/cgroup.procs && exec dd if=/dev/shm/part of=/dev/null bs=4K count=2 status=none"
in_swap=$(cat $top/swapped/memory.swap.current)
rmdir $top/swapped
check_explained "swapped"
cat $dump_file
check_pin "a tmpfs file" "$(pin_of tmpfs "ino=$(stat -c %i /dev/shm/whole) ")" refs=0 bytes=0 swapped=1048576 name=/whole
check_pin "a tmpfs file, some of it in memory" "$(pin_of tmpfs "ino=$(stat -c %i /dev/shm/part) ")" refs=2 bytes=8192 \
	swapped=$((131072 - 8192)) ranges=0+8192 name=/part
check_pin "a deleted tmpfs file" "$(pin_of tmpfs "ino=$(stat -L -c %i /proc/$$/fd/9) ")" swapped=40960 nlink=0 name=/deleted
check_pin "a sparse tmpfs file" "$(pin_of tmpfs "ino=$(stat -c %i /dev/shm/sparse) ")" swapped=8192 name=/sparse
check_pin "memfd" "$(pin_of memfd)" refs=0 swapped=65536 name=in-swap
check_pin "SysV segment" "$(pin_of sysv)" swapped=40960 shmid="$segment" key=$((0x4d4353))
check_pin "shared anonymous memory" "$(pin_of shared-anon)" swapped=49152
check "who maps what is in swap" explains "used by mcr-pin[$shared]" swapped
swap=$(pin_of swap)
files=$(((1048576 + 131072 - 8192 + 40960 + 8192 + 65536 + 40960 + 49152) / 4096))
check_pin "the entries of files" "$swap" refs=1 in_files=$files
count=$(value_of count "$swap")
freed=$(value_of freed "$swap")
check_eq "entries, by the kernel's own count" "$count" $((in_swap / 4096))
check_ge "the rest is private memory" $((count - freed - files)) 256
check_le "and nothing else" $((count - freed - files)) 320
check "in words" explains "tmpfs /whole (tmpfs on tmpfs, inode $(stat -c %i /dev/shm/whole)), here /dev/shm/whole, 1.0M of it in swap" swapped
check "in words" explains "entries, $files of files named here" swapped
figure "swapped: entries" "$count" entries
figure "swapped: of files that were named" "$files" entries
figure "swapped: free, and kept by CPUs" "$freed" entries

# Everything that holds entries goes, and so does the zombie.
kill "$memfd" "$shared" "$anon"
ipcrm -m "$segment"
exec 9<&-
rm /dev/shm/{whole,part,sparse}
walk "$group_id" 2>/dev/null || true
cat $dump_file
swapoff -a
check "without any entry it is gone" wait_for 20 refuses 1 "no zombie has the id" "$group_id"
swapon /dev/disk/by-id/virtio-mcrswap
echo "$page_cluster" >/proc/sys/vm/page-cluster

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the patched kernel's Documentation/admin-guide/mm/memcg_recharge.rst shows, typed in as it is there, and what it
# says of memory that cannot be evicted, of who is no user, and of what the modes leave.
# timeout: 600
# shellcheck disable=SC2016,SC2034 # typed in: by eval
. /opt/mcr-tests/lib.sh

readonly knobs=/sys/kernel/mm/memcg_recharge top=/sys/fs/cgroup/docs list=/sys/kernel/debug/memcg_recharge/dying

# within DIR COMMAND...: by a process of this cgroup.
within() { sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$@"; }
# leave NAME FILE MIB: a cgroup makes a file and is removed. Its id is in $id.
leave() {
	mkdir "$top/$1"
	id=$(stat -c %i "$top/$1")
	within "$top/$1" dd if=/dev/zero of="$2" bs=1M count="$3" status=none
	wait_for 10 rmdir "$top/$1"
}
# Structures of writeback go when the inodes are clean and some memcg goes offline.
goes() {
	sync
	mkdir $top/other
	within $top/other true
	wait_for 10 rmdir $top/other
	! grep "^$id " $list
}
field() { awk -v id="$id" -v n="$1" '$1 == id { print $n; found = 1 } END { if (!found) print 0 }' $list; }
lru_at_most() { (($(field 3) <= $1)); }
stat_of_owner() { awk -v key="$1" '$1 == key { print $2 }' $top/owner/memory.stat; }
read_it() { within $top/owner cat /var/tmp/four >/dev/null; }

[[ -d $knobs ]] || skip "this kernel does not recharge"
systemctl stop memcg-reaperd
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p $top
echo +memory >$top/cgroup.subtree_control
mkdir $top/owner
target=$(stat -c %i $top/owner)
cd $knobs || fail "cannot enter it"
echo 1 > /sys/kernel/mm/memcg_recharge/enabled

leave one /dev/shm/one 16
check_eq "the header of the list" "$(head -n 1 $list)" "id refs lru swap objcgs path"
check_eq "it is in the list by its path" "$(field 6)" /docs/one
check_ge "pages on its lists" "$(field 3)" 4096
check_ge "a reference for each" "$(field 2)" 4096
before=$(<$top/owner/memory.current)
check "the request" eval 'echo $id $target > recharge'
check_ge "the target pays, bytes" $(($(<$top/owner/memory.current) - before)) $((16 << 20))
check_eq "pages left" "$(field 3)" 0
check "the memcg is gone" wait_for 20 goes
check_not "and the next request says so" eval 'echo $id $target > recharge'
check_not "the root is no target" eval 'echo $target 1 > recharge'

leave 'with blank' /dev/shm/two 16
check_eq "a blank in the path is in octal" "$(field 6)" '/docs/with\040blank'
rounds=0
pages() { echo $(($(cat moved) + $(cat moved_swap))); }
while before=$(pages)
	echo "$id" "$target" $((4 << 20)) > recharge &&
	[ "$(pages)" -ne "$before" ]
do rounds=$((rounds + 1)); done || true
check_ge "portions" $rounds 4
check_le "portions" $rounds 6
check "the loop has left nothing" wait_for 20 goes

mkdir -p /run/ram
mount -t ramfs ramfs /run/ram
leave three /run/ram/three 8
before=$(stat_of_owner unevictable)
check "a request for what cannot be evicted" eval 'echo $id $target > recharge'
check_ge "it cannot be evicted there, bytes" $(($(stat_of_owner unevictable) - before)) $((8 << 20))
check "its memcg is gone" wait_for 20 goes

echo 1 > on_access
leave four /var/tmp/four 4
sync
before=$(<moved_on_access)
sh -c 'echo $$ >/sys/fs/cgroup/cgroup.procs && exec cat /var/tmp/four' >/dev/null
sleep 1
# A hundred or more it would be; a block of the file system's own is anybody's.
check_le "read from the root cgroup: moved" $(($(<moved_on_access) - before)) 16
for ((i = 0; i < 300; i++)); do
	read_it
	! lru_at_most 16 || break
done
figure "1024 pages read, until those who read them paid" $((i + 1)) times
check_ge "read by a user: moved" $(($(<moved_on_access) - before)) 1000
check "what nobody has read is little" lru_at_most 16
echo 0 > on_access

for file in mapped evict on_access enabled; do echo 1 > $file; done
before=$(<evicted)
leave five /var/tmp/five 4
sync
check "all modes: page cache goes by itself" wait_for 60 lru_at_most 16
check_ge "evicted, pages" $(($(<evicted) - before)) 900
figure "left by the modes" "$(field 3)" pages
for file in mapped evict on_access; do echo 0 > $file; done
check "a request for what the modes have left" eval '[ $(field 3) = 0 ] || echo $id $target > recharge'
# The queue of the modes looks again after 32 seconds at most.
check "then it is gone" wait_for 60 goes
echo 0 > enabled
umount /run/ram
rm -f /dev/shm/one /dev/shm/two /var/tmp/four /var/tmp/five

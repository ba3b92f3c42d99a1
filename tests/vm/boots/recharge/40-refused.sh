# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What is refused, each by its name, and left as it was.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

recharge_setup

make_file() { head -c "$2" /dev/urandom >"$1"; cp "$1" /var/tmp/copy; }

# By what it is.
check_refused not-shmem $one /etc/hostname
check_refused not-shmem $one /dev/null
mkdir -p /run/huge /run/ro
mount -t hugetlbfs none /run/huge
touch /run/huge/file
check_refused hugetlb $one /run/huge/file
umount /run/huge
mount -t tmpfs none /run/ro
make_file /run/ro/file 100000
mount -o remount,ro /run/ro
check_refused read-only $one /run/ro/file
mount -o remount,rw /run/ro
chattr +i /run/ro/file
check_refused immutable $one /run/ro/file
chattr -i /run/ro/file
if modprobe loop 2>/dev/null && loop=$(losetup -f --show /run/ro/file); then
	check_refused loop $one /run/ro/file
	losetup -d "$loop"
fi
umount /run/ro
cp /bin/sleep /dev/shm/program
/dev/shm/program 100 &
check_refused text-busy $one /dev/shm/program
kill $!
rm /dev/shm/program
for kind in seal-write seal-future-write; do
	hold $kind
	check_refused $kind $one "$target"
	let_go
done

# By who uses it.
for kind in io-uring aio userfaultfd; do
	hold $kind
	check_refused $kind $one "$target"
	let_go
done
hold pinned
check_refused pages-held $one "$target"
let_go
hold in-flight
check_refused kernel-holds $one "$target"
let_go
hold thread
got=$($move one $one "$target" pause=500 2>&1) || mcr_record "held by a thread: $got"
check_eq "one that only a second thread has open: users" "$(value_of users "$got")" 1
check_eq "and with /proc alone" "$(value_of users "$($move one $one "$target" dry=1 proc=1)")" 1
let_go
make_file /dev/shm/other 4096
hold unfreezable /dev/shm/other
sleep 0.5
check_refused unfreezable $one "$target"
check "nobody is frozen" nobody_frozen
let_go
exec 9<>/dev/shm/other
check_refused own-cgroup $one /dev/shm/other
exec 9<&-
hold plain /dev/shm/other
mkdir -p $top/b/below
check_refused owner-in-it $top/b/below /dev/shm/other
rmdir $top/b/below
echo "$(sed -n 's/^ready //p' $hold_out)" >/sys/fs/cgroup/cgroup.procs
check_refused root-cgroup $one /dev/shm/other
echo "$(sed -n 's/^ready //p' $hold_out)" >/sys/fs/cgroup/init.scope/cgroup.procs
check_refused init $one /dev/shm/other
let_go

# By the owner.
make_file /dev/shm/other $((4 << 20))
echo 1M >$one/memory.max
check_refused owner-limit $one /dev/shm/other
echo max >$one/memory.max
echo 1M >$one/memory.high
check_refused owner-limit $one /dev/shm/other
echo max >$one/memory.high
check_eq "killed for want of memory" "$(awk '$1 == "oom_kill" { print $2 }' $one/memory.events)" 0
mkdir -p $top/parent/child
echo +memory >$top/parent/cgroup.subtree_control
check_refused owner-gone $top/parent /dev/shm/other
rmdir $top/parent/child $top/parent
check "the file is what it was" cmp /dev/shm/other /var/tmp/copy
check_le "the owner has no more than it may, KiB" "$(charged $one)" 1024

# It changes meanwhile.
start_moving() {
	local before

	before=$(charged $one)
	$move one $one /dev/shm/other "$@" >/run/move.out &
	until (($(charged $one) > before + 1024)); do :; done
}
make_file /dev/shm/other $((32 << 20))
start_moving max=65536
rm /dev/shm/other
wait $! || true
cat /run/move.out
check_eq "deleted meanwhile" "$(value_of refusal "$(</run/move.out)")" changed
make_file /dev/shm/other $((16 << 20))
hold plain /dev/shm/other
start_moving max=65536 pause=200
truncate -s 1000000 /dev/shm/other
wait $! || true
cat /run/move.out
check_le "cut off meanwhile: what was moved" "$(value_of moved "$(</run/move.out)")" $((15 << 20))
check_eq "cut off meanwhile: its size" "$(stat -c %s /dev/shm/other)" 1000000
check "cut off meanwhile: what is left is what it was" cmp -n 1000000 /dev/shm/other /var/tmp/copy
let_go
rm /dev/shm/other /var/tmp/copy

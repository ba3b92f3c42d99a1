# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What POSIX calls shared memory and message queues. The first is a file of tmpfs. The second is memory of the kernel's own: it goes to
# the parent with the cgroup, holds no zombie, and there is nothing to move.
# timeout: 120
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/recharge.sh

recharge_setup

hold posix /shared
check_eq "POSIX shared memory is a file of /dev/shm" "$(readlink "$target")" /dev/shm/shared
before=$(sha256sum </dev/shm/shared)
got=$($move one $one /dev/shm/shared pause=500) || mcr_record "in use: $got"
check_eq "in use: moved" "$(value_of strategy "$got") $(value_of moved "$got")" "frozen 262144"
check_ge "the owner pays, KiB" "$(charged $one)" 256
let_go
got=$($move one $two /dev/shm/shared) || mcr_record "not in use: $got"
check_eq "not in use: moved" "$(value_of strategy "$got") $(value_of moved "$got")" "lease 262144"
check_eq "it is what it was" "$(sha256sum </dev/shm/shared)" "$before"
rm /dev/shm/shared

sysctl -q -w fs.mqueue.msg_max=512
mkdir $top/queue
# Through a pipe: a file it writes to would be charged to it.
exec {out}< <(exec /opt/mcr-tests/mcr-hold $top/queue mqueue /posix)
parent=$!
read -r _ <&"$out" && read -r _ pid <&"$out"
slab=$(stat_of $top/queue slab)
check_ge "messages are charged as kernel memory, bytes" "$slab" $((4 << 20))
check_le "and not as shared memory, bytes" "$(stat_of $top/queue shmem)" 65536
kill "$pid" "$parent"	# who is not waited for holds the cgroup as well
exec {out}<&-
check "its cgroup can be removed" wait_for 10 rmdir $top/queue
check "and is no zombie" wait_for 10 eval 'nudge; test "$(zombies recharge)" = 0'
check_ge "the parent has it now, bytes" "$(stat_of $top slab)" $((4 << 20))
check_refused not-shmem $one /dev/mqueue/posix
rm /dev/mqueue/posix
check "until it is deleted" wait_for 10 eval '(($(stat_of $top slab) < 1 << 20))'

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Owner groups: what systemd does with them, and what `memcg-reaper owners` says of them.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly unit=system-memcgowner.slice
readonly dir=/sys/fs/cgroup/system.slice/$unit
owners() { memcg-reaper owners "$@" | tee -a /dev/stderr; }
# charge DIR COMMAND...: a process in there, and only that.
charge() {
	sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$@"
}

check "without owner groups it says so" eval "owners | grep -q 'nothing was recharged'"
check "and in JSON" eval "owners --json | grep -q '\"owners\"'"

systemctl start $unit
check "a slice without a unit file can be started" test -d $dir
check "a process may join it" charge $dir dd if=/dev/zero of=/dev/shm/owned bs=1M count=4 status=none
check_ge "and is charged there" "$(cat $dir/memory.current)" $((4 << 20))
systemctl daemon-reload
systemctl daemon-reexec
systemctl start memcg-reaperd
check "it stays through daemon-reload and daemon-reexec" test -d $dir
check_ge "with its charge" "$(cat $dir/memory.current)" $((4 << 20))
check "an administrator can limit it" systemctl set-property --runtime $unit MemoryMax=64M
check_eq "and that counts" "$(cat $dir/memory.max)" $((64 << 20))

# Alone in a slice of its own: the controller stays on, although no other unit is there.
systemctl start batch.slice batch-memcgowner.slice
systemd-run -q --slice=batch.slice --wait true
sleep 2
check "in a slice with nothing else in it too" test -e /sys/fs/cgroup/batch.slice/batch-memcgowner.slice/memory.current

# Who borrows.
systemd-run -q --unit=borrower sh -c 'exec 3</dev/shm/owned; while :; do sleep 1000; done'
wait_for 10 systemctl is-active borrower.service
check "owners tells what it pays for" eval "owners | grep -q '^/system.slice/$unit: pays for 4.*of at most 64'"
check "which objects" eval "owners | grep -q '4.0M  tmpfs /owned'"
check "and who borrows them" eval "owners | grep -q 'borrowed by /system.slice/borrower.service: has it open, 2 processes'"
check "in JSON too" eval "owners --json | tr -d ' \n' | grep -q '\"borrowers\":\[{\"cgroup\":\"/system.slice/borrower.service\"'"
systemctl stop borrower
check "and when nobody does" eval "owners | grep -q 'nobody has it now; it has a name'"
rm /dev/shm/owned
owes_nothing() { ! memcg-reaper owners --json | grep -q '"kind": *"tmpfs"'; }
check "what is deleted is owed no more" wait_for 10 owes_nothing
systemctl stop batch.slice $unit
check "stopped, it goes" wait_for 30 test ! -d $dir

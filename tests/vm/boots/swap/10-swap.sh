# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# With swap and without the BPF LSM: the gate is by fmod_ret, drains push nothing to swap, and memory.swap.max is
# what it was.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice

check_not "bpf is no active LSM here" grep -q bpf /sys/kernel/security/lsm
check "swap is on" grep -q partition /proc/swaps
systemctl start memcg-reaperd
check_eq "the gate is by" "$(sleep 1; status gate how)" fmod_ret

# A service that leaves 8 MiB of tmpfs and page cache behind.
cat >/run/systemd/system/leaver.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=sh -c 'head -c 8388608 /dev/zero >/dev/shm/left; head -c 4194304 /dev/zero >/var/tmp/left'
UNIT
systemctl daemon-reload
swap_before=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
systemctl start leaver.service
check "its cgroup is held" test -d $slice/leaver.service
sleep 0.5
check "it is removed in the end" wait_for 30 test ! -e $slice/leaver.service
swap_after=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
check_eq "pages written to swap by the drain" $((swap_after - swap_before)) 0
check "the tmpfs file is whole" test "$(tr -d '\0' </dev/shm/left | wc -c) $(stat -c %s /dev/shm/left)" = "0 8388608"
figure "pages swapped out by drains" $((swap_after - swap_before)) pages

# The value of a held cgroup that is reused in mid-drain comes back.
head -c 200000000 /dev/zero >/var/tmp/big
sync
echo 1 >/proc/sys/vm/drop_caches
dir=$(charged_cgroup reused)
sh -c "echo \$\$ >$dir/cgroup.procs && exec cat /var/tmp/big" >/dev/null
echo 12M >"$dir/memory.swap.max"
check_not "it is held" rmdir "$dir"
mkdir "$dir" 2>/dev/null || true	# as a service manager does before it starts a process there
sh -c "echo \$\$ >$dir/cgroup.procs && exec sleep 20" &
sleep 4
check_eq "memory.swap.max of a reused cgroup" "$(cat "$dir/memory.swap.max")" $((12 << 20))
kill %1
wait || true
rmdir "$dir" 2>/dev/null || true
check "it goes when it ends" wait_for 30 test ! -e "$dir"
rm /dev/shm/left

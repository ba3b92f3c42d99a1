# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The guest is a booted Debian with cgroup v2 whose counts we can read.
. /opt/mcr-tests/lib.sh

check_eq "the boot is finished and no unit has failed" "$(systemctl is-system-running)" running
check_eq "cgroup v2 is the only hierarchy" "$(stat -f -c %T /sys/fs/cgroup)" cgroup2fs
check "the memory controller reaches the slices" grep -qw memory /sys/fs/cgroup/system.slice/cgroup.controllers
check "cgroups protect their subtree (memory_recursiveprot)" grep -q memory_recursiveprot /proc/mounts
check "the kernel is Debian's" grep -q Debian /proc/version
check "the kernel has type information for BPF" test -r /sys/kernel/btf/vmlinux
check_eq "the swap disk is in use" "$(wc -l </proc/swaps)" 2
check_eq "this scenario runs in the slice of the tests" "$(cut -d/ -f2 /proc/self/cgroup)" mcrtest.slice
check_ge "dying cgroups can be counted" "$(zombies)" 0

figure "zombies after boot, whole system" "$(zombies)" cgroups
figure "zombies after boot, system.slice" "$(zombies system.slice)" cgroups

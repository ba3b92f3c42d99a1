# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the daemon costs while 100 services a second come and go, each with 64 KiB of page cache.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice rate=100 seconds=20

cpu_usec() { awk '$1 == "usage_usec" { print $2 }' $slice/memcg-reaperd.service/cpu.stat; }

rmdir /sys/fs/cgroup/bench/* 2>/dev/null || true
rm -rf /dev/shm/bench
systemctl start memcg-reaperd
sleep 2
figure "daemon at rest, resident" "$(awk '/^VmRSS/ { print $2 }' "/proc/$(systemctl show -p MainPID --value memcg-reaperd)/status")" KiB
before=$(cpu_usec)
/opt/mcr-tests/mcr-load services $slice $((rate * seconds)) $rate /var/tmp/load >/tmp/load
used=$(($(cpu_usec) - before))
cat /tmp/load
msec=$(awk '{ print $NF }' /tmp/load)
figure "services a second that came and went" $((rate * seconds * 1000 / msec)) "1/s"
figure "daemon and its workers, CPU per service" $((used * 1000 / (rate * seconds))) instructions
figure "daemon under load, resident" "$(awk '/^VmHWM/ { print $2 }' "/proc/$(systemctl show -p MainPID --value memcg-reaperd)/status")" KiB
check_eq "events lost" "$(sleep 3; status gate lost_events)" 0
check_nothing_held "all are settled in the end" 60
figure "of $((rate * seconds)) services, held" "$(status gate held_total)" cgroups
figure "let go because too many were held" "$(status gate let_go_over_limit)" cgroups

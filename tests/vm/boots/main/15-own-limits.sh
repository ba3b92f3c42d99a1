# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a shield leaves behind: nothing. Live siblings can reclaim from themselves right after it, and one that is
# near its own limit, at whatever depth, is never shielded, because protected it would be killed.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice

head -c 50000000 /dev/zero >/var/tmp/cached
sync
make_zombie() {
	mkdir -p $slice/load-zombie
	sh -c "echo \$\$ >$slice/load-zombie/cgroup.procs && exec dd if=/dev/zero of=/var/tmp/z-$1 bs=1M count=8 conv=fsync status=none"
	rmdir $slice/load-zombie
}

systemctl stop memcg-reaperd
echo 1 >/proc/sys/vm/drop_caches
systemd-run -q --unit=sibling sh -c 'cat /var/tmp/cached >/dev/null; exec sleep infinity'
wait_for 20 grows_to $slice/sibling.service 48000000
make_zombie 1
before=$(zombies)
lost_before=$(stat_of $slice/sibling.service file)
memcg-reaper reap || (($? == 5))
check "the zombie is reaped" eval "(($(zombies) < before))"
check_eq "the sibling has lost, in bytes" $((lost_before - $(stat_of $slice/sibling.service file))) 0
memcg-reaper drain /system.slice/sibling.service || (($? == 5))
left=$(stat_of $slice/sibling.service file)
check_le "right after a shield it can be drained: page cache left of 48 MB" "$left" 1000000
figure "page cache a drain leaves of 50 MB, right after a shield" "$left" bytes
systemctl stop sibling.service

# A reader that fills its own limit over and over while zombies are reaped next to it.
systemd-run -q --unit=limited --property=MemoryMax=24M --property=OOMPolicy=continue sh -c \
	'while :; do cat /var/tmp/cached >/dev/null; done'
wait_for 20 grows_to $slice/limited.service 18000000
for i in 1 2 3; do
	make_zombie "$i"
	memcg-reaper reap >/dev/null || (($? == 5))
done
check "below a slice with a cgroup near its limit reap refuses, and says so" \
	grep -q 'near its memory limit' <<<"$(memcg-reaper reap 2>&1 || true)"
check_eq "OOM kills of the limited service" "$(awk '$1 == "oom_kill" { print $2 }' $slice/limited.service/memory.events)" 0
check "it is still running" systemctl -q is-active limited.service
systemctl stop limited.service
memcg-reaper reap >/dev/null || (($? == 5))
check "without it they are reaped" at_most_zombies $((before + 1))
systemctl start memcg-reaperd

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A booted system has zombies; with the daemon they go within one cycle, and live services keep their page cache.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice

# One service with a page cache of its own, read and kept mapped by nobody else.
dd if=/dev/zero of=/var/tmp/hot bs=1M count=64 status=none
sync
echo 1 >/proc/sys/vm/drop_caches
systemd-run -q --unit=hot --property=MemoryLow=4M sh -c 'cat /var/tmp/hot >/dev/null; exec sleep infinity'
wait_for 20 grows_to "$slice/hot.service" $((60 << 20))

before=$(zombies)
check_ge "a booted guest has zombies" "$before" 10
declare -A cache
for dir in "$slice"/*.service; do
	cache[$dir]=$(stat_of "$dir" file)
done

systemctl enable --now memcg-reaperd
# One cycle: the census, the grace period of what was there before, and its rounds.
check "the daemon ends its first cycle" wait_for 90 cycle_is_over
after=$(zombies)
check_le "zombies are left" "$after" 2
check_eq "each that is left is listed as pinned" "$(status zombies pinned)" "$after"
check_eq "a reason is given for each" "$(grep -c ' pinned: ' <<<"$(memcg-reaper list)")" "$after"

worst=0
for dir in "${!cache[@]}"; do
	[[ -e $dir && ${cache[$dir]} -gt 0 ]] || continue
	lost=$((cache[$dir] - $(stat_of "$dir" file)))
	permille=$((lost * 1000 / cache[$dir]))
	((permille <= worst)) || worst=$permille
done
check_le "the most that a live service lost of its page cache, in 1/1000" "$worst" 10
check_eq "MemoryLow= of the service is what it was" "$(cat $slice/hot.service/memory.low)" $((4 << 20))
check_eq "no service is left with a raised memory.min" "$(raised_minima)" ""

figure "zombies after boot, daemon off" "$before" memcgs
figure "zombies after one cycle" "$after" memcgs
figure "worst loss of page cache of a live service" "$worst" "1/1000"
figure "taken from live cgroups, by the kernel's count" "$(status since_start lost_by_live_bytes)" bytes
figure "rounds until all is reaped or pinned" "$(status since_start rounds)" rounds
systemctl stop hot.service

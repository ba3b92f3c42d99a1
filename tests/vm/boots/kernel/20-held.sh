# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A service goes, and leaves a file in tmpfs, page cache that another has mapped, and private memory of a process that has
# moved away: the kernel charges all of it to the owner, in place. Then the same of one that is a zombie already.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/refault.sh
. /opt/mcr-tests/kernel.sh

readonly left=/dev/shm/left wanted=/var/tmp/wanted unwanted=/var/tmp/unwanted
readonly shm_mib=8 cache_mib=8 anon_mib=6

policy() {
	printf '%s\n' '[Reaper]' IntervalSec=3s GraceSec=1s PinnedRetrySec=1s '[Policy default]' Slice=refault.slice HoldMaxSec=5min "$@" \
		>/etc/memcg-reaper/reaper.conf
	systemctl restart memcg-reaperd
	wait_for 20 busctl --system status org.memcgreaper1 >/dev/null
}
owner_stat() {
	cat /sys/fs/cgroup/$owner/cpu.stat >/dev/null 2>&1 || true
	stat_of /sys/fs/cgroup/$owner "$1"
}
zombie_named() { memcg-reaper list --json | grep -c "\"path\":.*/$1\"" || true; }
is_charged() { (($(stat_of "$top/$1.service" anon) >= anon_mib << 20 && $(stat_of "$top/$1.service" file) >= (shm_mib + 2 * cache_mib) << 20)); }

# makes UNIT: a service with all of it; who moves away goes to c, and b maps the file that is wanted.
makes() {
	new_file $wanted $cache_mib
	new_file $unwanted $cache_mib
	systemd-run -q --slice=refault.slice --unit="$1" sh -c "dd if=/dev/urandom of=$left bs=1M count=$shm_mib status=none
		cat $wanted $unwanted >/dev/null; exec sleep 10000"
	wait_for 20 eval "[[ \$(stat_of $top/$1.service file) -ge $(((shm_mib + 2 * cache_mib) << 20)) ]]"
	/opt/mcr-tests/mcr-pin "$top/$1.service" anon $((anon_mib << 20)) $top/c >/run/anon.out &
	anon=$!
	wait_for 20 grep -q ^ready /run/anon.out || fail "no private memory"
	check "$1: all is charged to it" wait_for 10 is_charged "$1"
	maps b $wanted
	before_sum=$(sha256sum $left) before_ctime=$(stat -c %z $left)
	shmem=$(owner_stat shmem) file=$(owner_stat file) private=$(owner_stat anon) moved=$(moved_bytes)
	kernel=$(by_strategy kernel) total=$(status recharges moved_bytes)
}

ends() {
	kill "$(awk '{ print $2 }' /run/anon.out)" $anon 2>/dev/null || true
	wait $anon 2>/dev/null || true
	stops b
	rm -f $left
}

# is_whole UNIT: all of it is the owner's, as it was.
is_whole() {
	local cache

	check_eq "$1: shared memory charged to the owner, bytes" $(($(owner_stat shmem) - shmem)) $((shm_mib << 20))
	check_eq "$1: private memory charged to the owner, at least" $((($(owner_stat anon) - private) >> 20)) $anon_mib
	cache=$(($(owner_stat file) - file - (shm_mib << 20)))
	check_ge "$1: page cache that is wanted, charged to the owner" $cache $((cache_mib << 20))
	check_le "$1: and what nobody maps is not" $cache $(((cache_mib + 2) << 20))
	figure "$1: charged to the owner" $((($(owner_stat shmem) + $(owner_stat anon) + $(owner_stat file) - shmem - private - file - (shm_mib << 20)) >> 10)) KiB
	figure "$1: of that page cache ($((cache_mib << 10)) mapped, as much not)" $((cache >> 10)) KiB
	check_ge "$1: the kernel has counted it" $(($(moved_bytes) - moved)) $(((shm_mib + cache_mib + anon_mib) << 20))
	check_ge "$1: and the daemon" $(($(status recharges moved_bytes) - total)) $(((shm_mib + cache_mib + anon_mib) << 20))
	check_le "$1: which claims no more" $(($(status recharges moved_bytes) - total)) $(($(moved_bytes) - moved))
	check_ge "$1: by the kernel" "$(by_strategy kernel)" $((kernel + 1))
	check_eq "$1: and in no other way" "$(by_strategy frozen) $(by_strategy lease) $(by_strategy refault)" "0 0 0"
	check_eq "$1: nothing is rewritten" "$(stat -c %z $left)" "$before_ctime"
	check_eq "$1: not a bit is different" "$(sha256sum $left)" "$before_sum"
	finds b "$1: finds what it has mapped" $((cache_mib * 256))
}

kernel_on
check "doctor says that it is on" says "present, on; modes: none" memcg-reaper doctor
refault_setup
policy Recharge=yes

# Held: what nobody maps of the page cache is dropped before, for it has no owner.
makes held
systemctl stop held
check "held: the cgroup goes" wait_for 300 test ! -e $top/held.service
check "held: and is no zombie" wait_for 10 eval '[[ $(zombie_named held.service) == 0 ]]'
check "held: the journal says so" wait_for 10 eval "journalctl -u memcg-reaperd -o cat --no-pager | grep '^recharged /refault.slice/held.service' | tee -a /dev/stderr | grep -q 'by the kernel, to refault.slice/refault-memcgowner.slice'"
check "held: it is told" wait_for 10 eval '(($(by_strategy kernel) > kernel))'
is_whole held
ends

# Dead.
policy Gate=no Drain=no Shield=no
makes dead
systemctl stop dead
check "dead: without the daemon it is a zombie" wait_for 20 eval '[[ $(zombie_named dead.service) == 1 ]]'
check "dead: explain says by what" says "could be recharged: by the kernel" memcg-reaper explain dead.service
check "dead: so does a dry run" says "would be moved by the kernel" memcg-reaper recharge --dry-run dead.service
check_eq "dead: which moves nothing" "$(moved_bytes)" "$moved"
policy Recharge=yes
kernel=0 total=0
check "dead: it goes" wait_for 120 eval '[[ $(zombie_named dead.service) == 0 ]]'
check "dead: it is told" wait_for 10 eval '(($(by_strategy kernel) > kernel))'
is_whole dead
ends

# By hand.
policy Gate=no Drain=no Shield=no
makes hand
systemctl stop hand
check "hand: it is a zombie" wait_for 20 eval '[[ $(zombie_named hand.service) == 1 ]]'
answer=$(recharge --json hand.service)
echo "$answer"
check_eq "hand: all is moved" "$(answered kernel) $(answered why_not)" "done null"
check_ge "hand: bytes" "$(answered moved_bytes)" $(((shm_mib + cache_mib + anon_mib) << 20))
check_eq "hand: as many as the kernel has counted" "$(answered moved_bytes)" $(($(moved_bytes) - moved))
check "hand: it goes" wait_for 30 zombie_has_gone hand.service
check "hand: and is gone" says "is no file, no cgroup and no zombie" memcg-reaper recharge hand.service
ends
check_eq "nobody was ever frozen" "$(journalctl -o cat --no-pager -u memcg-reaperd -u 'memcg-reaper-recharge@*' | grep -c frozen || true)" 0
check_eq "nor waited" "$(status recharges longest_pause_usec)" 0
memcg-reaper status
check "status has a line for the kernel" says "Kernel: recharge on; " memcg-reaper status
check_ge "and a section" "$(status kernel_recharge moved)" $(((shm_mib + cache_mib + anon_mib) * 256))
check_eq "no request is left" "$(find /run/memcg-reaper/recharge -name '*.request' | wc -l)" 0
check_eq "and no unit failed" "$(systemctl list-units --failed --no-legend 'memcg-*' | wc -l)" 0
kernel_off
rm /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd
refault_end

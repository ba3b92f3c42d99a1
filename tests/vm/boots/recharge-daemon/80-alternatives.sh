# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The same mess, and five ways to deal with it: what is left, and at whose cost.
# timeout: 1200
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/alt.slice count=10 zombies_made=21
readonly owner=$slice/alt-memcgowner.slice

systemctl stop memcg-reaperd
swapoff -a
dd if=/dev/zero of=/var/tmp/bystander bs=1M count=48 status=none
sync

dying() { awk '$1 == "nr_dying_descendants" { print $2 }' "$slice/cgroup.stat"; }
bystander_bytes() { awk '$1 == "file" { print $2 }' "$slice/bystander.service/memory.stat"; }
owner_bytes() { cat "$owner/memory.current" 2>/dev/null || echo 0; }
runs() { systemd-run -q --wait --slice=alt.slice --unit="$1" dd if=/dev/zero of="$2" bs=1M count=1 status=none; }

# mess: a live service with page cache, services that have left a file in tmpfs or on disk, and one that was the first to read what
# another has mapped.
mess() {
	echo 1 >/proc/sys/vm/drop_caches
	systemd-run -q --slice=alt.slice --unit=bystander sh -c 'cat /var/tmp/bystander >/dev/null; exec sleep 10000'
	wait_for 60 eval '(($(bystander_bytes) >= 48 << 20))'
	for ((i = 0; i < count; i++)); do
		runs "tmpfs$i" "/dev/shm/alt$i"
		runs "disk$i" "/var/tmp/alt$i"
	done
	dd if=/dev/urandom of=/var/tmp/altshared bs=1M count=8 status=none
	sync /var/tmp/altshared
	dd of=/var/tmp/altshared oflag=nocache conv=notrunc count=0 status=none
	systemd-run -q --slice=alt.slice --unit=first sh -c 'cat /var/tmp/altshared >/dev/null; exec sleep 10000'
	wait_for 60 eval '(($(stat_of $slice/first.service file) >= 8 << 20))'
	systemd-run -q --slice=alt.slice --unit=user sleep 10000
	/opt/mcr-tests/mcr-map $slice/user.service /var/tmp/altshared >/run/alt.user &
	wait_for 60 grep -q ^ready /run/alt.user
	systemctl stop first
}
in_memory() { fincore -b -n -o RES /var/tmp/altshared | tr -d ' '; }
clean() {
	systemctl stop bystander user memcg-reaperd
	wait
	rm -f /dev/shm/alt* /var/tmp/alt* /etc/memcg-reaper/reaper.conf
	systemctl stop alt.slice
	sleep 1
}
# deal WITH COMMAND...: the figures, also in $zombies, $lost, $owned.
deal() {
	local name=$1 before

	shift
	mess
	before=$(bystander_bytes)
	check_ge "$name: zombies before" "$(dying)" $zombies_made
	"$@"
	sleep 2
	zombies=$(dying) lost=$((before - $(bystander_bytes))) owned=$(owner_bytes) mapped=$(in_memory)
	figure "$name: zombies left of $zombies_made" "$zombies" memcgs
	figure "$name: taken from a bystander" $((lost >> 10)) KiB
	figure "$name: charged to an owner that lives on" $((owned >> 10)) KiB
	figure "$name: in memory of 8192 KiB that a live one has mapped" $((mapped >> 10)) KiB
}

drop() { sync && echo 3 >/proc/sys/vm/drop_caches; }
reclaim() { sync && { echo 1G >"$slice/memory.reclaim" || true; }; }
# reaper yes|no: with or without moving anything to an owner.
reaper() {
	cat >/etc/memcg-reaper/reaper.conf <<-CONF
		[Reaper]
		IntervalSec=2s
		GraceSec=0
		[Policy default]
		Slice=alt.slice
		Recharge=$1
	CONF
	systemctl start memcg-reaperd
	if [[ $1 == no ]]; then
		wait_for 60 eval '(($(dying) <= count))' || true
		return
	fi
	wait_for 300 eval '(($(dying) <= 2 && $(owner_bytes) >= (count + 8) << 20))' || true
	figure "reaper: longest pause of users" "$(status since_start longest_pause_usec)" us
}

deal leave true
check_ge "left alone they stay" "$zombies" $((2 * count))
clean
deal drop_caches drop
check_ge "drop_caches leaves those with tmpfs" "$zombies" $count
check_ge "and takes from everybody" "$lost" $((40 << 20))
clean
deal parent-reclaim reclaim
check_ge "reclaim on the parent leaves those with tmpfs" "$zombies" $count
check_ge "and takes from everybody" "$lost" $((8 << 20))
clean
deal reaper-alone reaper no
check_ge "without moving anything those with tmpfs stay" "$zombies" $count
check_eq "nothing is taken from a bystander" "$lost" 0
check_le "but what a live one has mapped is" "$mapped" $((1 << 20))
clean
deal reaper reaper yes
check_le "the reaper leaves none, or what is just going" "$zombies" 2
check_eq "takes nothing from anybody" "$lost" 0
check_ge "and somebody pays for what is left" "$owned" $(((count + 8) << 20))
check_ge "and what a live one has mapped is in memory" "$mapped" $((8 << 20))
memcg-reaper status
clean
systemctl start memcg-reaperd

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Page cache that is not refaulted, each by its name; where nothing may be read back, nothing is evicted.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/refault.sh

refault_setup
systemctl start refault-memcgowner.slice

# refuses NAME GROUP: recharging it is refused by this name.
refuses() {
	result=$(recharge --json "$top/$2" || true)
	check_eq "refused: $1" "$(refusal)" "$1"
	[[ $(refusal) == "$1" ]] || echo "$result"
}

new_file /var/tmp/held 8
first_read held /var/tmp/held
maps b /var/tmp/held

# Nothing is evicted.
policy() { printf '[Policy default]\nSlice=refault.slice\n%s\n' "$@" >/etc/memcg-reaper/reaper.conf; }
systemctl set-property --runtime refault-memcgowner.slice MemoryMax=8M
refuses owner-limit held
systemctl set-property --runtime refault-memcgowner.slice MemoryMax=infinity MemoryHigh=8M
refuses owner-limit held
systemctl set-property --runtime refault-memcgowner.slice MemoryHigh=infinity
policy DrainMaxBytes=4M
refuses too-large held
printf '[Reaper]\nAvailableMinPct=99%%\n' >/etc/memcg-reaper/reaper.conf
refuses pressure held
policy Drain=no
result=$(recharge --json $top/held || true)
check_eq "with Drain=no nothing is tried" "$(field evicted_bytes)" ""
rm /etc/memcg-reaper/reaper.conf
check_ge "all is where it was" "$(stat_of $top/held file)" $((8 << 20))
check_le "the owner has nothing" "$(owner_cache)" $((64 << 10))
finds b "whom nothing was taken from" 2048

# What is in use stays as it is.
/opt/mcr-tests/mcr-map $top/held /var/tmp/bystander >/run/map.inside &
inside=$!
wait_for 20 grep -q ^ready /run/map.inside
result=$(recharge --json $top/held || true)
check_eq "with processes in it nothing is tried" "$(field evicted_bytes)" ""
check_ge "and it has what it had" "$(stat_of $top/held file)" $((8 << 20))
kill "$(sed -n 's/^ready //p' /run/map.inside)"
wait $inside || true

# Cut off: what is beyond the end is no page of it any more.
truncate -s 1M /var/tmp/held
result=$(recharge --json $top/held || true)
echo "$result"
check_le "of a file that was cut off no more than there is" "$(field read_bytes)" $((1 << 20))
check_le "a keeps nothing of it" "$(stat_of $top/held file)" $((64 << 10))
stops b
check "a is removed" rmdir $top/held

# Locked, or dirty: what the kernel does not evict stays, and is told.
new_file /var/tmp/dead 4
first_read dead /var/tmp/dead
maps b /var/tmp/dead 1 lock
rmdir $top/dead
result=$(recharge --json /refault.slice/dead || true)
check_eq "refused: locked" "$(refusal)" locked
check_eq "locked: left where it was" "$(field kept_bytes)" $((4 << 20))
finds b "who has locked it" 1024
stops b
result=$(recharge --json /refault.slice/dead || true)
mkdir $top/held
new_file /var/tmp/dead 4
first_read held /var/tmp/dead
maps b /var/tmp/dead
dd if=/dev/urandom of=/var/tmp/dead bs=1M count=1 conv=notrunc status=none
before=$(sha256sum /var/tmp/dead)
result=$(recharge --json $top/held || true)
echo "$result"
check_eq "what was dirty is written and read back, or left where it was" \
	"$(($(field kept_bytes) + $(field read_bytes) + $(field faulted_bytes)))" $((4 << 20))
check_eq "and nothing of it is lost" "$(sha256sum /var/tmp/dead)" "$before"
stops b
sync
rm /var/tmp/dead

# Who has let go of it when it comes to opening leaves no way to the file; nor does overlayfs, where it has another number.
mkdir -p /var/tmp/lower /var/tmp/upper /var/tmp/work /var/tmp/merged
new_file /var/tmp/lower/file 4
if mount -t overlay overlay -o lowerdir=/var/tmp/lower,upperdir=/var/tmp/upper,workdir=/var/tmp/work /var/tmp/merged; then
	first_read over /var/tmp/merged/file
	maps b /var/tmp/merged/file
	result=$(recharge --json $top/over || true)
	echo "$result"
	check_eq "refused: what is mapped through overlayfs" "$(refusal)" file-system
	check_ge "and it is where it was" "$(stat_of $top/over file)" $((4 << 20))
	stops b
	umount /var/tmp/merged
	rmdir $top/over
fi
# Another file system of ours: ext4 on a loop device.
if modprobe loop 2>/dev/null; then
	truncate -s 32M /var/tmp/image
	mkfs.ext4 -q /var/tmp/image
	mkdir -p /var/tmp/mnt
	mount -o loop /var/tmp/image /var/tmp/mnt
	new_file /var/tmp/mnt/file 4
	first_read loop /var/tmp/mnt/file
	maps b /var/tmp/mnt/file
	result=$(recharge --json $top/loop || true)
	echo "$result"
	check_eq "a loop device is no disk by itself" "$(refusal)" "file-system"
	stops b
	umount /var/tmp/mnt
	rm /var/tmp/image
	rmdir $top/loop
fi

# Zombies: a live one beside it is near its limit.
new_file /var/tmp/dead 4
first_read dead /var/tmp/dead
maps b /var/tmp/dead
rmdir $top/dead
echo 32M >$top/bystander/memory.max
result=$(recharge --json /refault.slice/dead || true)
check_eq "refused: near-limit" "$(refusal)" near-limit
finds b "whom nothing was taken from" 1024
echo max >$top/bystander/memory.max
result=$(recharge --json /refault.slice/dead)
check_ge "with room it is moved" "$(field read_bytes)" $((3 << 20))
stops b
check_eq "nobody is shielded any more" "$(cat $top/bystander/memory.min)" 0
rm -rf /var/tmp/lower /var/tmp/upper /var/tmp/work /var/tmp/merged /var/tmp/mnt
rmdir $top/held
refault_end

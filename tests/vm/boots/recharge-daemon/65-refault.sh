# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Page cache that a read and b has mapped, when a goes: the owner pays for it in the end, and b reads nothing from disk.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/refault.sh

refault_setup

# a is held: empty, and not yet removed.
new_file /var/tmp/held 8
first_read held /var/tmp/held
maps b /var/tmp/held
bystander=$(stat_of $top/bystander file)
check_ge "a pays for it" "$(stat_of $top/held file)" $((8 << 20))
check "a dry run says what would be done" eval "recharge --dry-run $top/held | tee -a /dev/stderr | grep -q 'page cache of 1 file, wanted by 1 cgroup: 8.0M would be moved refault'"
check_ge "and does nothing" "$(stat_of $top/held file)" $((8 << 20))
result=$(recharge --json $top/held)
echo "$result"
check_eq "evicted" "$(field evicted_bytes)" $((8 << 20))
check_eq "left where it was" "$(field kept_bytes)" 0
check_eq "read back, or faulted by b first" "$(($(field read_bytes) + $(field faulted_bytes)))" $((8 << 20))
check_ge "the owner pays for it" "$(owner_cache)" $((8 << 20))
check_le "and for nothing else" "$(owner_cache)" $(((8 << 20) + (256 << 10)))
check_le "a for nothing" "$(stat_of $top/held file)" 0
finds b "after refault, held" 2048
check_eq "a bystander has what it had" "$(stat_of $top/bystander file)" "$bystander"
check "a is removed" rmdir $top/held
check "and is no zombie" wait_for 10 eval '[[ $(zombies refault.slice) == 0 ]]'
figure "refault, held, 8 MiB: evicting" "$(field evict_usec)" us
figure "refault, held, 8 MiB: reading back" "$(field read_usec)" us
stops b

# a is a zombie, and another beside it, whose page cache goes with the same shield: that comes back too.
new_file /var/tmp/dead 8
new_file /var/tmp/beside 4
first_read dead /var/tmp/dead
first_read beside /var/tmp/beside
maps b /var/tmp/dead
maps c /var/tmp/beside
rmdir $top/dead $top/beside
check_eq "two zombies" "$(zombies refault.slice)" 2
check "what is dead is told together" eval "recharge --dry-run /refault.slice/dead | tee -a /dev/stderr | grep -q 'page cache of 2 files, wanted by 2 cgroups: 12M would be moved refault'"
before=$(owner_cache)
result=$(recharge --json /refault.slice/dead)
echo "$result"
check "no zombie is left" wait_for 10 eval '(($(zombies refault.slice) == 0))'
check_eq "read back, or faulted by users first" "$(($(field read_bytes) + $(field faulted_bytes)))" $((12 << 20))
check_ge "the owner pays for it" $(($(owner_cache) - before)) $(($(field read_bytes) - (64 << 10)))
finds b "after refault, dead" 2048
finds c "after refault, beside" 1024
check_eq "a bystander has what it had" "$(stat_of $top/bystander file)" "$bystander"
check_eq "nobody is shielded any more" "$(cat $top/bystander/memory.min)" 0
figure "refault, zombies, 12 MiB: evicting" "$(field evict_usec)" us
figure "refault, zombies, 12 MiB: reading back" "$(field read_usec)" us
stops b
stops c

# Only what is in page tables: of a mapping that was not touched, and of a file that is open, nothing.
new_file /var/tmp/part 8
first_read part /var/tmp/part
maps b /var/tmp/part 512
exec 7</var/tmp/part
check "not all of it is wanted" eval "recharge --dry-run $top/part | tee -a /dev/stderr | grep -q 'wanted by 1 cgroup: 256K would be moved'"
before=$(owner_cache)
result=$(recharge --json $top/part)
echo "$result"
check_le "and no more is read" $(($(owner_cache) - before)) $(((256 << 10) + (64 << 10)))
check_le "in all that is in memory" "$(fincore -b -n -o RES /var/tmp/part | tr -d ' ')" $((256 << 10))
finds b "after refault of a part" 4
exec 7<&-
stops b
check "a is removed" rmdir $top/part

# Access times stay, also where reading would change them.
new_file /var/tmp/atime 4
touch -a -d '2 days ago' /var/tmp/atime
first_read atime /var/tmp/atime
maps b /var/tmp/atime
touch -a -d '2 days ago' /var/tmp/atime
before=$(stat -c '%X %Y %Z' /var/tmp/atime)
result=$(recharge --json $top/atime)
check_ge "it is read back" "$(field read_bytes)" $((1 << 20))
check_eq "and nobody can tell by its times" "$(stat -c '%X %Y %Z' /var/tmp/atime)" "$before"
stops b
rmdir $top/atime

# A file that was deleted, and another put in its place: what b has mapped is what comes back.
new_file /var/tmp/gone 4
first_read gone /var/tmp/gone
maps b /var/tmp/gone
mv /var/tmp/part /var/tmp/gone
result=$(recharge --json $top/gone)
echo "$result"
check_eq "of a deleted file what is mapped is read back" "$(($(field read_bytes) + $(field faulted_bytes)))" $((4 << 20))
finds b "after refault of a deleted file" 1024
stops b
rmdir $top/gone
refault_end

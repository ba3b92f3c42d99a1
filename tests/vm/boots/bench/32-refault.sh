# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What refaulting a MiB costs, in guest instructions: evicting it, and until it is back from the disk, waiting for that included.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/refault.sh

readonly mib=64

# A microsecond is a thousand instructions here.
per_mib() { echo $(($(field "$1") * 1000 / mib)); }

refault_setup
new_file /var/tmp/held $mib
first_read held /var/tmp/held
maps b /var/tmp/held
result=$(recharge --json $top/held)
echo "$result"
check_eq "refaulted" "$(field read_bytes)" $((mib << 20))
figure "refault of a held cgroup, evicting, per MiB" "$(per_mib evict_usec)" instructions
figure "refault, reading back, per MiB" "$(per_mib read_usec)" instructions
stops b
rmdir $top/held
refault_end

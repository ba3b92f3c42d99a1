# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What moving a MiB by way of swap costs, in guest instructions, with what an emulated disk takes: out, back in, and the entries that
# a CPU keeps. Nobody waits for it, but for those who ask for a page in between.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly mib=32 file=/dev/shm/swapped swap=/opt/mcr-tests/mcr-swap

# A microsecond is a thousand instructions here.
per_mib() { echo $(($(value_of usec "$1") * 1000 / mib)); }

recharge_setup
mkdir -p $top/a
dd if=/dev/zero of=/var/tmp/swap bs=1M count=96 status=none
chmod 600 /var/tmp/swap
mkswap -q /var/tmp/swap
swapon /var/tmp/swap
/opt/mcr-tests/mcr-pin $top/a write $file $((mib << 20))
got=$($swap out $top/a) || mcr_record "out: $got"
check_eq "out, bytes" "$(value_of out "$got")" $((mib << 20))
check_eq "left in memory, bytes" "$(value_of left "$got")" 0
figure "out to swap, per MiB" "$(per_mib "$got")" instructions
rmdir $top/a
got=$($swap in $one $file) || mcr_record "in: $got"
check_eq "at the owner, bytes" "$(value_of moved "$got")" $((mib << 20))
figure "back in by the owner, per MiB" "$(per_mib "$got")" instructions
got=$($swap flush) || mcr_record "flush: $got"
figure "to have the CPU give back what it keeps" $(($(value_of usec "$got") * 1000)) instructions
check "no zombie is left" wait_for 10 test "$(zombies recharge)" = 0
swapoff /var/tmp/swap
rm $file /var/tmp/swap

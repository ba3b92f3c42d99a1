# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# An object that is swapped out comes back at the owner. What keeps the maker a zombie then are swap entries that each CPU has in
# hand, 64 at most: freed, and not given back yet.
# timeout: 120
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

recharge_setup
mkdir -p $top/a
head -c 8M /dev/urandom >/var/tmp/copy
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo $$ >"$1/cgroup.procs" && exec cp /var/tmp/copy /dev/shm/swapped' sh $top/a
echo 64M >$top/a/memory.reclaim || true
swapped=$(<$top/a/memory.swap.current)
check_ge "swapped out, bytes" "$swapped" $((7 << 20))
wait_for 10 rmdir $top/a
got=$($move one $one /dev/shm/swapped pause=500) || mcr_record "lease: $got"
check_eq "moved" "$(value_of moved "$got")" $((8 << 20))
check_charge "the owner" $one 8192
check "it is what it was" cmp /dev/shm/swapped /var/tmp/copy
check_eq "swap the owner uses" "$(<$one/memory.swap.current)" 0
rm /dev/shm/swapped /var/tmp/copy

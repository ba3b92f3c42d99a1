# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Nine processes read and write four objects, and open one of them anew all the time, while these are moved to and fro.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly seconds=15

recharge_setup
start_shm 1
got=$(timeout 200 $move fro $one $two $seconds "${targets[@]}" 2>&1) || mcr_record "to and fro: $got"
echo "$got"
got=$(tail -n 1 <<<"$got")
check_charge "the first owner" $one 4096
check_le "the second owner has nothing left, KiB" "$(charged $two)" 64
check "nobody is frozen" nobody_frozen
check_eq "parts that did not read back" "$(value_of disturbed "$got")" 0
end_shm
check_ge "parts moved" "$(value_of chunks "$got")" 100
figure "torture: moved to and fro" $(($(value_of moved "$got") >> 20)) MiB
figure "torture: parts" "$(value_of chunks "$got")" parts

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The same, and the mover, or the mover and who started it, is killed at a random moment of every move; whoever has
# the journal and the descriptors repairs. For a thousand change the number: some three to six minutes more.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly kills=300

recharge_setup
start_shm 1
got=$(timeout 850 $move kill $one $two $kills "${targets[@]}" 2>&1) || mcr_record "killed: $got"
echo "$got"
check_charge "the first owner" $one 4096
check_le "the second owner has nothing left, KiB" "$(charged $two)" 64
check "nobody is frozen" nobody_frozen
end_shm
check_ge "killed" "$(value_of killed "$got")" $kills
check_ge "of them, with something to repair" "$(value_of dirty "$got")" $((kills / 8))
check_ge "of them, with content that was in the journal alone" "$(value_of holes "$got")" 1
figure "killed at random moments" "$(value_of killed "$got")" times
figure "of them, with something to repair" "$(value_of dirty "$got")" times
figure "of them, with content that was in the journal alone" "$(value_of holes "$got")" times

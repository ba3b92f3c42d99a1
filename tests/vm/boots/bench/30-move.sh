# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What moving a MiB to another owner costs, in guest instructions: the file's users wait for as long, less what it takes to freeze.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly mib=64 file=/dev/shm/moved

# A microsecond is a thousand instructions here.
per_mib() { echo $(($(value_of pause "$1") * 1000 / mib)); }

recharge_setup
head -c ${mib}M /dev/zero >$file
got=$($move one $one $file pause=100)
check_eq "under lease" "$(value_of strategy "$got") $(value_of moved "$got")" "lease $((mib << 20))"
figure "move under lease, per MiB" "$(per_mib "$got")" instructions
hold plain $file
got=$($move one $two $file pause=100)
check_eq "while frozen" "$(value_of strategy "$got") $(value_of moved "$got")" "frozen $((mib << 20))"
figure "move while frozen, per MiB" "$(per_mib "$got")" instructions
figure "until all is frozen and looked at, at most" $(($(value_of freeze "$got") * 1000)) instructions
figure "parts" "$(value_of chunks "$got")" "of 64 MiB"
let_go
rm $file

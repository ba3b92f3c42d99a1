# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# How long users wait: over a thousand parts (a quarter of that where the kernel is slow), against what is allowed. An
# emulated guest beside others stops for longer than that by itself, now and then: so what is checked is most of them, and
# the figures are printed. Of a kernel that checks all it does they say nothing, and are printed alone.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly asked_msec=50
readonly mib=$((MCR_SLOW > 1 ? 1 : 4))	# of each object; with a slow kernel a part takes a second
readonly pause_msec=$((asked_msec * MCR_SLOW))	# that is what mcr-move makes of it

recharge_setup
start_shm $mib
parts=0 over=0 longest=0 freeze=0 sum=0
for path in "${targets[@]}"; do
	got=$($move one $one "$path" pause=$asked_msec min=16384 max=16384) || mcr_record "$got"
	echo "$got"
	parts=$((parts + $(value_of chunks "$got")))
	over=$((over + $(value_of over "$got")))
	sum=$((sum + $(value_of pause "$got")))
	longest=$(($(value_of longest "$got") > longest ? $(value_of longest "$got") : longest))
	freeze=$(($(value_of freeze "$got") > freeze ? $(value_of freeze "$got") : freeze))
done
end_shm
check_ge "parts" $parts $((mib * 250))
((MCR_SLOW > 1)) || check_le "parts that took longer than $pause_msec ms, of a hundred" $((over * 100 / parts)) 10
figure "MaxPauseMs" $pause_msec ms
figure "longest pause of $parts parts" $((longest / 1000)) ms
figure "longest until all was frozen and looked at" $((freeze / 1000)) ms
figure "pause on average" $((sum / parts)) us
figure "parts that took longer" $over parts

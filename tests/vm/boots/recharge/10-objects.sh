# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Each kind of shared memory: a makes it, b and c use it, a goes. The owner pays in the end, and a is no zombie.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

recharge_setup
readonly names=("tmpfs file" memfd "SysV segment" "shared anonymous memory")

start_shm 4
check_eq "a is a zombie" "$(zombies recharge)" 1
expected=0
for i in "${!targets[@]}"; do
	got=$($move one $one "${targets[i]}" pause=200 2>&1) || mcr_record "${names[i]}: $got"
	echo "${names[i]}: $got"
	check_eq "${names[i]}: moved" "$(value_of moved "$got")" $((4 << 20))
	expected=$((expected + 4096))
	check_charge "${names[i]}: the owner" $one $expected
done
check "no zombie is left" wait_for 10 test "$(zombies recharge)" = 0
check "nobody is frozen" nobody_frozen
got=$($move one $one "${targets[0]}" proc=1 pause=1000 2>&1) || mcr_record "by /proc: $got"
check_eq "by /proc alone: moved" "$(value_of moved "$got")" $((4 << 20))
end_shm

# Nobody uses these.
mkdir -p $top/a
/opt/mcr-tests/mcr-pin $top/a write /dev/shm/alone $((8 << 20))
cp /dev/shm/alone /var/tmp/alone
sysv=$(/opt/mcr-tests/mcr-pin $top/a sysv 77 $((4 << 20)) | awk '{ print $2 }')
wait_for 10 rmdir $top/a
got=$($move one $two /dev/shm/alone dry=1)
check_eq "dry run: strategy" "$(value_of strategy "$got")" lease
check_eq "dry run: moved" "$(value_of moved "$got")" 0
got=$($move one $two /dev/shm/alone pause=200)
check_eq "a file nobody has open: strategy" "$(value_of strategy "$got")" lease
got=$($move one $two "sysv:$sysv" pause=200) || mcr_record "SysV: $got"
check_eq "a segment nobody has attached: moved" "$(value_of moved "$got")" $((4 << 20))
check_charge "the owner of both" $two $((12 * 1024))
check "no zombie is left of these" wait_for 10 test "$(zombies recharge)" = 0
check "the file is what it was" cmp /dev/shm/alone /var/tmp/alone
ipcrm -m "$sysv"
rm /dev/shm/alone /var/tmp/alone

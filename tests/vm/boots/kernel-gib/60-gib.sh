# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A GiB of tmpfs goes to and fro between two owners, while a process writes to each of its pages, one after the other, all the
# time. It has no page fault: the pages are its own all along, and nothing makes it wait.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/recharge.sh
. /opt/mcr-tests/kernel.sh

# What it tells is on a disk: in /run it would be shared memory of its own.
readonly file=/dev/shm/gib out=/var/tmp/touch.out pages=$((1 << 18))
rounds=$(setting rounds 10)

told() { (($(grep -c ^pages= $out) >= $1)); }
# asks N: the N-th thing it tells, in $line.
asks() {
	kill -USR1 "$toucher"
	wait_for 60 told "$1" || fail "the user does not answer"
	line=$(grep ^pages= $out | sed -n "$1p")
	echo "$line"
}

recharge_setup
kernel_on
mount -o remount,size=1200M /dev/shm
truncate -s 1G $file
: >$out
/opt/mcr-tests/mcr-touch $top/a $file >$out &
caller=$!
wait_for 300 grep -q ^ready $out || fail "mcr-touch is not ready"
toucher=$(awk '/^ready/ { print $2 }' $out)
a=$(stat -c %i $top/a) one_id=$(stat -c %i $one) two_id=$(stat -c %i $two)
check_eq "all of it is charged to who made it, bytes" "$(stat_of $top/a shmem)" $((pages << 12))

# With nobody moving anything: what the clock of this machine does by itself.
sleep 5
asks 2
figure "longest time for 64 pages, nothing moved" "$(value_of longest_usec "$line")" us
figure "page faults of the user, nothing moved" "$(value_of faults "$line")" faults

moved=$(moved_bytes)
echo "$a $one_id" >$knobs/recharge || mcr_record "the first request failed"
for ((i = 0; i < rounds; i++)); do
	for pair in "$one_id $two_id" "$two_id $one_id"; do
		until echo "$pair" >$knobs/recharge 2>/dev/null; do
			busy=$((${busy:-0} + 1))
			((busy < 100)) || fail "busy for good"
		done
	done
done
asks 3
moved=$(($(moved_bytes) - moved))
check_ge "moved, bytes" $moved $((((2 * rounds + 1) * pages) << 12))
check_eq "page faults of who used it meanwhile" "$(value_of faults "$line")" 0
check_ge "times it has written to all of it" "$(value_of rounds "$line")" 1
check_eq "words lost" "$(value_of lost "$line")" 0
check_eq "it is charged to the owner, bytes" "$(stat_of $one shmem)" $((pages << 12))
check_eq "and no more to who made it" "$(stat_of $top/a shmem)" 0
figure "moved while it was used" $((moved >> 20)) MiB
figure "requests that had to be made again, since pages were busy" "${busy:-0}" times
figure "page faults of who used it meanwhile" "$(value_of faults "$line")" faults
figure "longest time for 64 pages, meanwhile" "$(value_of longest_usec "$line")" us
kill "$toucher"
check "not a word is lost" wait $caller
kernel_off
rm $file
rmdir $top/{a,b,c} 2>/dev/null || true

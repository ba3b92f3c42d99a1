# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Objects that have the same device and inode number: what the zombie has is moved, and the other one, which is met first, is not.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/recharge.sh

readonly kib=4096

recharge_setup

# segment DIR KEY ID: a segment of this number, charged to DIR and attached by a process in b, in an IPC namespace of its own; its pid is
# in $segment_pid.
segment() {
	: >$hold_out
	# shellcheck disable=SC2016 # for the inner shell
	unshare --ipc bash -c 'echo "$2" >/proc/sys/kernel/shm_next_id
		/opt/mcr-tests/mcr-pin "$3" sysv "$1" '$((kib << 10))'
		exec /opt/mcr-tests/mcr-hold "$4" segment "$1"' bash "$2" "$3" "$1" $top/b >$hold_out 2>&1 &
	wait_for 20 grep -q '^target' $hold_out || fail "no segment: $(<$hold_out)"
	sed -n 's/^ready //p' $hold_out | tail -n 1
}

number_of() { awk '/\/SYSV/ { print $5 }' "/proc/$1/maps"; }

# moves_right WHAT: a, which is dead, has something, and c, which lives, something with the same number.
moves_right() {
	local what=$1 id had got before

	id=$(stat -c %i $top/a)
	wait_for 10 rmdir $top/a
	had=$(charged $top/c) before=$(charged $one)
	check_ge "$what: the other one is charged to who lives, KiB" "$had" $kib
	got=$(memcg-reaper recharge --to=owner-one.slice "$id") || true
	echo "$got"
	check "$what: moved" grep -q '4.0M moved' <<<"$got"
	check_charge "$what: the owner" $one $((before + kib))
	check_ge "$what: the other one stays where it is, KiB" "$(charged $top/c)" $((had * 99 / 100))
	check "$what: no zombie is left" wait_for 10 eval 'nudge; test "$(zombies recharge)" = 0'
}

first=$(segment $top/c 77 5)
second=$(segment $top/a 77 5)
check_eq "segments of two namespaces have one number" "$(number_of "$first")" "$(number_of "$second")"
check_eq "who has the wrong one is met first" "$((first < second))" 1
moves_right "segments"
kill "$first" "$second"

mkdir $top/a
/opt/mcr-tests/mcr-pin $top/c memfd same $((kib << 10)) >$hold_out &
wait_for 20 grep -q ^ready $hold_out || fail "no memfd: $(<$hold_out)"
first=$(sed -n 's/^ready //p' $hold_out)
number=$(stat -L -c %i "/proc/$first/fd/3")
second=$(segment $top/a 78 "$number")
check_eq "a memfd and a segment have one number" "$(number_of "$second")" "$number"
moves_right "memfd and segment"
kill "$first" "$second"

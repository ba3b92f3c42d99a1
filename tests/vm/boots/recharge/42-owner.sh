# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What becomes of the owner while something is moved to it: it is stopped, all in it is killed, it gets a limit.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

# Large enough that there is time to do something to the owner; with a slow kernel there is more of it.
readonly file=/dev/shm/owned mib=$((MCR_SLOW > 1 ? 8 : 48))

recharge_setup
head -c ${mib}M /dev/urandom >$file
before=$(sha256sum <$file)

# while_moving COMMAND...: when the owner has a MiB of it; what came of the move is in $got.
while_moving() {
	local at caller

	at=$(charged $one)
	$move one $one $file max=65536 pause=200 >/run/move.out 2>&1 &
	caller=$!
	until (($(charged $one) > at + 1024)) || ! kill -0 $caller 2>/dev/null; do :; done
	"$@"
	wait $caller || true
	got=$(</run/move.out)
	echo "$got"
	check_le "not all was moved" "$(value_of moved "$got")" $(((mib - 1) << 20))
	check_eq "not a bit is different" "$(sha256sum <$file)" "$before"
	check "nobody is frozen" nobody_frozen
}

limit() { echo $(($(<$one/memory.current) + (2 << 20))) >$one/memory.high; }

# The slice cannot go while the mover is in it; systemd does not end what it has not started there.
while_moving_stop() {
	$move one $one $file max=65536 pause=200 >/run/move.out 2>&1 &
	systemctl stop owner-one.slice
	wait $! || true
	cat /run/move.out
	moved=0	# where it had gone before the mover could open it
	! grep -q moved= /run/move.out || moved=$(value_of moved "$(</run/move.out)")
	check "stopped before the mover came there is no owner, later it has all of it" \
		eval '[[ $moved == 0 || $moved == $((mib << 20)) ]]'
	check_eq "not a bit is different" "$(sha256sum <$file)" "$before"
	systemctl start owner-one.slice
}

while_moving_stop
for kind in lease frozen; do
	[[ $kind == lease ]] || hold plain $file
	got=$($move one $two $file pause=500) || mcr_record "$kind: $got"
	while_moving eval "echo 1 >$one/cgroup.kill"
	check_eq "$kind: it was on its way" "$(value_of strategy "$got")" $kind
	check_eq "$kind: the mover was ended, and that is said" "$(value_of r "$got")" -125
	got=$($move one $two $file pause=500) || mcr_record "$kind: $got"
	while_moving limit
	check_eq "$kind: over the limit it stops" "$(value_of refusal "$got")" owner-limit
	check_eq "$kind: killed for want of memory" "$(awk '$1 == "oom_kill" { print $2 }' $one/memory.events)" 0
	echo max >$one/memory.high
	got=$($move one $two $file pause=500) || mcr_record "$kind: $got"
	check_charge "the other owner" $two $((mib << 10))
	check_eq "not a bit is different" "$(sha256sum <$file)" "$before"
done
let_go
rm $file

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Cgroups with shared memory, owners, and mcr-move between them.

readonly top=/sys/fs/cgroup/recharge move=/opt/mcr-tests/mcr-move shm_out=/run/shm.out hold_out=/run/hold.out

# Users and makers live in $top, which is its own parent of zombies; the owners are slices, as systemd keeps them.
recharge_setup() {
	systemctl stop memcg-reaperd
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p $top
	echo +memory >$top/cgroup.subtree_control
	mkdir -p $top/{a,b,c}
	for owner in one two; do
		printf '[Unit]\nDescription=Owner\n[Slice]\nMemoryAccounting=yes\n' >/run/systemd/system/owner-$owner.slice
	done
	systemctl daemon-reload
	systemctl start owner-one.slice owner-two.slice
	one=/sys/fs/cgroup/owner.slice/owner-one.slice two=/sys/fs/cgroup/owner.slice/owner-two.slice
	[[ -d $one && -d $two ]] || fail "systemd has made no cgroups for the owners"
}

# charged DIR: what the cgroup pays for, in KiB.
charged() { echo $(($(<"$1/memory.current") / 1024)); }

# check_charge WHAT DIR KIB: within one per cent; what a process leaves behind on the CPU's stock goes with a second look.
charge_is() { local now; now=$(charged "$1"); (($2 * 99 <= now * 100 && now * 100 <= $2 * 101)); }
check_charge() {
	check "$1 is charged right within 1 %" wait_for 5 charge_is "$2" "$3"
	echo "charged: $(charged "$2") KiB, expected $3 KiB"
}

# start_shm MIB: four objects made by a, used by b and c; their paths are in $targets. The maker is removed.
start_shm() {
	mkdir -p $top/a
	: >$shm_out
	/opt/mcr-tests/mcr-shm $top/a $top/b $top/c /dev/shm/torture "$1" >$shm_out 2>&1 &
	shm_pid=$!
	wait_for 60 grep -q ^ready $shm_out || fail "mcr-shm is not ready: $(<$shm_out)"
	mapfile -t targets < <(sed -n 's/^target //p' $shm_out)
	wait_for 10 rmdir $top/a || fail "the maker cannot be removed"
}

end_shm() {
	kill "$shm_pid"
	check "nobody has seen a byte that was not what it should be" wait "$shm_pid"
	cat $shm_out
	check_eq "words lost, torn or changed" "$(sed -n 's/^bad=\([0-9]*\) .*/\1/p' $shm_out)" 0
	check_ge "rounds of the slowest process" "$(sed -n 's/.*least_rounds=\([0-9]*\)$/\1/p' $shm_out)" 3
	rm -f /dev/shm/torture
}

nobody_frozen() { ! grep -qx 1 $top/*/cgroup.freeze; }

# hold KIND [ARG]: somebody in b; $target is what it holds.
hold() {
	: >$hold_out
	/opt/mcr-tests/mcr-hold $top/b "$@" >$hold_out 2>&1 &
	hold_pid=$!
	wait_for 20 grep -q ^ready $hold_out || fail "mcr-hold $* is not ready: $(<$hold_out)"
	target=$(sed -n 's/^target //p' $hold_out)
}

let_go() {
	kill "$hold_pid" 2>/dev/null || true
	wait "$hold_pid" 2>/dev/null || true
}

# value_of KEY TEXT
value_of() { grep -o "\b$1=[^ ]*" <<<"$2" | head -n 1 | cut -d= -f2-; }

# check_refused NAME ARGS...: mcr-move one ARGS is refused with this.
check_refused() {
	local expected=$1 got

	shift
	got=$($move one "$@" 2>&1) || true
	check_eq "refused: $expected" "$(value_of refusal "$got")" "$expected"
	echo "$got"
}

# kill_movers KILLS SECONDS: moves four objects to and fro, and kills the mover, or it and who started it, at a random moment of every move;
# whoever has the journal and the descriptors repairs.
kill_movers() {
	local kills=$1 got

	recharge_setup
	start_shm 1
	got=$(timeout "$2" $move kill $one $two "$kills" "${targets[@]}" 2>&1) || mcr_record "killed: $got"
	echo "$got"
	check_charge "the first owner" $one 4096
	check_le "the second owner has nothing left, KiB" "$(charged $two)" 64
	check "nobody is frozen" nobody_frozen
	end_shm
	check_ge "killed" "$(value_of killed "$got")" "$kills"
	check_ge "of them, with something to repair" "$(value_of dirty "$got")" $((kills / 8))
	check_ge "of them, with content that was in the journal alone" "$(value_of holes "$got")" 1
	figure "killed at random moments" "$(value_of killed "$got")" times
	figure "of them, with something to repair" "$(value_of dirty "$got")" times
	figure "of them, with content that was in the journal alone" "$(value_of holes "$got")" times
}

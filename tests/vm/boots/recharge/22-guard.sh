# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Who opens the object while a part of it is moved waits, and never sees a hole. A mover whose guard lets everybody through shows that
# this is the guard's doing.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly file=/dev/shm/guarded peeked=/run/peek.out

# peek_at PROGRAM SECONDS: moves the file to and fro by this program; in c, where nobody has it, somebody peeks. Sets $opens and $zeros.
peek_at() {
	local peek_pid got

	: >$peeked
	/opt/mcr-tests/mcr-peek $top/c $file >$peeked 2>&1 &
	peek_pid=$!
	wait_for 20 grep -q ^ready $peeked || fail "mcr-peek is not ready: $(<$peeked)"
	got=$(timeout 100 "$1" fro $one $two "$2" $file 2>&1) || true	# who opens it all the time may be one new user too many
	kill $peek_pid
	wait $peek_pid || fail "mcr-peek: $(<$peeked)"
	opens=$(sed -n 's/^opens=\([0-9]*\) .*/\1/p' $peeked) zeros=$(sed -n 's/.* zeros=\([0-9]*\)$/\1/p' $peeked)
	echo "$1: $got"
	echo "opens=$opens zeros=$zeros"
}

recharge_setup
# Where the kernel checks all it does, a part takes a quarter of a second.
head -c "$((MCR_SLOW > 1 ? 2 : 8))M" /dev/zero | tr '\0' x >$file
hold plain $file
before=$(sha256sum <$file)
# There, whoever peeks is too slow to see a hole.
if ((MCR_SLOW == 1)); then
	all=0
	for _ in 1 2 3 4 5 6 7 8; do
		peek_at $move-unguarded 4
		all=$((all + zeros))
		((all == 0)) || break
	done
	check_ge "without the guard: holes that were seen" $all 1
	figure "without the guard: holes seen" "$zeros" "of $opens looks"
fi
peek_at $move 12
check_eq "with it: holes that were seen" "$zeros" 0
check_ge "looks" "$opens" 50
figure "with the guard: holes seen" "$zeros" "of $opens looks"
check_eq "it is what it was" "$(sha256sum <$file)" "$before"
check "nobody is frozen" nobody_frozen
let_go
rm $file

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# systemd's own time limit ends memcg-recharge in the middle of a part, again and again: what is in hand is put right, nobody stays
# frozen, and both owners together pay for all of it.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly file=/dev/shm/timed mib=24 rounds=8 units='memcg-reaper-recharge@*'
readonly drop_in=/run/systemd/system/memcg-reaper-recharge@.service.d/test.conf

recharge_setup
mkdir -p ${drop_in%/*}
journal() { journalctl -b -u "$units" -o cat --no-pager; }
count() { journal | grep -c -- "$1" || true; }
runs() { pgrep -x memcg-recharge >/dev/null || systemctl -q is-active "$units"; }
has_ended() { (($(count 'reached runtime time limit') > $1)); }
together() { echo $(($(charged $one) + $(charged $two))); }
# A part that could not be put back from within the owner in time is paid by whoever put it back, until it is moved again.
paid=$((mib * 1024)) elsewhere=0
all_is_paid() { local now; now=$(together); ((now * 100 >= paid * 100 - mib * 1024 && now * 100 <= mib * 1024 * 101)); }
move_to() { memcg-reaper recharge --to="$1" $file; }

head -c ${mib}M /dev/urandom >$file
before=$(sha256sum <$file)
begun=$(date +%s%N)
check "at first all is the first owner's" move_to owner-one.slice
msec=$((($(date +%s%N) - begun) / 1000000))	# what a whole one takes; the first part of that is no moving
check_charge "the first owner" $one $((mib * 1024))

# In half of the rounds somebody uses it.
for ((i = 0; i < rounds; i++)); do
	((i % 2)) || hold plain $file
	printf '[Service]\nRuntimeMaxSec=%dms\nRestart=no\n' $((msec / 2 + RANDOM % (msec / 2))) >$drop_in
	systemctl daemon-reload
	to=owner-two.slice
	((i % 4 < 2)) || to=owner-one.slice
	move_to $to >/run/caller.out 2>&1 &
	caller=$!
	wait_for 10 runs || true
	wait_for 60 eval '! runs' || mcr_record "round $i: it does not end"
	kill $caller 2>/dev/null || true
	wait $caller || true
	rm -f /run/memcg-reaper/recharge/cli-*
	[[ $(sha256sum <$file) == "$before" ]] || fail "round $i: content differs"
	nobody_frozen || mcr_record "round $i: somebody is frozen"
	wait_for 5 all_is_paid || elsewhere=$((elsewhere + 1))
	paid=$(together)
	systemctl reset-failed "$units" 2>/dev/null || true
	((i % 2)) || let_go
	echo "round $i: $(charged $one) and $(charged $two) KiB"
done
check_le "rounds in which a part was paid by neither owner afterwards" "$elsewhere" 2
figure "rounds of $rounds in which a part was paid by neither owner afterwards" "$elsewhere" rounds
check_ge "ended by its time limit" "$(count 'reached runtime time limit')" 2
check_ge "of these, in the middle of a part" "$(count '^put right')" 1
figure "ended by systemd's time limit" "$(count 'reached runtime time limit')" "of $rounds moves"
figure "of these, something was put right" "$(count '^put right')" times

# With the unit as it is a time limit is followed by another start, and that by the answer. A machine that was slow when the limit was
# chosen may be done before it: then once more, with less.
ended=$(count 'reached runtime time limit')
rm $drop_in
systemctl daemon-reload
for share in 66 50 35 25; do
	move_to owner-one.slice >/dev/null || true
	printf '[Service]\nRuntimeMaxSec=%dms\n' $((msec * share / 100)) >$drop_in
	systemctl daemon-reload
	move_to owner-two.slice >/run/caller.out 2>&1 &
	caller=$!
	wait_for 60 eval "has_ended $ended || ! kill -0 $caller 2>/dev/null" || true
	rm $drop_in
	systemctl daemon-reload
	check "it is answered" wait_for 120 eval "! kill -0 $caller 2>/dev/null"
	wait $caller || mcr_record "not moved: $(</run/caller.out)"
	! has_ended "$ended" || break
done
check "it was ended" has_ended "$ended"
check_charge "the second owner" $two $((mib * 1024))
check_le "the first has nothing left, KiB" "$(charged $one)" 256
check_eq "not a bit is different" "$(sha256sum <$file)" "$before"
rm $file

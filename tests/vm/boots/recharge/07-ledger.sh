# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The borrow ledger: samples of what is known to be so. Two borrow, one leaves, one comes; a segment that nobody can reach is flagged.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/recharge.sh

readonly file=/dev/shm/lent unit=memcg-reaper-ledger.service
readonly drop_in=/run/systemd/system/$unit.d/test.conf
readonly run_file=/run/memcg-reaper/ledger.json state_file=/var/lib/memcg-reaper/ledger.json

recharge_setup
printf '[Policy default]\nOwner=owner-one.slice\n' >/etc/memcg-reaper/reaper.conf

# borrow CGROUP MIB: a process maps so much of the file; prints its pid.
borrow() {
	: >$hold_out
	/opt/mcr-tests/mcr-hold "$top/$1" maps $file $(($2 << 20)) >$hold_out 2>&1 &
	wait_for 20 grep -q ^ready $hold_out || fail "nobody borrows: $(<$hold_out)"
	sed -n 's/^ready //p' $hold_out
}
sample() { memcg-reaper owners --sample; }
json() { memcg-reaper owners --json | tr -d ' \n' | tee /run/json; }
# says PATTERN: in JSON, without blanks.
says() { json | grep -cE -- "$1" >/dev/null || { cat /run/json; return 1; }; }
shows() { memcg-reaper owners "${@:2}" | tee /run/text | grep -cE -- "$1" >/dev/null || { cat /run/text; return 1; }; }
# sampled SAMPLES BYTES PEAK AVERAGE: MiB, but for the first.
sampled() {
	printf '"sampled":\\{"first_usec":[0-9]+,"last_usec":[0-9]+,"samples":%d,"bytes":%d,"peak_bytes":%d,"average_bytes":%d\\}' \
		"$1" $(($2 << 20)) $(($3 << 20)) $(($4 << 20))
}

check_eq "without samples there is no ledger" "$(memcg-reaper owners --json | grep -c '"ledger": *null')" 1
/opt/mcr-tests/mcr-pin $one write $file $((8 << 20))
lost=$(/opt/mcr-tests/mcr-pin $one sysv 0 $((4 << 20)) | awk '{ print $2 }')
borrow b 6 >/run/b
borrow a 2 >/run/a
borrow a 1 >/run/a2
for _ in 1 2 3; do
	check "a sample is taken" sample
done
kill "$(</run/a)" "$(</run/a2)"
borrow c 4 >/run/c
for _ in 1 2; do
	sample
done
check "b was there in all samples" says "\"cgroup\":\"/recharge/b\",\"mapped_bytes\":6291456,\"processes\":1,\"descriptors\":1,$(sampled 5 6 6 6)"
check "c came" says "\"cgroup\":\"/recharge/c\",\"mapped_bytes\":4194304,\"processes\":1,\"descriptors\":1,$(sampled 2 4 4 4)"
check "a left, and its processes have not borrowed the same pages twice" \
	says "\"former_borrowers\":\[\{\"cgroup\":\"/recharge/a\",$(sampled 3 2 2 2)\}\]"
check "the file was there in all" says "\"use\":\"borrowed\",\"unborrowed_since_usec\":null,\"lost_since_usec\":null,$(sampled 5 8 8 8)"
check "the segment without a key is lost, since the first" \
	says "\"use\":\"lost\",\"unborrowed_since_usec\":[0-9]+,\"lost_since_usec\":[0-9]+,$(sampled 5 4 4 4)"
check "and is still there" ipcs -m -i "$lost"
check "sums of the owner" says '"borrowed_bytes":8388608,"unused_bytes":0,"lost_bytes":4194304'
check "sums of the borrowers" says "\"borrowers\":\[\{\"cgroup\":\"/recharge/a\",\"bytes\":0,\"objects\":0,$(sampled 3 2 2 2)\},\{\"cgroup\":\"/recharge/b\",\"bytes\":6291456,\"objects\":1,$(sampled 5 6 6 6)\}"
check "for people: who borrows" shows 'borrowed by /recharge/b: maps 6.0M, 1 process; in 5 of 5 samples, 6.0M on average, 6.0M at most'
check "for people: who did" shows 'no more by /recharge/a, last seen .* ago; in 3 of 5 samples, 2.0M'
check "for people: what is lost" shows 'nobody can reach it again, since .* ago'
cat /run/text
check "by borrower" shows '^/recharge/c: borrows 4.0M of 1 object; in 2 of 5 samples, 4.0M on average, 4.0M at most' --by-borrower
cat /run/text
check_eq "the file is for root alone" "$(stat -c '%U %a' $run_file)" "root 600"
kill "$(</run/b)" "$(</run/c)"
sample
check "nobody borrows the file any more" shows 'it has a name by which somebody may come back, since .* ago'
echo 'nonsense' >$run_file
check "a ledger that makes no sense is begun anew" sample
check "with one sample" says "\"ledger\":\{\"sampled\":\{\"first_usec\":[0-9]+,\"last_usec\":[0-9]+,\"samples\":1,"

# The unit.
rm $run_file
check_eq "the unit is well-formed" "$(systemd-analyze verify --man=no $unit 2>&1)" ""
exposure=$(systemd-analyze security --no-pager $unit 2>/dev/null | sed -n 's/.*exposure level .*: \([0-9.]*\) .*/\1/p')
check_le "its exposure, in tenths" "${exposure/./}" 40
mkdir -p ${drop_in%/*}
printf '[Service]\nExecStart=\nExecStart=/usr/bin/memcg-reaper owners --sample=1s\n' >$drop_in
systemctl daemon-reload
samples() { memcg-reaper owners --json | json_value ledger samples; }
at_least() { [[ $(samples) -ge $1 ]]; }
borrow b 6 >/run/b
check "it starts" systemctl start $unit
check "it takes samples" wait_for 100 at_least 3
check "and sees who borrows" says '"cgroup":"/recharge/b","mapped_bytes":6291456,"processes":1,"descriptors":1,"sampled":\{'
check "and tells what is lost, once" eval '[[ $(journalctl -u $unit -o cat --no-pager | grep -c "which nobody has and nobody can reach again") == 1 ]]'
check_eq "it may see all" "$(journalctl -u $unit -o cat --no-pager | grep memcg-reaper: | grep -vc 'takes too long' || true)" 0
before=$(samples)
systemctl restart $unit
check "a restart forgets nothing" wait_for 60 at_least $((before + 2))
figure "ledger, resident" "$(awk '/^VmRSS/ { print $2 }' "/proc/$(systemctl show -p MainPID --value $unit)/status")" KiB
systemctl stop $unit
check "stopped, it leaves nothing in /run" test ! -e $run_file
check "and the ledger on a disk" test -s $state_file
check "which is shown" at_least $((before + 2))
check_eq "its cgroup holds no shared memory" "$(memcg-reaper explain --all --json | grep -c "\"path\": *\"/tmpfs.*ledger" || true)" 0
check_eq "no unit failed" "$(systemctl list-units --failed --no-legend $unit | wc -l)" 0
kill "$(</run/b)"
ipcrm -m "$lost"
rm -f $file $drop_in /etc/memcg-reaper/reaper.conf $state_file
systemctl daemon-reload

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What can never be put right: systemd has the journal and not the object.  Nobody stays frozen, the content is kept in a file, everybody
# is told, and a person can write it back.
# timeout: 1200
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice file=/dev/shm/large copies=/var/lib/memcg-reaper
readonly dropin=/run/systemd/system/memcg-reaper-recharge@.service.d

sum() { sha256sum "$1" | cut -d' ' -f1; }
property() { busctl --system get-property org.memcgreaper1 /org/memcgreaper1 org.memcgreaper1.Manager "$1" | awk '{ print $2 }'; }
journal_of() { find $copies -name '*.journal' 2>/dev/null; }
no_unit_runs() { [[ -z $(systemctl list-units --no-legend --plain 'memcg-reaper-recharge@*') ]]; }
recharger() { systemctl show -P ExecStart 'memcg-reaper-recharge@x' | grep -o 'path=[^ ;]*' | cut -d= -f2; }
# in_the_middle CGROUP: waits until somebody works in the owner, and a moment longer.
in_the_middle() {
	local pid end=$((SECONDS + 10 * MCR_SLOW))

	while ((SECONDS < end)); do
		if read -r pid <"$1/cgroup.procs" && [[ $pid ]]; then
			sleep "0.$((RANDOM % 3))$((RANDOM % 9))"
			return
		fi
	done
	return 1
}

# lose: moves to and fro, and is killed, until something was under way that nobody can put right.
lose() {
	local i to caller

	for ((i = 0; i < 40; i++)); do
		to=shared.slice
		((i % 2)) || to=other.slice
		memcg-reaper recharge --to=$to $file >/var/tmp/answer 2>&1 &
		caller=$!
		in_the_middle /sys/fs/cgroup/$to || true
		pkill -KILL -x memcg-recharge || true
		wait $caller || true
		wait_for 30 no_unit_runs || true
		[[ -z $(journal_of) ]] || return 0
		[[ $(sum $file) == "$before" ]] || fail "round $i: content differs, and nothing was kept"
	done
	return 1
}

swapoff -a
printf '[Reaper]\nIntervalSec=2s\n[Policy default]\nSlice=system.slice\n' >/etc/memcg-reaper/reaper.conf
# The journal, which is given first, and nothing else.
mkdir -p $dropin
printf '[Service]\nFileDescriptorStoreMax=1\n' >$dropin/test.conf
systemctl daemon-reload
systemctl restart memcg-reaperd
systemctl start shared.slice other.slice
wait_for 30 busctl --system status org.memcgreaper1 >/dev/null
dd if=/dev/urandom of=$file bs=1M count=24 status=none
before=$(sum $file)

# Nobody has it open.
check "something is lost in the middle" lose
journal=$(journal_of)
check "its copy is for root alone" eval '[[ $(stat -c %a:%U "$journal") == 600:root ]]'
check "who asked is told" grep -q 'could not be put right' /var/tmp/answer
check "the journal of memcg-recharge says what to do" eval "journalctl -p crit -u 'memcg-reaper-recharge@*' -o cat --no-pager | tee -a /dev/stderr | grep -c -- '--put-back $journal' >/dev/null"
check "the daemon's does too" wait_for 10 eval "journalctl -p crit -u memcg-reaperd -o cat --no-pager | grep -c '^not put right $file.*$journal' >/dev/null"
journalctl --update-catalog
check "and explains it" eval "journalctl -x -u memcg-reaperd --no-pager | grep -c 'Memory that was being moved could not be put right' >/dev/null"
check "status tells of it" wait_for 10 eval "memcg-reaper status | tee -a /dev/stderr | grep -q 'NOT RIGHT: .* of $file .*$journal'"
check_eq "and so does a property" "$(property NotPutRight)" 1
check "no request is left" eval '! ls /run/memcg-reaper/recharge/*.request 2>/dev/null'
dd if=/dev/urandom of=/dev/shm/another bs=1M count=1 status=none
check_not "it is not written to another file" "$(recharger)" --put-back "$journal" /dev/shm/another
check_not "nor from what is no journal" "$(recharger)" --put-back /etc/fstab $file
check_not "nor to a file of a disk" "$(recharger)" --put-back "$journal" /etc/fstab
check "it can be put back" "$(recharger)" --put-back "$journal" $file
check_eq "and not a bit is different" "$(sum $file)" "$before"
rm "$journal" /dev/shm/another
check "with the copy it is forgotten" wait_for 30 eval '[[ $(property NotPutRight) == 0 ]]'
check_eq "its note too" "$(find /run/memcg-reaper/recharge -name '*.lost' | wc -l)" 0

# Somebody uses it: he is thawed.
systemd-run -q --unit=user sh -c "exec 3<>$file; while :; do sleep 0.1; done"
wait_for 10 systemctl is-active user.service
check "something is lost while somebody uses it" lose
journal=$(journal_of)
check_eq "who is not frozen any more" "$(grep frozen $slice/user.service/cgroup.events)" "frozen 0"
check "and runs" systemctl is-active user.service
systemctl restart memcg-reaperd
check "a daemon that is started anew knows of it" wait_for 30 eval '[[ $(property NotPutRight) == 1 ]]'
systemctl stop user
check "it can be put back" "$(recharger)" --put-back "$journal" $file
check_eq "and not a bit is different" "$(sum $file)" "$before"

# As it should be.
rm -r $copies $dropin
systemctl daemon-reload
check "with what systemd keeps, it is moved" eval "memcg-reaper recharge --to=shared.slice $file && memcg-reaper recharge --to=other.slice $file"
check_eq "not a bit is different" "$(sum $file)" "$before"
rm -f $file /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd

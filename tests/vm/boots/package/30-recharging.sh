# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The package is removed, upgraded or purged while shared memory is being moved: nobody stays frozen, not a byte is lost, nothing is left.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/package.sh

readonly file=/dev/shm/large user=/sys/fs/cgroup/system.slice/user.service

sum() { sha256sum "$1" | cut -d' ' -f1; }
working() { [[ -n $(</sys/fs/cgroup/shared.slice/cgroup.procs)$(</sys/fs/cgroup/other.slice/cgroup.procs) ]]; }
# in_the_middle: somebody works in one of the owners; and a moment longer.
in_the_middle() {
	local end=$((SECONDS + 120))

	while ((SECONDS < end)); do
		if working; then
			sleep "0.$((RANDOM % 4))$((RANDOM % 9))"
			return
		fi
	done
	return 1
}
moves() {
	local to=shared.slice

	(($1 % 2)) || to=other.slice
	# Its program goes as well, in the middle of this.
	memcg-reaper recharge --to=$to $file >/var/tmp/moves 2>&1 &
	caller=$!
	in_the_middle || { kill $caller || true; cat /var/tmp/moves; return 1; }
}
checks_after() {
	check_eq "$1: who uses it is not frozen" "$(grep frozen $user/cgroup.events)" "frozen 0"
	check "$1: and runs" systemctl -q is-active user.service
	check_eq "$1: not a bit is different" "$(sum $file)" "$before"
	check_not "$1: nobody works on it any more" pgrep -x memcg-recharge
	kill $caller 2>/dev/null || true
	wait $caller 2>/dev/null || true
}

install_all_files
systemctl start shared.slice other.slice
note_beginning
quiet_dpkg -i $first
systemctl start memcg-reaperd
dd if=/dev/urandom of=$file bs=1M count=64 status=none
before=$(sum $file)
systemd-run -q --unit=user sh -c "exec 3<>$file; while :; do sleep 0.1; done"
wait_for 20 systemctl -q is-active user.service
wait_for 30 busctl --system status org.memcgreaper1 >/dev/null || true

check "it is in the middle" moves 1
check "the package can be upgraded then" quiet_dpkg -i $second
checks_after upgraded
check "it is in the middle" moves 2
check "the package can be removed then" quiet_dpkg -r memcg-reaper
checks_after removed
check_not "no unit of it runs" eval '[[ -n $(systemctl list-units --no-legend --plain "memcg-reaper-recharge@*") ]]'
quiet_dpkg -i $first
systemctl start memcg-reaperd
wait_for 30 busctl --system status org.memcgreaper1 >/dev/null || true
check "it is in the middle" moves 3
check "the package can be purged then" quiet_dpkg -P memcg-reaper
checks_after purged
repairs=$(journalctl -u 'memcg-reaper-recharge@*' -o cat --no-pager | grep -c '^put right' || true)
figure "removed in the middle of a part, of 3" "$repairs" times
systemctl stop user
rm $file
check_no_trace

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The daemon is killed by SIGKILL: removals go through at once, protections are what they were, and its successor
# leaves no group behind.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice
readonly kills=40

mkdir -p /run/systemd/system/memcg-reaperd.service.d
# It is for this scenario to say when it runs.
printf '[Service]\nRestart=no\nTimeoutStopSec=60\n' >/run/systemd/system/memcg-reaperd.service.d/test.conf
systemctl daemon-reload

# Values of its own in every knob that the reaper touches for a moment.
systemd-run -q --unit=minned --property=MemoryMin=3M --property=MemoryLow=5M sleep infinity
systemd-run -q --unit=plain sleep infinity
knobs() {
	grep -s . $slice/*.service/memory.{min,low,swap.max} $slice/memory.{min,low} | grep -v memcg-reaperd | sort
}
wanted=$(knobs)

daemon_pid() { systemctl show -p MainPID --value memcg-reaperd; }
kill_daemon() { systemctl kill --signal=SIGKILL --kill-who=main memcg-reaperd 2>/dev/null || true; }
is_down() { [[ $(systemctl is-active memcg-reaperd) != active && $(systemctl is-active memcg-reaperd) != deactivating ]]; }
nothing_left() { ! compgen -G "$slice/load-*" >/dev/null && nothing_held; }

# 1. At random moments, under a load of groups that come and go.
stuck=0 wrong=0
for ((i = 0; i < kills; i++)); do
	systemctl reset-failed memcg-reaperd 2>/dev/null || true
	systemctl start memcg-reaperd
	/opt/mcr-tests/mcr-load services $slice 40 0 /var/tmp/load >/dev/null &
	load=$!
	sleep "0.$((RANDOM % 90 + 10))"
	kill_daemon
	wait "$load"
	wait_for 20 is_down
	# What is made from here on goes as ever.
	dir=$(charged_cgroup "after-kill-$i")
	rmdir "$dir" || stuck=$((stuck + 1))
	[[ $(knobs) == "$wanted" ]] || wrong=$((wrong + 1))
done
check_eq "removals refused after a kill" "$stuck" 0
check_eq "kills that left a knob changed" "$wrong" 0
systemctl reset-failed memcg-reaperd 2>/dev/null || true
systemctl start memcg-reaperd
check "the successor leaves no group behind" wait_for 60 nothing_left
figure "SIGKILLs at random moments" "$kills" kills

# 2. In the middle of a shield: as soon as its journal is there, knobs are being raised.
restored() { journalctl -u memcg-reaperd -o cat --no-pager | grep -c 'put back memory.min' || true; }
daemon_runs() { [[ $(daemon_pid) -gt 0 && -e /run/memcg-reaper/status.json ]]; }

sed -i 's/^#GraceSec=.*/GraceSec=3s/; s/^#Sync=.*/Sync=no/; s/^#IntervalSec=.*/IntervalSec=3s/
	s/^#StepBytes=.*/StepBytes=1M/' /etc/memcg-reaper/reaper.conf
restored_before=$(restored)
for ((i = 0; i < 6; i++)); do
	systemctl stop memcg-reaperd
	systemctl reset-failed memcg-reaperd 2>/dev/null || true
	# A zombie with so much page cache that reclaim, in small steps, takes a while.
	head -c 400000000 /dev/zero >/var/tmp/big
	sync
	echo 1 >/proc/sys/vm/drop_caches
	mkdir $slice/load-big
	sh -c "echo \$\$ >$slice/load-big/cgroup.procs && exec cat /var/tmp/big" >/dev/null
	rmdir $slice/load-big
	systemctl start memcg-reaperd
	wait_for 20 daemon_runs
	deadline=$((SECONDS + 30))
	while [[ ! -e /run/memcg-reaper/restore.shield ]] && ((SECONDS < deadline)); do :; done
	# The worker with it: it dies by itself only when the daemon has closed its BPF links, a while later.
	echo 1 >$slice/memcg-reaperd.service/cgroup.kill
	wait_for 20 is_down
	check "killed in a shield ($i): every protection is what it was" test "$(knobs)" = "$wanted"
	check "the journal is gone ($i)" test ! -e /run/memcg-reaper/restore.shield
done
mid_shield=$(($(restored) - restored_before))
figure "SIGKILLs in the middle of a shield" "$mid_shield" kills
check_ge "kills that came while protections were raised" "$mid_shield" 3

# 3. A clean stop lets go of everything.
systemctl reset-failed memcg-reaperd 2>/dev/null || true
systemctl start memcg-reaperd
/opt/mcr-tests/mcr-load services $slice 60 0 /var/tmp/load >/dev/null
systemctl stop memcg-reaperd
check "a clean stop releases all that was held" nothing_left
check "and every protection is what it was" test "$(knobs)" = "$wanted"
systemctl stop minned plain
rm /run/systemd/system/memcg-reaperd.service.d/test.conf
systemctl daemon-reload

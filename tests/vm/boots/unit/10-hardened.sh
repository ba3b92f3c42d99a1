# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Under all that its unit forbids the daemon does its whole work, and meets no refusal but those it knows.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/unit.sh

readonly trace=/run/mcr-trace patient=/etc/memcg-reaper/reaper.conf.d/patient.conf

unit_file=$(systemctl show -p FragmentPath --value memcg-reaperd)
# The guest has no manual pages.
check_eq "systemd-analyze verify has nothing to say" "$(systemd-analyze verify --man=no "$unit_file" 2>&1)" ""
check_eq "nor about the unit that recharges" \
	"$(systemd-analyze verify --man=no "${unit_file%/*}/memcg-reaper-recharge@.service" 2>&1)" ""
recharge_exposure=$(systemd-analyze security --no-pager memcg-reaper-recharge@x.service 2>/dev/null |
	sed -n 's/.*exposure level .*: \([0-9.]*\) .*/\1/p')
figure "exposure of what recharges, while it does" "$recharge_exposure" ""
exposure=$(systemd-analyze security --no-pager memcg-reaperd.service | sed -n 's/.*exposure level .*: \([0-9.]*\) .*/\1/p')
figure "exposure" "$exposure" ""
check_le "exposure, in tenths" "${exposure/./}" 30

systemctl -q enable memcg-reaperd
check_not "enabled, it makes no ordering cycle of the boot" \
	grep -i cycle <<<"$(systemd-analyze verify --man=no multi-user.target 2>&1)"
systemctl -q disable memcg-reaperd

mount_home

# Traced from its first instruction on: it waits, stopped, for strace to be there.
is_stopped() { grep -q '^State:.T' "/proc/$(daemon_pid)/status" 2>/dev/null; }
is_traced() { grep -q '^TracerPid:.[1-9]' "/proc/$1/status"; }
daemon_pid() { systemctl show -p MainPID --value memcg-reaperd; }
start_traced() {
	local pid

	mkdir -p "${drop_in%/*}"
	printf '%s\n' '[Service]' ExecStart= 'TimeoutStartSec=300' \
		"ExecStart=/bin/sh -c 'kill -STOP \$\$\$\$; exec /usr/libexec/memcg-reaper/memcg-reaperd --debug'" >"$drop_in"
	systemctl daemon-reload
	systemctl start --no-block memcg-reaperd
	wait_for 20 is_stopped
	pid=$(daemon_pid)
	mkdir "$trace"
	strace -ff -qq -o "$trace/of" -p "$pid" &	# a file per process: none interrupts another's lines
	wait_for 10 is_traced "$pid"
	kill -CONT "$pid"
	wait_for 300 daemon_is_active
}

# Traced, on an emulated machine, ten seconds may be over before a sync is: what is asked is what it may do, not how fast.
mkdir -p /etc/memcg-reaper/reaper.conf.d
printf '%s\n' '[Policy default]' HoldMaxSec=60s >$patient

before=$(zombies)
start_traced
check "the gate is active" wait_for 20 gate_is_on
check "the census has names" census_is_named
check "the zombies are reaped with the shield" wait_for 90 at_most_zombies 3
has_reaped() { (($(status since_start reaped) >= $1)); }
check "and counted, all but 3 of $before" wait_for 30 has_reaped $((before - 3))
check_eq "live ones have lost" "$(status since_start lost_by_live_bytes)" 0
dir=$(charged_cgroup plain)
check_not "a charged cgroup is held" rmdir "$dir"
check "and removed" wait_for 20 test ! -e "$dir"
run_writers traced
check_nothing_held "what wrote metadata is drained" 120
check_eq "with nothing left" "$(status since_start settled_with_rest)" 0
check "the journal of an ext4 that the daemon cannot write to is emptied" journal_is_empty
dir=$(users_cgroup users)
check_not "a cgroup that a user owns is held" rmdir "$dir"
check "and removed" wait_for 20 test ! -e "$dir"
check_ge "the map of held cgroups is pinned" "$(find /sys/fs/bpf/memcg-reaper -name held | wc -l)" 1
systemctl reload memcg-reaperd
sleep 1
check "reload works" daemon_is_active
systemctl stop memcg-reaperd
rm $patient
check_ge "the trace has the workers too" "$(find "$trace" -type f | wc -l)" 4
# clone3: RestrictNamespaces= refuses it, and the decoy has another way. SO_SNDBUFFORCE, SO_RCVBUFFORCE: libsystemd,
# when it writes to the journal or speaks to a peer, asks for larger buffers than it may have without CAP_NET_ADMIN,
# and goes on with less.
denials() {
	grep -rhE ' = -1 (EPERM|EACCES|EROFS|ENOSYS|EAFNOSUPPORT) ' "$trace" |
		grep -v -e "^clone3(" -e SO_SNDBUFFORCE -e SO_RCVBUFFORCE || true
}
check_eq "system calls that were refused" "$(denials | sort | uniq -c | head -n 20)" ""
check_ge "clone3 was refused" "$(grep -rh '^clone3(.* ENOSYS ' "$trace" | wc -l)" 1
check_ge "and done without" "$(grep -rh -A 1 '^openat(.*"cgroup.procs", O_WRONLY' "$trace" | grep -c '^write(.*, "0", 1) *= 1$')" 1

# Killed while knobs are raised: the journal of a daemon of the kind says so.
systemd-run -q --unit=raised sleep infinity
with Restart=no
id=$(stat -c %i $slice/raised.service)
printf '%s memory.min 0 4194304\nend 1 %s\n' "$id" "$id" >/run/memcg-reaper/restore.shield
echo 4194304 >$slice/raised.service/memory.min
systemctl kill --signal=SIGKILL --kill-who=main memcg-reaperd
check "after a SIGKILL, ExecStopPost= puts back what was raised" wait_for 20 grep -qx 0 $slice/raised.service/memory.min
check "and says so" wait_for 10 says 'put back memory.min'
check "and the journal is gone" test ! -e /run/memcg-reaper/restore.shield
systemctl stop raised.service

# Root's own tools beside the daemon share its directory and take turns.
with
check "doctor works beside it" memcg-reaper doctor
check "reap works beside it" eval 'memcg-reaper reap || (($? == 5))'
check_eq "the status is for everybody" "$(stat -c %a $status_file)" 644
check "and a user reads it" setpriv --reuid=65534 --regid=65534 --clear-groups memcg-reaper status

# As at shutdown: units stop in the order opposite to that of their start. Stopping basic.target stands for it.
cat >/run/systemd/system/last-words.service <<'UNIT'
[Service]
ExecStart=sleep infinity
ExecStopPost=sh -c 'sleep 2; systemctl is-active memcg-reaperd >/run/last-words'
UNIT
systemctl daemon-reload
systemctl start last-words.service
systemctl stop --no-block last-words.service
systemctl stop --no-block basic.target
systemctl stop --no-block memcg-reaperd.service
ordinary_has_stopped() { [[ $(systemctl show -p ActiveState --value last-words) == inactive ]]; }
daemon_has_stopped() { [[ $(systemctl show -p ActiveState --value memcg-reaperd) == inactive ]]; }
check "the ordinary unit stops" wait_for 20 ordinary_has_stopped
check_eq "its ExecStopPost= has found the daemon" "$(cat /run/last-words)" active
check "then the daemon stops" wait_for 20 daemon_has_stopped
systemctl start multi-user.target
rm "$drop_in"
systemctl daemon-reload

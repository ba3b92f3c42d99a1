# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ExecStopPost=memcg-reaper drain --unit=%n: from any unit, whatever its sandbox, and never in anybody's way.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice
hook='ExecStopPost=memcg-reaper drain --unit=%n --strict'

# Without the gate of policy, so that what is held is held because it was asked for.
printf '[Reaper]\nIntervalSec=60s\n[Policy default]\nGate=no\n' >/etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd
wait_for 20 busctl --system status org.memcgreaper1 >/dev/null

# shellcheck disable=SC2317 # by way of check
total() { status gate held_total; }
# hooked NAME PROPERTY...: a service that leaves page cache behind and asks for its drain; it fails if the hook does.
hooked() {
	local name=$1

	shift
	{
		printf '[Service]\nType=oneshot\nExecStart=dd if=/dev/zero of=/var/tmp/hook-%s bs=64K count=4 status=none\n' "$name"
		printf '%s\n' "$hook" "$@"
	} >"/run/systemd/system/$name.service"
	systemctl daemon-reload
	systemctl start "$name.service"
}

before=$(total)
check "a plain unit" hooked plain
check "it was held because it asked" wait_for 10 eval '(($(total) > before))'
check "and is settled" wait_for 20 test ! -e $slice/plain.service

sandboxes=(
	'ProtectSystem=strict ReadWritePaths=/var/tmp ProtectControlGroups=yes ProtectKernelTunables=yes PrivateDevices=yes'
	'PrivateNetwork=yes RestrictAddressFamilies=AF_UNIX NoNewPrivileges=yes CapabilityBoundingSet='
	'ProtectProc=invisible ProcSubset=pid PrivateUsers=yes'
	'SystemCallFilter=@system-service MemoryDenyWriteExecute=yes RestrictNamespaces=yes LockPersonality=yes'
	'User=nobody ReadWritePaths=/var/tmp'
	'DynamicUser=yes'
)
n=0
for sandbox in "${sandboxes[@]}"; do
	n=$((n + 1))
	before=$(total)
	# shellcheck disable=SC2086 # words
	check "in a sandbox: $sandbox" hooked "box$n" $sandbox
	check "it was held" wait_for 10 eval '(($(total) > before))'
	check "and is settled" wait_for 20 test ! -e "$slice/box$n.service"
done

# Waiting.
hook='ExecStopPost=memcg-reaper drain --unit=%n --wait=20 --json'
check "with --wait it is drained before the stop goes on" hooked waits
hook='ExecStopPost=memcg-reaper drain --unit=%n --strict'
check "and tells how much" wait_for 10 eval "journalctl -u waits.service -o cat --no-pager | grep -q freed_bytes"
journalctl -u waits.service -o cat --no-pager

# In a user manager.
useradd -m -u 1500 alice 2>/dev/null || true
loginctl enable-linger alice
wait_for 30 test -S /run/user/1500/systemd/private || true
before=$(total)
runuser -u alice -- mkdir -p /home/alice/.config/systemd/user
printf '[Service]\nType=oneshot\nExecStart=dd if=/dev/zero of=%%h/hooked bs=64K count=4 status=none\n%s\n' "$hook" \
	>/home/alice/.config/systemd/user/hooked.service
user() { runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1500 systemctl --user "$@"; }
user daemon-reload
check "a unit of a user manager" user start hooked.service
check "it was held" wait_for 10 eval '(($(total) > before))'
check "and is settled" wait_for 20 test ! -e /sys/fs/cgroup/user.slice/user-1500.slice/user@1500.service/app.slice/hooked.service

# The example for all services.
mkdir -p /etc/systemd/system/service.d
cp /usr/share/doc/memcg-reaper/examples/service.d-drain.conf /etc/systemd/system/service.d/50-drain.conf
systemctl daemon-reload
before=$(total)
check "the top-level drop-in" systemd-run -q --unit=dropped --service-type=oneshot --wait dd if=/dev/zero of=/var/tmp/hook-dropped bs=64K count=4 status=none
check "it was held" wait_for 10 eval '(($(total) > before))'
rm -r /etc/systemd/system/service.d
systemctl daemon-reload

# A daemon that does not answer, and none at all.
pid=$(systemctl show -P MainPID memcg-reaperd)
kill -STOP "$pid"
check "a stopped daemon delays nobody for long" timeout 3 memcg-reaper drain --unit=x.service
check_eq "says so in one line" "$(memcg-reaper drain --unit=x.service 2>&1)" \
	"memcg-reaper: not drained: x.service: memcg-reaperd does not answer in time"
kill -CONT "$pid"
systemctl stop memcg-reaperd
check_eq "no daemon: one line" "$(memcg-reaper drain --unit=x.service 2>&1)" \
	"memcg-reaper: not drained: x.service: memcg-reaperd is not running"
check "and no failure" memcg-reaper drain --unit=x.service
check_not "with --strict it is one" memcg-reaper drain --unit=x.service --strict
check "a unit's end is none the worse for it" systemd-run -q --unit=alone --service-type=oneshot --wait \
	-p 'ExecStopPost=memcg-reaper drain --unit=%n' true
check_not "nobody has started the daemon" daemon_is_active
rm /etc/memcg-reaper/reaper.conf
systemctl start memcg-reaperd

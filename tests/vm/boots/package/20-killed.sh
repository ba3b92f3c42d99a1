# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The package is purged when its daemon has been killed with a cgroup in its hands: that goes, and nothing is left.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/package.sh

readonly drop_in=/run/systemd/system/memcg-reaperd.service.d

# Killed as soon as it has something, and before it could do anything about it: nobody wants to win a race here.
kill_with_held() {
	local pid

	pid=$(daemon_pid)
	dir=$(charged_cgroup "$1")
	kill -STOP "$pid"
	check_not "$1: held" rmdir "$dir"
	kill -KILL "$pid"
}

is_dead() { [[ $(systemctl is-active memcg-reaperd) == failed ]]; }

install_all_files
note_beginning

# It stays dead, and was never enabled.
mkdir -p $drop_in
printf '[Service]\nRestart=no\n' >$drop_in/test.conf
quiet_dpkg -i $first
systemctl start memcg-reaperd
kill_with_held stays-dead
check "the daemon is dead" wait_for 20 is_dead
check "there is a record of what it held" test -e /sys/fs/bpf/memcg-reaper/held
check "and the cgroup is there" test -d "$dir"
rm -r $drop_in
systemctl daemon-reload
check "the package can be purged" quiet_dpkg -P memcg-reaper
check "the cgroup has gone with it" test ! -e "$dir"
check_no_trace

# It would be started again in a moment.
quiet_dpkg -i $first
systemctl enable --now memcg-reaperd
kill_with_held would-be-back
check "the package can be purged at once" quiet_dpkg -P memcg-reaper
check "the cgroup has gone with it" test ! -e "$dir"
check_no_trace

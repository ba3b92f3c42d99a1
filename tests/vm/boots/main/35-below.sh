# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A held cgroup is used again, for one below it, and both are given up while that one is held: both go.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly conf=/etc/memcg-reaper/reaper.conf.d/grace.conf

to_daemon() { systemctl kill --signal="$1" --kill-who=main memcg-reaperd; }
# held_and_asked_for CGROUP: while the daemon sleeps, so that it is not gone in between.
held_and_asked_for() {
	to_daemon SIGSTOP
	check_not "${1##*/} is held" rmdir "$1"
	check_not "${1##*/} is asked for, so it stays for a while" mkdir "$1"
}

# Time to make use of it.
mkdir -p ${conf%/*}
printf '[Reaper]\nReuseGraceSec=15s\n' >$conf
systemctl restart memcg-reaperd
wait_for 30 test -e "${status_file:?}"
outer=$(charged_cgroup outer)
held_and_asked_for "$outer"
to_daemon SIGCONT
echo +memory >"$outer/cgroup.subtree_control"
inner=$(charged_cgroup outer/inner)
held_and_asked_for "$inner"
check_not "outer is removed as well" rmdir "$outer"
to_daemon SIGCONT
check "both go" wait_for 40 test ! -e "$outer"
rm $conf
systemctl restart memcg-reaperd

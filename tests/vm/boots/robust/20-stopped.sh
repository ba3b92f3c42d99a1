# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The daemon is stopped by SIGSTOP: the kernel side notices by itself, and removals go through.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

systemctl start memcg-reaperd
dir=$(charged_cgroup frozen-daemon)
check_not "a charged cgroup is held while the daemon lives" rmdir "$dir"
check "the daemon removes it" wait_for 15 test ! -e "$dir"

dir=$(charged_cgroup frozen-daemon)
systemctl kill --signal=SIGSTOP --kill-who=main memcg-reaperd
check_not "right after SIGSTOP it is still held" rmdir "$dir"
sleep 6	# HeartbeatMaxSec=5s
check "after the heartbeat limit it can be removed" rmdir "$dir"
check_eq "an empty group made now goes at once" "$(mkdir $dir && rmdir $dir && echo gone)" gone
systemctl kill --signal=SIGCONT --kill-who=main memcg-reaperd
check "the daemon goes on" wait_for 20 daemon_is_active
dir=$(charged_cgroup frozen-daemon)
sleep 1
check_not "and holds again" rmdir "$dir"
check "and settles" wait_for 15 test ! -e "$dir"
figure "let go because of a stale heartbeat" "$(sleep 3; status gate let_go_stale)" removals

# Stopped in good order, while somebody has just asked for what it holds and does not come: it stays with nobody. Nor does
# what it has not been told of yet.
dir=$(charged_cgroup asked-for)
systemctl kill --signal=SIGSTOP --kill-who=main memcg-reaperd
check_not "it is held" rmdir "$dir"
check_not "and asked for" mkdir "$dir"
systemctl stop memcg-reaperd
check "after the stop it is gone" test ! -e "$dir"
systemctl start memcg-reaperd

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The gate alone, with a program in the daemon's place: what is in use, or not held, is not the daemon's to remove.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

# shellcheck disable=SC2154 # of reaper.sh
readonly slice=/sys/fs/cgroup/gate.slice

mkdir $slice
echo +memory >$slice/cgroup.subtree_control
systemctl stop memcg-reaperd
/opt/mcr-tests/mcr-gate $slice >/tmp/gate || mcr_record "mcr-gate has failed"
systemctl start memcg-reaperd
wait_for 30 test -e "$status_file"
cat /tmp/gate
check "what it does not hold is refused, though it is empty" grep -qx 'not held: EBUSY, 0' /tmp/gate
check "what somebody else removes is held" grep -qx 'somebody else: EBUSY, 0' /tmp/gate
check "while a process is in it again the gate refuses, not the kernel" grep -qx 'in use: EBUSY, 1' /tmp/gate
check "what the daemon lets go of is held when it is removed the next time" grep -qx 'its user again: EBUSY, 1' /tmp/gate
check_eq "of what nobody uses by then it does not let go" "$(grep -c -x -e 'still used: held 0' -e 'left: held 1' \
	-e 'held anew: EBUSY, 1' -e 'left by then: held 1' -e 'held anew again: EBUSY, 1' /tmp/gate)" 5
check "after that it goes" grep -qx 'held and empty: gone, 1' /tmp/gate
wait_for 30 rmdir $slice

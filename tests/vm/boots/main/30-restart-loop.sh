# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A service that is restarted every 100 ms, 200 times: its cgroup is held, and wanted back at once.
# timeout: 300
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly starts=200

cat >/run/systemd/system/loop.service <<'UNIT'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=sh -c 'cat /proc/sys/kernel/random/uuid >>/var/tmp/loop; exec cat /var/tmp/loop'
StandardOutput=null
Restart=always
RestartSec=100ms
UNIT
systemctl daemon-reload
restarts() { systemctl show -p NRestarts --value loop.service; }
restarted_enough() { (($(restarts) >= starts)); }

complains() { journalctl -u loop.service -o cat --no-pager | grep -i "$@"; }

before=$(zombies)
held_before=$(status gate held_total)
systemctl start loop.service
check "the service is restarted $starts times" wait_for 200 restarted_enough
restarts=$(restarts)
systemctl stop loop.service
check_nothing_held "nothing is held any more" 60
# Where the file was dirty, the structures of its writeback keep the memcg until it is written: no drain can speed that up.
none_is_left() { nudge && at_most_zombies "$before"; }
wait_for 20 none_is_left || true

# Every start runs the command once: a line each.
runs=$(wc -l </var/tmp/loop)
check_ge "every start has run" "$runs" $((restarts + 1))
check_not "a start has failed for want of its cgroup" complains -e 'failed to attach' -e '219/CGROUP' -e 'spawn'
made=$(($(zombies) - before))
((made <= 0)) || memcg-reaper list
check_le "zombies it has made" "$made" 0
check "its cgroup is gone" test ! -e /sys/fs/cgroup/system.slice/loop.service

sleep 3	# the status follows
held=$(($(status gate held_total) - held_before))
ended=$(($(status since_start settled) + $(status since_start settled_with_rest) + $(status since_start reused)))
check_ge "the gate has held it" "$held" 1
check_eq "each hold has ended in one way: removed or reused" "$ended" "$(status gate held_total)"
figure "restarts" "$restarts" starts
figure "holds of the restarted service" "$held" holds
figure "of all holds so far, reused" "$(status since_start reused)" holds

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Reloading, over and over, while services come and go: no removal slips through.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice count=1500

conf() {
	cat >/etc/memcg-reaper/reaper.conf <<-CONF
		[Reaper]
		HeldMax=4096
		[Policy one]
		Slice=system.slice
		Match=$1
		HoldMaxSec=60s
		[Policy other]
		Slice=system.slice
		Match=x*y* *z
		Gate=no
	CONF
}

conf 'load-*'
systemctl restart memcg-reaperd
mkdir -p /var/tmp/churn
/opt/mcr-tests/mcr-load services $slice $count 100 /var/tmp/churn >/var/tmp/churn.out &
load=$!
reloads=0
while kill -0 $load 2>/dev/null; do
	conf "l$((reloads % 7))ad-* load-*"
	systemctl reload memcg-reaperd
	reloads=$((reloads + 1))
done
cat /var/tmp/churn.out
check_nothing_held "nothing is held in the end" 120
figure "reloads while $count services came and went" "$reloads" reloads
figure "removals seen" "$(sed -n 's/.* refused \([0-9]*\) .*/\1/p' /var/tmp/churn.out)" cgroups
check_eq "every removal was held" "$(sed -n 's/.* refused \([0-9]*\) .*/\1/p' /var/tmp/churn.out)" $count
check_eq "no event was lost" "$(status gate lost_events)" 0
check_eq "none was let go for want of a heartbeat" "$(status gate let_go_stale)" 0
check_eq "none was let go for other reasons" "$(status gate let_go_over_limit)" 0
check_ge "reloads took place" "$reloads" 20
# The directories are gone a moment before the status says so.
answered() { echo "$(($(status since_start settled) + $(status since_start settled_with_rest) + $(status since_start reused)))"; }
wait_for 20 eval '[[ $(answered) == $(status gate held_total) ]]' || true
check_eq "each was answered for" "$(answered)" "$(status gate held_total)"
rm /etc/memcg-reaper/reaper.conf

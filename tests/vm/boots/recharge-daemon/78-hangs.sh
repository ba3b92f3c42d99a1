# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A process that hangs whoever looks into it: the request is given up within a minute, said so, and others are served.
# A pipe over its maps stands for a locked address space: both waits end with a fatal signal only.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

swapoff -a
systemctl stop memcg-reaperd
systemctl start shared.slice
sum() { sha256sum "$1" | cut -d' ' -f1; }
zombies() { memcg-reaper list --json | grep -c "\"path\":.*/$1\"" || true; }
units() { systemctl list-units --no-legend --plain 'memcg-reaper-recharge@*' | wc -l; }

systemd-run -q --wait --unit=hung dd if=/dev/urandom of=/dev/shm/hung bs=1M count=2 status=none
dd if=/dev/urandom of=/dev/shm/free bs=1M count=2 status=none
before=$(sum /dev/shm/hung)
check "there is a zombie" wait_for 20 eval '[[ $(zombies hung.service) == 1 ]]'
sleep 1000 &
victim=$!
mkfifo /run/hanging-maps
mount --bind /run/hanging-maps /proc/$victim/maps
check "who looks at it hangs" eval 'timeout 2 cat /proc/$victim/maps; [[ $? == 124 ]]'

begun=$SECONDS
memcg-reaper recharge --to=shared.slice hung.service >/var/tmp/hung 2>&1 &
caller=$!
wait_for 20 eval '(($(units) >= 1))' || true
memcg-reaper recharge --to=shared.slice /dev/shm/free >/var/tmp/free 2>&1 &
other=$!
wait $caller || true
cat /var/tmp/hung
check "it is given up, and said why" grep -q 'one of them hangs' /var/tmp/hung
check_le "in seconds, the slowness of the machine included" $((SECONDS - begun)) $((50 * MCR_PATIENCE))
check "who waited is served" wait $other
check "with what was asked for" grep -q '2.0M moved lease' /var/tmp/free
check "nobody is left" wait_for 20 eval '[[ $(units) == 0 ]]'
check_eq "no request either" "$(find /run/memcg-reaper/recharge -name '*.request' | wc -l)" 0
check_eq "nothing was moved of what hung" "$(zombies hung.service) $(sum /dev/shm/hung)" "1 $before"

umount /proc/$victim/maps
kill $victim
check "when it hangs no more, that is moved too" eval 'memcg-reaper recharge --to=shared.slice hung.service | tee -a /dev/stderr | grep -q "2.0M moved lease"'
check_eq "not a bit is different" "$(sum /dev/shm/hung)" "$before"
rm -f /run/hanging-maps /dev/shm/hung /dev/shm/free
systemctl start memcg-reaperd

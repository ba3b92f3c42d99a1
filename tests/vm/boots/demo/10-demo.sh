# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a person sees who tries it on a freshly booted system.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

say "A freshly booted Debian 12. Cgroups that were removed and cannot go:"
run 'memcg-reaper list | tail -n 8'
say ""
run 'systemctl enable --now memcg-reaperd'
check "the daemon ends its first cycle" wait_for 90 cycle_is_over
say "One cycle later:"
run 'memcg-reaper status'
say ""
say "Twenty services run, each reading and writing files, and end:"
run 'for i in $(seq 20); do systemd-run -q --wait sh -c "mkdir /var/tmp/d$i; cp /usr/bin/perl /var/tmp/d$i"; done'
check_nothing_held "nothing is held any more" 60
check "what was left of them is reaped" wait_for 60 at_most_zombies 2
sleep 3
run 'memcg-reaper status'
check_le "zombies are left" "$(zombies)" 2

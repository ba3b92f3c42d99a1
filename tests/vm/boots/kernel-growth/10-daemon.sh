# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# With the daemon, at a rate that a busy machine might have.
# timeout: 1700
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/growth.sh

rate=$(setting rate 25) settle=$(setting settle 300)

growth_setup
[[ ! -d $knobs ]] || echo 1 >$knobs/enabled
systemctl start memcg-reaperd
wait_for 30 test -e "$status_file"
grow_all
systemctl stop memcg-reaperd
[[ ! -d $knobs ]] || echo 0 >$knobs/enabled
check_le "left of those with a shared file" "$left_shared" 2
check_le "left of those with private files" "$left_private" 2

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# No memory controller: one line that says so, exit code 3.
. /opt/mcr-tests/lib.sh

said=$(memcg-reaper reap 2>&1) && code=0 || code=$?
check_eq "reap exits with 3" "$code" 3
check "and names the memory controller" grep -q 'no memory controller' <<<"$said"
check_not "the service does not start" systemctl start memcg-reaperd
check "its journal says why" grep -q 'no memory controller' <<<"$(journalctl -u memcg-reaperd -o cat --no-pager)"

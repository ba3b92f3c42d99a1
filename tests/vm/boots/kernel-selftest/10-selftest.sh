# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the kernel's own test says: every answer of the interface, every class of memory with both kinds of LRU lists, the modes.
# timeout: 1000
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/kernel.sh

readonly out=/run/selftest.out

check "the kernel has the interface" test -d $knobs
check "and the program is there" test -x /opt/mcr-tests/test_memcg_recharge
! [[ -e /opt/mcr-tests/test_memcg_recharge ]] || systemctl stop memcg-reaperd
swap_on_flash
{ /opt/mcr-tests/test_memcg_recharge 2>&1 && echo "exit 0" || echo "exit $?"; } | tee $out | tee /dev/ttyS0 | grep -v '^ok' || true
check_eq "it exits with 0" "$(sed -n 's/^exit //p' $out)" 0
check_eq "nothing has failed" "$(grep -c '^not ok' $out || true)" 0
check_eq "as many results as were planned" "$(grep -cE '^(not )?ok ' $out)" "$(sed -n 's/^1\.\.//p' $out)"
check_ge "results" "$(grep -c '^ok ' $out)" 60
check_eq "all is off again" "$(cat $knobs/{enabled,mapped,on_access,evict} | xargs)" "0 0 0 0"
skipped=$(grep -c '^ok .*# SKIP' $out || true)
check_eq "and none was skipped" "$skipped" 0
figure "selftest: passed" $(($(grep -c '^ok ' $out) - skipped)) tests
figure "selftest: skipped" "$skipped" tests
figure "selftest: failed" "$(grep -c '^not ok' $out || true)" tests

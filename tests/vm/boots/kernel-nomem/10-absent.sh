# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Without the memory controller there is no directory, neither in sysfs nor in debugfs.
. /opt/mcr-tests/lib.sh

readonly out=/run/selftest.out

/opt/mcr-tests/test_memcg_recharge >$out 2>&1 && code=0 || code=$?
cat $out
check_eq "the test of the kernel passes" $code 0
check_eq "in its form for a disabled controller" "$(grep -c '^ok 1 memory is disabled' $out)" 1
check "nothing in sysfs" test ! -e /sys/kernel/mm/memcg_recharge
check "nothing in debugfs" test ! -e /sys/kernel/debug/memcg_recharge

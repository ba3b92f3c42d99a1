# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# With memory on cgroup v1 the files are there and every request is refused.
. /opt/mcr-tests/lib.sh

readonly out=/run/selftest.out

check "memory is on cgroup v1" grep -qE '^cgroup [^ ]* cgroup .*memory' /proc/self/mounts
/opt/mcr-tests/test_memcg_recharge >$out 2>&1 && code=0 || code=$?
cat $out
check_eq "the test of the kernel passes" $code 0
check_eq "in its form for v1" "$(grep -c '^ok [0-9]* v1: ' $out)" 3

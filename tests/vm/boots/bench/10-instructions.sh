# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What census and gate cost, in guest instructions.
# timeout: 900
. /opt/mcr-tests/lib.sh

/opt/mcr-tests/mcr-bench >/tmp/figures || fail "the benchmark has failed"
while IFS='|' read -r what value unit; do
	figure "$what" "$value" "$unit"
done </tmp/figures
check_ge "figures were measured" "$(wc -l </tmp/figures)" 16

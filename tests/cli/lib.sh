# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced: runs a program and compares what it says and how it ends.  Arguments of each script are
# the two programs.
# shellcheck disable=SC2034	# for the scripts
set -euo pipefail

reaper=$1 daemon=$2
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run EXPECTED_STATUS COMMAND...: what it says is then in $out and $err.
run() {
	local expected=$1 status=0

	shift
	command="${1##*/} ${*:2}"
	timeout 20 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	out=$(<"$work/out") err=$(<"$work/err")
	check "exit status $status, expected $expected" test "$status" -eq "$expected"
}

# check WHAT COMMAND...: WHAT is said if it fails.
check() {
	local what=$1

	shift
	"$@" && return
	printf 'FAILED: %s: %s\n' "$command" "$what"
	sed 's/^/  out: /' "$work/out"
	sed 's/^/  err: /' "$work/err"
	failures=$((failures + 1))
}

contains() { [[ $1 == *"$2"* ]]; }
is_empty() { [[ -z $1 ]]; }
is_one_line() { [[ -n $1 && $1 != *$'\n'* ]]; }

finish() {
	((failures == 0)) || { echo "$failures failed"; exit 1; }
	echo "all as expected"
}

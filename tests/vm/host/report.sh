# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the guest said, turned into text and a verdict. The guest writes one protocol line at a time:
#	begin NAME | ok NAME TEXT | not ok NAME REASON | skip NAME REASON | figure NAME|WHAT|VALUE|UNIT
#	note TEXT | > TEXT (shown as it is) | | TEXT (log of what failed) | done
# Only "ok" and "skip" are good news: a scenario of which nothing is heard has failed.

readonly splats='Kernel panic|WARNING: |BUG:|Oops|general protection|possible circular locking|INFO: task .* blocked|rcu.*stall|KASAN|soft lockup|invoked oom-killer|Call Trace:'

# Show the lines of the results file as they come, until process PID is gone.
follow() {
	local results=$1 pid=$2 line

	tail -n +1 -s 0.2 -f --pid="$pid" "$results" | while IFS= read -r line; do
		case $line in
		"> "*)		printf '%s\n' "${line#> }" ;;
		"| "*)		printf '    %s\n' "$line" ;;
		"begin "*)	progress "${line#begin } ..." ;;
		"ok "* | "not ok "* | "skip "* | "note "*)
				progress "${line#note }" ;;
		esac
	done
}

# Verdict of scenario NAME: ok, skip, or anything else.
verdict() {
	local results=$1 name=$2

	awk -v name="$name" '
		$1 == "ok" && $2 == name	{ verdict = "ok" }
		$1 == "skip" && $2 == name	{ verdict = "skip" }
		$1 == "not" && $3 == name	{ verdict = "not ok" }
		END				{ print verdict ? verdict : "none" }' "$results"
}

# Add the scenarios NAME... of one boot to passed, failed and skipped.
count_verdicts() {
	local results=$1 name

	shift
	for name; do
		case $(verdict "$results" "$name") in
		ok)	passed=$((passed + 1)) ;;
		skip)	skipped=$((skipped + 1)) ;;
		none)	failed=$((failed + 1))
			complain "$name: no verdict" ;;
		*)	failed=$((failed + 1)) ;;
		esac
	done
}

# True if the guest said "done"; if not, say how it ended. 124 and 137 are timeout(1)'s.
check_ending() {
	local dir=$1 status=$2

	grep -qx "done" "$dir/results" && return
	case $status in
	124 | 137)	complain "guest hung: no end after $TIMEOUT s" ;;
	*)		complain "guest lost: qemu ended (status $status) before the tests did" ;;
	esac
	echo "---- last lines of the console"
	plain_console "$dir" | tail -n 40
	echo "----"
	return 1
}

# The command line names stalls; a kill by the OOM killer comes with a call trace.
without_expected() {
	if ((ALLOW_OOM)); then
		sed -e '/Kernel command line:/d' -e '/invoked oom-killer/,/oom-kill:constraint/d'
	else
		sed -e '/Kernel command line:/d'
	fi
}

check_kernel_log() {
	local dir=$1 log=$1/kernel.log

	plain_console "$dir" | without_expected >"$log"
	grep -qE "$splats" "$log" || return 0
	complain "kernel splats on the console"
	echo "---- kernel splats"
	grep -nE -A 12 "$splats" "$log" | head -n 80
	echo "----"
	return 1
}

plain_console() { sed -e 's/\r//g' -e 's/\x1b[[(][0-9;?]*[a-zA-Z]//g' "$1/console.log"; }

# The figures of all boots so far, as a table.
print_figures() {
	local results=("${boots[@]/%//results}")

	results=("${results[@]/#/$output/}")
	grep -hq '^figure ' "${results[@]}" || return 0
	echo
	sed -n 's/^figure //p' "${results[@]}" | awk -F '|' '
		BEGIN { printf "%-20s %-50s %14s  %s\n", "scenario", "figure", "value", "unit" }
		{ printf "%-20s %-50s %14s  %s\n", $1, $2, $3, $4 }'
	echo
}

# What failed in all boots so far, once more: whoever reads only the end is to know.
print_failed() {
	local name

	for name in "${boots[@]}"; do
		sed -n "s,^not ok ,failed: $name/,p" "$output/$name/results"
	done
}

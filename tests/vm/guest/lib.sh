# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Vocabulary of the scenarios. One sources this first:
#	. /opt/mcr-tests/lib.sh
# and then states sentences. A sentence that does not hold is recorded and the scenario goes on; it fails in the
# end. A command that fails outside of a sentence ends the scenario there and fails it. A line
# "# timeout: SECONDS" in a scenario changes its time limit (300); as with wait_for, all have MCR_PATIENCE times as long.
set -eEuo pipefail

readonly mcr_failures=$MCR_STATE/$MCR_SCENARIO.failures

trap 'mcr_record "line $LINENO: $BASH_COMMAND"' ERR
trap 'mcr_exit $?' EXIT
# The time is over: not a good end, whatever came before.
trap 'exit 143' TERM

mcr_exit() {
	local status=$1

	trap - ERR
	((BASH_SUBSHELL == 0)) || exit "$status"
	if ((status == 77)) && [[ ! -e $MCR_STATE/$MCR_SCENARIO.skip ]]; then
		status=1
	elif ((status != 77)) && [[ -s $mcr_failures ]]; then
		status=1
	fi
	echo "$status" >"$MCR_STATE/$MCR_SCENARIO.ended"
	exit "$status"
}

# Kept in a file: a sentence may be stated in a subshell.
mcr_record() {
	printf 'NOT ok: %s\n' "$*"
	printf '%s\n' "${*//$'\n'/ }" >>"$mcr_failures"
}

mcr_tell() {
	local text=${*//$'\n'/ }

	# One write below PIPE_BUF, so that lines of several writers do not mix.
	printf '%s\n' "${text:0:1000}" >>"$MCR_PORT"
}

# check SENTENCE COMMAND...: the command succeeds.
check() {
	local sentence=$1

	shift
	if "$@"; then
		echo "ok: $sentence"
	else
		mcr_record "$sentence"
	fi
}

# check_not SENTENCE COMMAND...: the command fails.
check_not() {
	local sentence=$1

	shift
	if "$@"; then
		mcr_record "$sentence"
	else
		echo "ok: $sentence"
	fi
}

mcr_compare() {
	local sentence=$1 value=$2 operator=$3 limit=$4

	if [[ $value =~ ^-?[0-9]+$ && $limit =~ ^-?[0-9]+$ ]] && test "$value" "$operator" "$limit"; then
		echo "ok: $sentence ($value $operator $limit)"
	else
		mcr_record "$sentence (not: $value $operator $limit)"
	fi
}

# check_le, check_ge SENTENCE VALUE LIMIT: integers.
check_le() { mcr_compare "$1" "$2" -le "$3"; }
check_ge() { mcr_compare "$1" "$2" -ge "$3"; }

# check_eq SENTENCE VALUE EXPECTED: strings.
check_eq() {
	if [[ $2 == "$3" ]]; then
		echo "ok: $1 ('$2')"
	else
		mcr_record "$1 (not: '$2' == '$3')"
	fi
}

# figure WHAT VALUE UNIT: a measured number, for the table at the end of the run.
figure() {
	echo "figure: $1: $2 $3"
	mcr_tell "figure $MCR_SCENARIO|$1|$2|$3"
}

# fail MESSAGE: nothing further makes sense.
fail() {
	mcr_record "$*"
	exit 1
}

# skip MESSAGE: this guest cannot show it. Call it at the top level, not in a subshell.
skip() {
	printf '%s\n' "$*" >"$MCR_STATE/$MCR_SCENARIO.skip"
	exit 77
}

# wait_at_most SECONDS COMMAND...: poll until it succeeds; fails when it has not by then.
wait_at_most() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.2
	done
}

# wait_for SECONDS COMMAND...: the same, of what is to come. The seconds are those of a fast machine which does nothing else:
# all have MCR_PATIENCE times as long.
wait_for() { wait_at_most $(($1 * MCR_PATIENCE)) "${@:2}"; }

# setting KEY DEFAULT: a number that `tests/vm/run --set KEY=VALUE` may change.
setting() {
	local word

	for word in ${MCR_SETTINGS:-}; do
		[[ $word != "$1="* ]] || { echo "${word#*=}"; return; }
	done
	echo "$2"
}

# zombies [SUBTREE]: number of dying cgroups below, by the kernel's count.
zombies() { awk '$1 == "nr_dying_descendants" { print $2 }' "/sys/fs/cgroup/${1:-}/cgroup.stat"; }

# say TEXT: shown to whoever runs the test, as it happens.
say() { mcr_tell "> $*"; }

# run 'COMMAND LINE': show it and what it prints, as a terminal would; its exit status is passed on.
run() {
	local line

	say "# $1"
	bash -o pipefail -c "$1" 2>&1 | while IFS= read -r line; do say "$line"; done
}

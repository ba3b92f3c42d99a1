# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Zombies with one known pin each, and what the walk says of them. The truth comes from how they are made.

readonly top=/sys/fs/cgroup/pins elsewhere=/sys/fs/cgroup/elsewhere dump_file=/run/pins.dump
readonly ready_file=/run/pins.ready

pins_setup() {
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p "$top" "$elsewhere"
	echo +memory >"$top/cgroup.subtree_control"
}

# make NAME COMMAND...: mcr-pin in a new cgroup; its answer is in $answer. A command that waits goes to the background.
make() {
	local name=$1

	shift
	mkdir "$top/$name"
	group_id=$(stat -c %i "$top/$name")
	: >"$ready_file"
	/opt/mcr-tests/mcr-pin "$top/$name" "$@" >"$ready_file" &
	maker=$!
	wait_for 30 grep -q ^ready "$ready_file" || fail "mcr-pin $* is not ready"
	answer=$(awk '{ print $2 }' "$ready_file")
	wait_for 10 rmdir "$top/$name" || fail "cgroup $name cannot be removed"
}

# Ends who waits, and does not wait for the zombie.
unmake() {
	kill "$answer" "$maker" 2>/dev/null || true
	wait "$maker" 2>/dev/null || true
}

walk() { /opt/mcr-tests/mcr-pins-dump "$@" >"$dump_file" || { cat "$dump_file"; fail "the walk has failed"; }; }

# value_of KEY LINE
value_of() { grep -o " $1=[^ ]*" <<<"$2" | head -n 1 | cut -d= -f2-; }

memcg_value() { value_of "$1" "$(grep ^memcg "$dump_file" | head -n 1)"; }

# pin_of KIND [PATTERN]: the first pin of this kind whose line matches.
pin_of() { grep "^pin kind=$1 " "$dump_file" | grep -e "${2:-}" | head -n 1 || true; }

# check_pin WHAT LINE KEY=VALUE...
check_pin() {
	local what=$1 line=$2 pair

	shift 2
	[[ -n $line ]] || { cat "$dump_file"; mcr_record "$what: no such pin"; return; }
	for pair in "$@"; do
		check_eq "$what: ${pair%%=*}" "$(value_of "${pair%%=*}" "$line")" "${pair#*=}"
	done
}

# Every reference has its name. A transient one (a page on its way to a list) may need another look.
all_explained() {
	walk "$group_id"
	[[ $(memcg_value held) == "$(memcg_value explained)" && $(memcg_value complete) == 1 ]]
}

check_explained() {
	check "$1: every reference is explained" wait_for 5 all_explained
	[[ $(memcg_value held) == "$(memcg_value explained)" ]] || cat "$dump_file"
}

device_of() { mountpoint -d "$(df --output=target "$1" | tail -n 1)"; }

drop_cache_of() { dd if="$1" iflag=nocache count=0 status=none; }

# make_file FILE KIB: on disk and not in memory.
make_file() {
	dd if=/dev/urandom of="$1" bs=1K count="$2" status=none
	sync "$1"
	drop_cache_of "$1"
}

# explains 'TEXT' ARGUMENTS...: TEXT is in what explain says of them.
explains() {
	local text=$1 out

	out=$(memcg-reaper explain "${@:2}") || (($? == 5)) || return 1
	printf '%s\n' "$out"
	grep -qF -- "$text" <<<"$out"
}
# refuses CODE 'TEXT' ARGUMENTS...: with that exit code, and TEXT in its one line.
refuses() {
	local code=$1 text=$2 got=0 out

	out=$(memcg-reaper explain "${@:3}" 2>&1 >/dev/null) || got=$?
	printf 'exit %d: %s\n' "$got" "$out"
	[[ $got == "$code" && $out == *"$text"* && $(wc -l <<<"$out") == 1 ]]
}

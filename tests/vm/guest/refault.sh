# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Page cache of cgroups that go, and users of it that stay.

readonly top=/sys/fs/cgroup/refault.slice
readonly owner=refault.slice/refault-memcgowner.slice
result=

# Users and first readers live in $top; a bystander has page cache of its own there.
refault_setup() {
	systemctl stop memcg-reaperd
	swapoff -a
	systemctl start refault.slice
	# Without a unit in it that lives on, systemd switches the memory controller off in the slice.
	systemctl -q is-active keeper || systemd-run -q --slice=refault.slice --unit=keeper sleep infinity
	mkdir -p $top/{b,c,bystander}
	echo +memory >$top/cgroup.subtree_control
	new_file /var/tmp/bystander 16
	first_read bystander /var/tmp/bystander
}

refault_end() {
	rm -f /var/tmp/{held,dead,beside,part,atime,gone,bystander}
	rmdir $top/{b,c,bystander}
	systemctl stop keeper
	systemctl stop refault.slice
}

# new_file PATH MIB: on disk, and not in memory.
new_file() {
	head -c "$2"M /dev/urandom >"$1"
	sync "$1"
	forget "$1"
}
forget() { dd of="$1" oflag=nocache conv=notrunc,fdatasync count=0 status=none; }

# first_read GROUP PATH: somebody in GROUP reads all of it, and ends.
first_read() {
	mkdir -p "$top/$1"
	/opt/mcr-tests/mcr-pin "$top/$1" file "$2" 0 "$(stat -c %s "$2")" >/dev/null
}

# maps GROUP PATH [EVERY [HOW]]: somebody in GROUP maps it, and stays.
declare -A user_of
maps() {
	local group=$1

	shift
	: >"/run/map.$group"
	/opt/mcr-tests/mcr-map "$top/$group" "$@" >"/run/map.$group" 2>&1 &
	user_of[$group]=$!
	wait_for 20 grep -q ^ready "/run/map.$group" || fail "mcr-map is not ready: $(<"/run/map.$group")"
}

user_pid() { sed -n 's/^ready //p' "/run/map.$1"; }

stops() {
	kill "$(user_pid "$1")"
	wait "${user_of[$1]}" || true
}

told() { (($(grep -c ^resident "/run/map.$1" || true) == $2)); }

# finds GROUP WHEN PAGES: all that it touches is in memory, it waits for no disk, and reads what it read at first.
finds() {
	local line

	kill -USR1 "$(user_pid "$1")"
	wait_for 10 told "$1" 1 || fail "$1 does not answer"
	line=$(tail -n 1 "/run/map.$1")
	check_eq "$1 $2" "$line" "resident=$3 of=$3 major=0 changed=0"
}

# recharge ARGS...: to the owner of refault.slice.
recharge() { memcg-reaper recharge --to=$owner "$@"; }

# field KEY: a number of the first object in $result.
field() { tr -d ' \n' <<<"$result" | grep -o "\"$1\":[0-9]*" | head -n 1 | cut -d: -f2 || true; }
refusal() { tr -d ' \n' <<<"$result" | grep -o '"refusal":"[^"]*"' | head -n 1 | cut -d'"' -f4 || true; }

owner_cache() {
	cat /sys/fs/cgroup/$owner/cpu.stat >/dev/null
	stat_of /sys/fs/cgroup/$owner file
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the scenarios ask of the reaper and of memory cgroups, in words.

readonly status_file=/run/memcg-reaper/status.json

# status SECTION KEY: a number (or word) of the daemon's status file.
status() { memcg-reaper status --json | json_value "$1" "$2"; }

# The first KEY inside of the object SECTION, of pretty printed JSON.
json_value() {
	awk -v section="\"$1\"" -v key="\"$2\"" '
		index($0, section ":") { inside = 1 }
		inside && index($0, key ":") {
			sub(/^[^:]*: */, ""); gsub(/[",]/, ""); print; exit
		}'
}

# stat_of CGROUP KEY: a value of memory.stat.
stat_of() { awk -v key="$2" '$1 == key { print $2 }' "$1/memory.stat" 2>/dev/null || echo 0; }

grows_to() { (($(stat_of "$1" file) >= $2)); }
at_most_zombies() { (($(zombies) <= $1)); }
daemon_is_active() { systemctl -q is-active memcg-reaperd; }
# nothing_held: no cgroup of system.slice is there without a process or an active unit.
nothing_held() { [[ -z $(left_cgroups) ]]; }

left_cgroups() {
	local events dir unit

	while IFS= read -r events; do
		dir=${events%/cgroup.events}
		unit=${dir##*/}
		grep -q 'populated 0' "$events" 2>/dev/null || continue
		! systemctl -q is-active -- "$unit" || continue
		printf '%s\n' "$dir"
	done < <(find /sys/fs/cgroup/system.slice -mindepth 2 -name cgroup.events 2>/dev/null)
}

# check_nothing_held SENTENCE SECONDS: nothing_held, by then; or else what is, and what the daemon has to say of it.
check_nothing_held() {
	check "$1" wait_for "$2" nothing_held
	nothing_held && return
	left_cgroups
	memcg-reaper status || true
	journalctl -u memcg-reaperd -o short-monotonic --no-pager -n 20 || true
}

# The first cycle has ended when zombies were reaped or pinned, and none waits for another round.
cycle_is_over() {
	[[ -e $status_file ]] && (($(status since_start rounds) >= 1)) &&
		[[ $(status zombies now) == $(status zombies pinned) && $(status zombies now) == $(zombies) ]]
}

# Makes the kernel give back what writeback keeps of dying memcgs: it does so when a memcg goes offline.
nudge() { mkdir /sys/fs/cgroup/nudge && rmdir /sys/fs/cgroup/nudge; }

# Services whose memory.min is not 0, but for the one that has it in its unit.
raised_minima() { grep -L -x 0 /sys/fs/cgroup/system.slice/*/memory.min 2>/dev/null | grep -v /memcg-reaperd.service/ || true; }

# charged_cgroup NAME: an empty cgroup of system.slice with 64 KiB of page cache charged to it.
charged_cgroup() {
	local dir=/sys/fs/cgroup/system.slice/$1

	[[ -d $dir ]] || mkdir "$dir"
	# shellcheck disable=SC2016 # for the inner shell
	sh -c 'echo $$ >"$1/cgroup.procs" && exec dd if=/dev/zero of=/var/tmp/charge bs=64K count=1 status=none' sh "$dir"
	printf '%s\n' "$dir"
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A maker whose cgroup the daemon holds, users of what it has made in units of their own, and owners. After reaper.sh.
# shellcheck disable=SC2034 # for the scenarios

readonly slice=/sys/fs/cgroup/system.slice
readonly owner=$slice/system-memcgowner.slice
# On a disk: in /run it would be shared memory of its own.
readonly share_out=/var/tmp/share.out
shares=0

# swap_setup RECHARGE OWNER [SHIELD]: the daemon with this policy of system.slice.
swap_setup() {
	[[ $(awk '/^SwapTotal/ { print $2 }' /proc/meminfo) != 0 ]] || swapon /dev/disk/by-id/virtio-mcrswap
	cat >/etc/memcg-reaper/reaper.conf <<-CONF
		[Reaper]
		IntervalSec=2s
		GraceSec=1s
		PinnedRetrySec=1s
		[Policy default]
		Slice=system.slice
		Recharge=$1
		Owner=$2
		HoldMaxSec=$((60 * MCR_SLOW))s
		Shield=${3:-yes}
	CONF
	systemctl restart memcg-reaperd
	wait_for 20 busctl --system status org.memcgreaper1 >/dev/null
}

# shmem_of CGROUP: what it is charged, bytes; 0 if it is not there yet.
shmem_of() { if [[ -e $1 ]]; then stat_of "$1" shmem; else echo 0; fi; }
pages_out() { awk '$1 == "pswpout" { print $2 }' /proc/vmstat; }

# share KIND BYTES [ARG]: an object that a new cgroup pays for ($maker) and a unit of its own uses ($user, $user_pid).
share() {
	shares=$((shares + 1))
	maker=$slice/maker$shares user_unit=user$shares.service user=$slice/user$shares.service
	mkdir "$maker"
	maker_id=$(stat -c %i "$maker")
	rm -f "$share_out"
	systemd-run -q --unit="$user_unit" -p StandardOutput="file:$share_out" /opt/mcr-tests/mcr-share "$maker" "$@"
	wait_for 30 grep -q ^ready "$share_out" || fail "mcr-share $* is not ready"
	user_pid=$(awk '{ print $2 }' "$share_out")
}

# The gate holds it, and the daemon does the rest.
remove_maker() { rmdir "$maker" 2>/dev/null || true; }

zombie_ids() { memcg-reaper list --json | awk '/"id":/ { sub(/^[^:]*: */, ""); sub(/,$/, ""); print }'; }
no_zombie() { [[ ! -e $maker ]] && ! zombie_ids | grep -qx "$maker_id"; }

# Ends who uses it; true if he says that it is what it was.
unshare_same() {
	systemctl stop "$user_unit"
	wait_for 10 grep -qE '^(same|differs)$' "$share_out"
	grep -qx same "$share_out"
}

# said WHAT ACTION [REASON]: the daemon's journal has such a line about the maker.
said() {
	local lines

	lines=$(journalctl -u memcg-reaperd -o cat --no-pager | grep "^$2 ${maker#/sys/fs/cgroup}:" | grep -F -- "${3:-}" || true)
	printf '%s: %s\n' "$1" "$lines"
	[[ $lines ]]
}

# refuses_nothing TEXT ARGS...: memcg-reaper recharge succeeds, and says so.
refuses_nothing() {
	local text=$1 out

	shift
	out=$(memcg-reaper recharge "$@" 2>&1) || { printf '%s\n' "$out"; return 1; }
	printf '%s\n' "$out"
	grep -qF -- "$text" <<<"$out"
}

# dry_run_says TEXT: memcg-reaper says so of the maker, and changes nothing.
dry_run_says() {
	local out

	out=$(memcg-reaper recharge --dry-run "${maker#/sys/fs/cgroup}" 2>&1) || true
	printf '%s\n' "$out"
	grep -qF -- "$1" <<<"$out"
}

# As unshare_same, of one that has left its unit's cgroup.
end_user() {
	kill "$user_pid"
	wait_for 10 grep -qE '^(same|differs)$' "$share_out"
	systemctl stop "$user_unit" 2>/dev/null || true
	grep -qx same "$share_out"
}

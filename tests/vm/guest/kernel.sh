# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Recharging by the kernel: its switches, its counters, and what memcg-reaper says of it.

readonly knobs=/sys/kernel/mm/memcg_recharge

kernel_on() {
	[[ -d $knobs ]] || fail "this kernel does not recharge"
	echo 1 >$knobs/enabled
}
kernel_off() { echo 0 >$knobs/enabled; }

# moved, in bytes, of pages and of entries in swap.
moved_bytes() { echo $(($(<$knobs/moved) * 4096)); }
moved_swap_bytes() { echo $(($(<$knobs/moved_swap) * 4096)); }

# answered KEY: the first value of a key in $answer, which is JSON.
answered() { tr -d '\n' <<<"$answer" | grep -o "\"$1\": *\(\"[^\"]*\"\|[^,}]*\)" | head -n 1 | sed 's/^[^:]*: *//; s/"//g' || true; }
# object KEY STRATEGY: of the object in $answer that went this way.
object() { tr -d '\n' <<<"$answer" | grep -o '{[^{}]*}' | grep "\"strategy\": *\"$2\"" | grep -o "\"$1\": *\(\"[^\"]*\"\|[^,}]*\)" | head -n 1 | sed 's/^[^:]*: *//; s/"//g' || true; }

# says TEXT COMMAND...: it prints that, however it ends.
says() {
	local text=$1 out

	shift
	out=$("$@" 2>&1) || true
	printf '%s\n' "$out"
	grep -qF -- "$text" <<<"$out"
}

# by_strategy KEY: what the daemon's tally has of it; 0: nothing.
by_strategy() {
	local n

	n=$(memcg-reaper status --json | tr -d ' \n' | grep -o "\"strategy\":\"$1\",\"objects\":[0-9]*" | head -n 1 | sed 's/.*://' || true)
	echo "${n:-0}"
}

# zombie_has_gone NAME: of a service; what its writing has left in the file system goes with a sync, and when another goes offline.
zombie_has_gone() {
	sync
	mkdir -p /sys/fs/cgroup/nudge && rmdir /sys/fs/cgroup/nudge
	! memcg-reaper list --json | grep -q "\"path\":.*/$1\""
}

# swap_on_flash: as on a disk that does not rotate, where huge pages go to swap in one.
swap_on_flash() {
	local disk

	disk=$(readlink -f /dev/disk/by-id/virtio-mcrswap)
	swapoff "$disk"
	echo 0 >"/sys/block/${disk##*/}/queue/rotational"
	swapon "$disk"
}

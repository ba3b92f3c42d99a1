# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The daemon with settings of its unit changed, on a guest with a quiet ext4 file system of its own below /home.

readonly slice=/sys/fs/cgroup/system.slice
readonly disk=/dev/disk/by-id/virtio-mcrswap
readonly drop_in=/run/systemd/system/memcg-reaperd.service.d/test.conf

# The swap disk of the boot, as /home: where a unit may hide file systems.
mount_home() {
	! mountpoint -q /home || return 0
	swapoff "$disk" 2>/dev/null || true
	mkfs.ext4 -q -F "$disk"
	mount "$disk" /home
}

# 0: the journal is empty. A sync commits to it, and only a checkpoint (or a clean umount) empties it.
journal_start() { dumpe2fs -h "$disk" 2>/dev/null | awk '$1 == "Journal" && $2 == "start:" { print $3 }'; }
journal_is_empty() { [[ $(journal_start) == 0 ]]; }

# with LINE...: the daemon anew, with these lines in [Service].
with() {
	systemctl stop memcg-reaperd
	mkdir -p "${drop_in%/*}"
	printf '%s\n' '[Service]' "$@" >"$drop_in"
	systemctl daemon-reload
	systemctl reset-failed memcg-reaperd 2>/dev/null || true
	since=$(journalctl -n 0 --show-cursor --no-pager | sed -n 's/^-- cursor: //p')
	systemctl start memcg-reaperd
	wait_for 20 test -e "$status_file"
}

# What the daemon has said since the last "with".
said() { journalctl --after-cursor="$since" -u memcg-reaperd -o cat --no-pager; }
says() { grep -q -- "$@" <<<"$(said)"; }

gate_is_on() { [[ $(status gate how) == lsm ]]; }
census_is_named() { [[ $(status census named) == true ]]; }

# Services that leave dirty metadata on /home: without a checkpoint some cannot be drained.
run_writers() {
	local i

	for i in 1 2 3 4 5 6; do
		systemd-run -q --wait --unit="writer-$i" sh -c "mkdir /home/$1-$i; head -c 30000 /dev/zero >/home/$1-$i/f"
	done
}

# users_cgroup NAME: one that is charged and belongs, with all its files, to a user.
users_cgroup() {
	local dir

	dir=$(charged_cgroup "$1")
	chown -R nobody "$dir"
	printf '%s\n' "$dir"
}

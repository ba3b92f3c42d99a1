# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Cgroups that are made, joined, left and removed by the thousand, and what of them stays. After reaper.sh.
# shellcheck disable=SC2034,SC2154 # for the scenarios, which set rate and settle

readonly slice=/sys/fs/cgroup/growth.slice knobs=/sys/kernel/mm/memcg_recharge
readonly step=100 data=/var/tmp/growth
shared=$(setting shared 2000) private=$(setting private 1000)

growth_setup() {
	systemctl stop memcg-reaperd
	printf '[Unit]\nDescription=Growth\n[Slice]\nMemoryAccounting=yes\n' >/run/systemd/system/growth.slice
	systemctl daemon-reload
	systemctl start growth.slice
	echo +memory >$slice/cgroup.subtree_control
	mkdir -p $data
	cat >/etc/memcg-reaper/reaper.conf <<-CONF
		[Reaper]
		IntervalSec=5s
		GraceSec=2s
		PinnedRetrySec=30s
		[Policy default]
		Slice=growth.slice
	CONF
}

dying() { zombies growth.slice; }
# What the kernel uses for itself and a memcg is made of, in KiB.
kernel_kib() { awk '$1 ~ /^(Slab|Percpu|KernelStack|PageTables):$/ { n += $2 } END { print n }' /proc/meminfo; }

# sample WHAT ROUNDS
sample() {
	figure "$1 $2: dying" "$(dying)" cgroups
	figure "$1 $2: kernel memory" "$(kernel_kib)" KiB
}

# What the daemon still holds will be dying for a moment when it goes.
is_held() { systemctl -q is-active memcg-reaperd && ! nothing_held; }
settled() { ! is_held && (($(dying) <= $1)); }

# grow WHAT ROUNDS COMMAND...: COMMAND with the number of the hundred, over and over; then a wait until no more than two are
# left of it, if that comes. Sets $left.
grow() {
	local what=$1 rounds=$2 before i

	shift 2
	before=$(dying)
	sample "$what" 0
	for ((i = 0; i < rounds; i += step)); do
		"$@" $i || fail "$what: $* $i"
		sample "$what" $((i + step))
	done
	wait_at_most $((settle * MCR_SLOW)) settled $((before + 2)) || true
	sample "$what" settled
	left=$(($(dying) - before))
	figure "$what: left of $rounds" $left cgroups
}

# What they run. Removals that are refused are somebody else's to do.
append() { /opt/mcr-tests/mcr-load append $slice $step "$rate" $data/shared; }
write_private() { /opt/mcr-tests/mcr-load services $slice $step "$rate" "$data/private-$1"; }
# The same files, by one cgroup that stays.
write_in_one() {
	mkdir -p $slice/one
	/opt/mcr-tests/mcr-load one $slice/one $step "$rate" "$data/one-$1"
}

grow_all() {
	grow "shared file" $shared append
	left_shared=$left
	grow "private files" $private write_private
	left_private=$left
	grow "control, no cgroups" $private write_in_one
	rmdir $slice/one || wait_for 60 test ! -e $slice/one	# the daemon may hold it
	rm -rf ${data:?}/*
}

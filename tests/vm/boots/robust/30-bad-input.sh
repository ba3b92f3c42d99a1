# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What nobody wishes for: strange names, a full /run, a second daemon, nonsense in the configuration, no cgroupfs.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice
readonly daemon=/usr/libexec/memcg-reaper/memcg-reaperd

# says CODE 'TEXT' COMMAND...: it ends with that exit code, and TEXT is in its one line of complaint.
says() {
	local code=$1 text=$2 got=0 out

	shift 2
	out=$("$@" 2>&1 >/dev/null) || got=$?
	printf 'exit %d: %s\n' "$got" "$out"
	[[ $got == "$code" && $out == *"$text"* && $(wc -l <<<"$out") == 1 ]]
}
journal_says() { journalctl -u memcg-reaperd -o cat --no-pager | grep -q -- "$1"; }
is_restarted() { systemctl -q is-active memcg-reaperd; }

systemctl start memcg-reaperd

# Names.
for name in 'with space' 'ünïcödé' $'tab\there' 'back\slash' 'ends (deleted)' "$(printf 'n%.0s' {1..250})"; do
	dir=$(charged_cgroup "$name")
	check_not "held: '${name:0:20}'" rmdir "$dir"
	check "settled and removed: '${name:0:20}'" wait_for 15 test ! -e "$dir"
done
systemctl stop memcg-reaperd
check_not "the kernel takes no newline in a name" mkdir $slice/$'new\nline'
dir=$slice/$'zombie\tof \xc3\xbc\x01'
mkdir "$dir"
sh -c "echo \$\$ >'$dir/cgroup.procs' && exec dd if=/dev/zero of=/dev/shm/odd bs=4K count=1 status=none"
rmdir "$dir"
check "control characters are escaped in text" grep -qF 'zombie\x09of ü\x01' <<<"$(memcg-reaper list)"
check "and exact in JSON" grep -qF 'zombie\tof ü\u0001' <<<"$(memcg-reaper list --json)"
rm /dev/shm/odd
systemctl start memcg-reaperd

# Depth 30: held, settled, and the parents whose removal failed meanwhile go after it.
deep=$slice
for i in {1..30}; do
	deep+=/d$i
	mkdir "$deep"
	echo +memory >"$(dirname "$deep")/cgroup.subtree_control"
done
sh -c "echo \$\$ >$deep/cgroup.procs && exec dd if=/dev/zero of=/var/tmp/deep bs=64K count=1 status=none"
check_not "a cgroup at depth 30 is held" rmdir "$deep"
parent=$(dirname "$deep")
while [[ $parent != "$slice" ]]; do
	rmdir "$parent" 2>/dev/null || true
	parent=$(dirname "$parent")
done
check "it and its 29 parents are removed" wait_for 40 test ! -e $slice/d1

# Cgroups that vanish at any moment, while everything reads.
(for _ in {1..12}; do /opt/mcr-tests/mcr-load services $slice 30 0 /var/tmp/churn; done >/dev/null) &
churn=$!
while kill -0 $churn 2>/dev/null; do
	memcg-reaper list >/dev/null || fail "list failed under churn"
	memcg-reaper reap >/dev/null || (($? == 5)) || fail "reap failed under churn"
done
check_nothing_held "nothing is left of the churn" 60

# 10,000 live cgroups.
mkdir $slice/many
echo +memory >$slice/many/cgroup.subtree_control
/opt/mcr-tests/mcr-load cgroups $slice/many 10000
check_ge "the census visits them all" "$(memcg-reaper list --json | json_value visited visited)" 10000
dir=$(charged_cgroup among-many)
check_not "the gate works among 10,000" rmdir "$dir"
check "and settles" wait_for 20 test ! -e "$dir"
check "reap works among 10,000" eval 'memcg-reaper reap || (($? == 5))'
check "protections of all are what they were" eval '! find $slice/many -name memory.min -exec cat {} + | grep -qvx 0'
/opt/mcr-tests/mcr-load clear $slice/many
rmdir $slice/many || true
check "they are removed" wait_for 60 test ! -e $slice/many

# Two daemons.
check "a second daemon says so and exits with 4" says 4 'another memcg-reaperd is running' $daemon

# Configuration: a typo is named by file, line and key, and the rest holds.
printf '[Reaper]\nGraceSec=5x\nNoSuchKey=1\nIntervalSec=7s\n[Nonsense\n' >/etc/memcg-reaper/reaper.conf
systemctl reload memcg-reaperd
sleep 1
check "a bad value is named" journal_says 'reaper.conf:2: GraceSec: value is not understood'
check "an unknown key is named" journal_says 'reaper.conf:3: NoSuchKey: unknown key'
check "a broken line is named" journal_says 'reaper.conf:5:'
sleep 3
check "the daemon goes on" daemon_is_active
rm /etc/memcg-reaper/reaper.conf
mkdir /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd
check "an unreadable configuration: defaults, and it says so" journal_says 'using the defaults'
rmdir /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd

# A full /run: nothing is shielded that could not be put back, removals go on.
systemctl stop memcg-reaperd
/opt/mcr-tests/mcr-load services $slice 20 0 /var/tmp/full >/dev/null
mkdir -p /run/memcg-reaper
mount -t tmpfs -o size=4k tmpfs /run/memcg-reaper
dd if=/dev/zero of=/run/memcg-reaper/filler bs=4k count=1 status=none
check "reap refuses without room for its journal" says 1 'No space left' memcg-reaper reap
check_eq "and has touched nothing" "$(raised_minima)" ""
umount /run/memcg-reaper

# No BTF, cgroupfs read-only, cgroupfs absent: each in a mount namespace of its own.
check "no BTF: counts, and one line that says why" \
	unshare -m sh -c 'mount --bind /dev/null /sys/kernel/btf/vmlinux && memcg-reaper list 2>&1 | grep -q "only counts, no names"'
check "cgroupfs read-only: reap says so" unshare -m sh -c '
	mount -o remount,ro,bind /sys/fs/cgroup && memcg-reaper reap 2>&1 | grep -q "Read-only file system"'
check "no cgroupfs: refused with 3" unshare -m sh -c '
	umount -l /sys/fs/cgroup; memcg-reaper status; test $? = 3'
check "the daemon refuses as well, with 3" unshare -m sh -c "umount -l /sys/fs/cgroup; $daemon; test \$? = 3"
systemctl start memcg-reaperd

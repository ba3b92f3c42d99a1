# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What people have of it: with Recharge=yes no zombie is made of what lives on in tmpfs, and those there are go.
# timeout: 500
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice
readonly owner=$slice/system-memcgowner.slice

swapoff -a
cat >/etc/memcg-reaper/reaper.conf <<CONF
[Reaper]
IntervalSec=3s
GraceSec=1s
[Policy default]
Slice=system.slice
Recharge=yes
HoldMaxSec=$((60 * MCR_SLOW))s
CONF
systemctl restart memcg-reaperd
wait_for 20 busctl --system status org.memcgreaper1 >/dev/null
current() { cat "$owner/memory.current" 2>/dev/null || echo 0; }
zombies() { memcg-reaper list --json | grep -c "\"path\":.*/$1\"" || true; }
sum() { sha256sum "$1" | cut -d' ' -f1; }
# writes NAME FILE MIB: a service that leaves a file of random content in tmpfs, and goes.
writes() {
	systemd-run -q --wait --unit="$1" dd if=/dev/urandom of="$2" bs=1M count="$3" status=none
}

# Nobody has it open: under lease.
check "a service leaves a file in tmpfs" writes leaves /dev/shm/left 8
before=$(sum /dev/shm/left)
check "its cgroup goes" wait_for 60 test ! -e $slice/leaves.service
check_ge "the owner pays for it" "$(current)" $((8 << 20))
check "and leaves no zombie" wait_for 10 eval '[[ $(zombies leaves.service) == 0 ]]'
check_eq "not a bit is different" "$(sum /dev/shm/left)" "$before"
check "the journal says so" eval "journalctl -u memcg-reaperd -o cat --no-pager | grep '^recharged /system.slice/leaves.service' | tee -a /dev/stderr | grep -q 'to system.slice/system-memcgowner.slice'"
journalctl --update-catalog
check "and explains it" eval "journalctl -x -u memcg-reaperd --no-pager | grep 'was given to another cgroup'"
check "status tells how much" wait_for 10 eval "memcg-reaper status | tee -a /dev/stderr | grep -q 'Recharged: 8'"
check "owners shows it" eval "memcg-reaper owners | tee -a /dev/stderr | grep -q 'tmpfs /left'"

# Somebody uses it: while frozen, and they live on.
check "another service leaves a file" eval 'systemd-run -q --unit=maker sh -c "dd if=/dev/urandom of=/dev/shm/used bs=1M count=8 status=none; sleep 1000" && wait_for 20 eval "[[ \$(stat -c %s /dev/shm/used 2>/dev/null) == 8388608 ]]"'
systemd-run -q --unit=user sh -c 'exec 3<>/dev/shm/used; while :; do sleep 0.1; done'
wait_for 10 systemctl is-active user.service
before=$(sum /dev/shm/used)
at=$(current)
systemctl stop maker
check "its cgroup goes too" wait_for 60 test ! -e $slice/maker.service
check_ge "the owner pays for that as well" $(($(current) - at)) $((8 << 20))
check "no zombie" wait_for 10 eval '[[ $(zombies maker.service) == 0 ]]'
check_eq "not a bit is different" "$(sum /dev/shm/used)" "$before"
check_eq "who uses it is not frozen any more" "$(grep frozen $slice/user.service/cgroup.events)" "frozen 0"
check "and runs" systemctl is-active user.service
systemctl stop user

# Zombies that exist already.
printf '[Reaper]\nIntervalSec=3s\nGraceSec=1s\n[Policy default]\nSlice=system.slice\nGate=no\nDrain=no\n' >/etc/memcg-reaper/reaper.conf
# On the bus: `systemctl reload` returns before it is in force.
busctl --system call org.memcgreaper1 /org/memcgreaper1 org.memcgreaper1.Manager Reload
writes old /dev/shm/old 4
check "without it there is a zombie" wait_for 20 eval '[[ $(zombies old.service) == 1 ]]'
check "it is said what would be done" eval "memcg-reaper recharge --dry-run old.service | tee -a /dev/stderr | grep -q '4.0M would be moved lease'"
check_eq "and nothing was" "$(zombies old.service)" 1
printf '[Reaper]\nIntervalSec=3s\nGraceSec=1s\nPinnedRetrySec=1s\n[Policy default]\nSlice=system.slice\nRecharge=yes\n' >/etc/memcg-reaper/reaper.conf
systemd-run -q --unit=tight -p MemoryMax=32M sleep infinity
at=$(current)
before=$(sum /dev/shm/old)
systemctl restart memcg-reaperd
owed() { (($(current) - at >= 4 << 20)); }
check "near a service's limit nothing is reclaimed, and yet its file is moved" wait_for 120 owed
systemctl stop tight
systemctl set-property --runtime system-memcgowner.slice MemoryMax=64M
told() { journalctl -u memcg-reaperd -u 'memcg-reaper-recharge@*' -o short-monotonic --no-pager | tail -n 40; }
check "the owner's own limit keeps nobody from being reaped: the zombie goes" \
	eval 'wait_for 120 eval "[[ \$(zombies old.service) == 0 ]]" || { told; false; }'
systemctl set-property --runtime system-memcgowner.slice MemoryMax=infinity
check_eq "its file does not" "$(sum /dev/shm/old)" "$before"
systemctl stop memcg-reaperd

# By hand.
writes again /dev/shm/again 4
systemctl start shared.slice
check "a zombie is moved to whom is said" eval "memcg-reaper recharge --to=shared.slice again.service | tee -a /dev/stderr | grep -q '4.0M moved lease'"
check_ge "who pays for it" "$(cat /sys/fs/cgroup/shared.slice/memory.current)" $((4 << 20))
check "a file too, and to and fro" eval "memcg-reaper recharge --json --to=system-memcgowner.slice /dev/shm/again | tr -d ' \n' | tee -a /dev/stderr | grep -q '\"moved_bytes\":4194304'"
check_le "who paid does not any more" "$(cat /sys/fs/cgroup/shared.slice/memory.current)" $((1 << 20))
refuses() {
	local text=$1 out

	shift
	out=$("$@" 2>&1) && return 1
	printf '%s\n' "$out"
	grep -qF -- "$text" <<<"$out"
}
check "a file needs an owner" refuses "to whom?" memcg-reaper recharge /dev/shm/again
check "what is nothing is nothing" refuses "is no file, no cgroup and no zombie" memcg-reaper recharge --to=shared.slice nonsense
check "a file of a disk is none of tmpfs" refuses "not moved" memcg-reaper recharge --to=shared.slice /etc/fstab
check "a slice with others in it" refuses "other cgroups are in the owner" memcg-reaper recharge --to=system.slice /dev/shm/again
dd if=/dev/zero of=/run/managers bs=64K count=1 status=none
check "a file on /run is the service manager's" refuses "service manager opens files" \
	memcg-reaper recharge --to=shared.slice /run/managers
rm /run/managers
systemctl start system-limited.slice
systemctl set-property --runtime system-limited.slice MemoryMax=256M
systemd-run -q --wait --slice=system-limited.slice --unit=limited dd if=/dev/zero of=/dev/shm/limited bs=64K count=1 status=none
check "nobody escapes a limit so" refuses "a cgroup with a limit" memcg-reaper recharge limited.service
rm /dev/shm/limited
systemctl stop system-limited.slice
check "an owner that cannot be" refuses "the owner does not exist" memcg-reaper recharge --to=none.service /dev/shm/again
# Of the daemon's own an answer may wait: it was stopped.
left_requests() { find /run/memcg-reaper/recharge -name '*.request' -o -name 'cli-*' | wc -l; }
check_eq "no request is left" "$(left_requests)" 0
check_eq "and no unit failed" "$(systemctl list-units --failed --no-legend 'memcg-*' | wc -l)" 0

# Killed in the middle, again and again: systemd starts it anew, and it puts right what it had in hand.
dd if=/dev/urandom of=/dev/shm/large bs=1M count=24 status=none
before=$(sum /dev/shm/large)
# in_the_middle CGROUP: waits until somebody works in the owner, and a moment longer.
in_the_middle() {
	local pid end=$((SECONDS + 10 * MCR_SLOW))

	while ((SECONDS < end)); do
		if read -r pid <"$1/cgroup.procs" && [[ $pid ]]; then
			sleep "0.$((RANDOM % 4))$((RANDOM % 9))"
			return
		fi
	done
	return 1
}
killed=0
for ((i = 0; i < 40 && killed < 12; i++)); do
	to=shared.slice dir=/sys/fs/cgroup/shared.slice
	((i % 2)) || to=system-memcgowner.slice dir=$owner
	memcg-reaper recharge --to="$to" /dev/shm/large >/dev/null &
	caller=$!
	in_the_middle "$dir" || true
	pkill -KILL -x memcg-recharge && killed=$((killed + 1))
	wait $caller || true
	[[ $(sum /dev/shm/large) == "$before" ]] || fail "round $i: content differs"
done
repairs() { journalctl -u 'memcg-reaper-recharge@*' -o cat --no-pager | grep -c '^put right' || true; }
figure "SIGKILLs while it worked" $killed kills
figure "of these, something was put right" "$(repairs)" repairs
check_ge "it was killed" $killed 10
check_ge "and in the middle" "$(repairs)" 3
check_eq "not a bit is different" "$(sum /dev/shm/large)" "$before"
check_eq "no request is left" "$(left_requests)" 0

# Stopped there is no other start: ExecStopPost= puts right. SIGTERM ends it at once as well, and systemd takes that for a success.
systemd-run -q --unit=user sh -c 'exec 3<>/dev/shm/large; while :; do sleep 0.1; done'
wait_for 10 systemctl is-active user.service
before_stops=$(repairs)
for i in {1..10}; do
	to=shared.slice dir=/sys/fs/cgroup/shared.slice
	((i % 2)) || to=system-memcgowner.slice dir=$owner
	memcg-reaper recharge --to=$to /dev/shm/large >/dev/null 2>&1 &
	caller=$!
	in_the_middle "$dir" || true
	((i % 3)) || systemctl kill -s KILL 'memcg-reaper-recharge@*' 2>/dev/null || true
	systemctl stop 'memcg-reaper-recharge@*'
	kill $caller 2>/dev/null || true
	wait $caller 2>/dev/null || true
	[[ $(sum /dev/shm/large) == "$before" ]] || fail "stop $i: content differs"
	check_eq "nobody is frozen after stop $i" "$(grep frozen $slice/user.service/cgroup.events)" "frozen 0"
done
systemctl stop user
check_ge "stopped in the middle, and put right" $(($(repairs) - before_stops)) 3
check_eq "not a bit is different" "$(sum /dev/shm/large)" "$before"
figure "times something was put right" "$(repairs)" repairs
rm -f /dev/shm/large
rm -f /dev/shm/again /dev/shm/old /dev/shm/used /dev/shm/left /etc/memcg-reaper/reaper.conf
rm -f /run/memcg-reaper/recharge/*.request
systemctl start memcg-reaperd

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# org.memcgreaper1: what it tells everybody, what it does for whom, and what becomes of floods and nonsense.
# timeout: 500
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly slice=/sys/fs/cgroup/system.slice
readonly where=(org.memcgreaper1 /org/memcgreaper1 org.memcgreaper1.Manager)

call() { busctl --system --timeout=60 call "${where[@]}" "$@"; }
property() { busctl --system get-property "${where[@]}" "$1" | awk '{ print $2 }'; }
as() { runuser -u "$1" -- "${@:2}"; }
# refuses 'TEXT' COMMAND...: it fails, and TEXT is in its one line of complaint.
refuses() {
	local text=$1 out

	shift
	! out=$("$@" 2>&1) || { printf 'no failure: %s\n' "$out"; return 1; }
	printf '%s\n' "$out"
	[[ $out == *"$text"* && $(wc -l <<<"$out") == 1 ]]
}
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$(systemctl show -P MainPID memcg-reaperd)/status"; }
too_many() { awk '/LimitExceeded|LimitsExceeded/ { n += $1 } END { print n + 0 }' "$1"; }
on_the_bus() { busctl --system status org.memcgreaper1 >/dev/null 2>&1; }
journal_says() { journalctl -u memcg-reaperd -o cat --no-pager | grep -q -- "$1"; }

useradd -m -u 1500 alice 2>/dev/null || true
useradd -m -u 1501 bob 2>/dev/null || true
cat >/etc/memcg-reaper/reaper.conf <<'CONF'
[Reaper]
IntervalSec=3s
GraceSec=1s
CONF
systemctl restart memcg-reaperd
check "the daemon comes to the bus" wait_for 20 on_the_bus

# Reading is free.
check "introspection names every method" eval 'out=$(as nobody busctl --system introspect org.memcgreaper1 /org/memcgreaper1); printf "%s\n" "$out"
	for name in ListZombies GetStatus GetFeatures GetPolicy Explain DrainUnit DrainCgroup Reap Reload ZombieFound ZombieGone ZombiePinned CgroupSettled; do
		grep -q "^\.$name " <<<"$out" || exit 1; done'
check "anybody may list zombies" as nobody busctl --system call "${where[@]}" ListZombies
check "anybody may have the status" eval 'as nobody busctl --system call "${where[@]}" GetStatus | grep -q since_start'
check "anybody may see what works here" eval 'as nobody busctl --system call "${where[@]}" GetFeatures | grep -q "\"gate\" true"'
check "anybody may ask for a policy" eval 'as nobody busctl --system call "${where[@]}" GetPolicy s /system.slice/dbus.service | grep -q "\"default\" \"system.slice\""'

# Changing is not.
check "nobody may not reload" refuses "" as nobody busctl --system call "${where[@]}" Reload
check "nobody may not reap" refuses "" as nobody busctl --system call "${where[@]}" Reap
check "nobody may not drain the unit of another" refuses "" as nobody busctl --system call "${where[@]}" DrainUnit st dbus.service 0
check "root may reload, and is told of complaints" eval '[[ $(call Reload) == "u 0" ]]'
check "root may reap, and is answered when it is done" eval 'call Reap | grep -q "^tts "'
check "root may drain a unit, and is told what came of it" eval 'call DrainUnit st dbus.service 20000000 | tee -a /dev/stderr | grep -qE "\"(left|settled)\""'

# A bad file is no reload.
printf 'x\0y\n%.0s' {1..200} >/etc/memcg-reaper/reaper.conf.d/90-bad.conf 2>/dev/null || { mkdir -p /etc/memcg-reaper/reaper.conf.d; printf 'x\0y\n%.0s' {1..200} >/etc/memcg-reaper/reaper.conf.d/90-bad.conf; }
generation=$(property ConfigGeneration)
check "a file that is none is refused by name" refuses "the old one stays" call Reload
check_eq "and nothing has changed" "$(property ConfigGeneration)" "$generation"
rm /etc/memcg-reaper/reaper.conf.d/90-bad.conf

# Nonsense: one clear error each.
check "wrong types" refuses "" busctl --system call "${where[@]}" DrainUnit s dbus.service
check "a path with .." refuses "no path of a cgroup" call DrainCgroup st /system.slice/../init.scope 0
check "a path outside of the hierarchy" refuses "there is no such cgroup" call DrainCgroup st /etc/passwd 0
check "a cgroup that does not exist" refuses "there is no such cgroup" call DrainCgroup st /system.slice/none.service 0
check "the root" refuses "the root cannot be drained" call DrainCgroup st / 0
check "no policy covers it" refuses "no policy covers" call DrainCgroup st /init.scope 0
check "a unit without a cgroup" refuses "" call DrainUnit st none.service 0
check "what is no unit" refuses "is no name of a unit" call DrainUnit st /etc/passwd 0
check "an endless timeout" refuses "more than 15 minutes" call DrainUnit st dbus.service 900000001
check "a policy for a cgroup that does not exist" refuses "there is no such cgroup" call GetPolicy s /none

# Users and their own.
loginctl enable-linger alice
wait_for 30 test -d /sys/fs/cgroup/user.slice/user-1500.slice/user@1500.service/app.slice || true
own=/user.slice/user-1500.slice/user@1500.service
check "alice may drain what systemd has given to her" eval 'as alice busctl --system call "${where[@]}" DrainCgroup st $own 20000000 | tee -a /dev/stderr | grep -qE "\"(left|settled)\""'
check "bob may not" refuses "" as bob busctl --system call "${where[@]}" DrainCgroup st $own 0
check "a service of bob's may ask for itself" systemd-run -q --wait --pipe -p User=bob --unit=bobs.service \
	busctl --system call "${where[@]}" DrainUnit st bobs.service 10000000
check_not "but not for another" systemd-run -q --wait --pipe -p User=bob --unit=bobs2.service \
	busctl --system call "${where[@]}" DrainUnit st dbus.service 10000000

# Signals and properties.
busctl --system monitor --match="type='signal',sender='org.memcgreaper1'" >/var/tmp/signals 2>&1 &
monitor=$!
wait_for 10 grep -q 'Monitoring' /var/tmp/signals || true
dir=$(charged_cgroup signalled)
rmdir "$dir" 2>/dev/null || true
check "CgroupSettled is sent" wait_for 20 eval "grep -q 'Member=CgroupSettled' /var/tmp/signals && grep -q /system.slice/signalled /var/tmp/signals"
mkdir $slice/pinned
sh -c "echo \$\$ >$slice/pinned/cgroup.procs && exec dd if=/dev/zero of=/dev/shm/pinned bs=4K count=1 status=none"
for _ in {1..100}; do rmdir $slice/pinned 2>/dev/null && break; sleep 0.2; done
check "ZombieFound is sent" wait_for 40 grep -q 'Member=ZombieFound' /var/tmp/signals
check "ZombiePinned is sent" wait_for 60 grep -q 'Member=ZombiePinned' /var/tmp/signals
check "properties tell of it" wait_for 20 eval "grep -q 'Member=PropertiesChanged' /var/tmp/signals && (($(property Pinned) >= 1))"
rm /dev/shm/pinned
check "ZombieGone is sent" wait_for 60 grep -q 'Member=ZombieGone' /var/tmp/signals
kill $monitor

# A flood: of somebody who may not, and of somebody who may.
before=$(rss_kib)
as nobody /opt/mcr-tests/mcr-calls 1000 DrainUnit dbus.service 10000000 | tee /var/tmp/flood-nobody
check_eq "1000 calls of nobody are all answered" "$(awk '{ n += $1 } END { print n }' /var/tmp/flood-nobody)" 1000
check_not "and none was let in" grep -qE 'settled|left|queued' /var/tmp/flood-nobody
mkdir -p $slice/flood
as alice /opt/mcr-tests/mcr-calls 1000 DrainCgroup $own 20000000 >/var/tmp/flood-alice &
flood=$!
check "others are served meanwhile" eval 'for _ in {1..10}; do call GetFeatures >/dev/null || exit 1; done'
dir=$(charged_cgroup amid-flood)
check_not "the gate holds meanwhile" rmdir "$dir"
wait $flood
cat /var/tmp/flood-alice
check_eq "1000 calls of alice are all answered" "$(awk '{ n += $1 } END { print n }' /var/tmp/flood-alice)" 1000
# The bus has a limit of its own for one connection, which comes first; what passes it meets ours.
check_ge "most are told that there are too many" "$(too_many /var/tmp/flood-alice)" 500
check "held meanwhile, and settled" wait_for 20 test ! -e "$dir"
check_le "memory of the daemon has grown by, KiB" $(($(rss_kib) - before)) 4096
figure "calls of 1000 refused as too many, of somebody who may not ask" "$(too_many /var/tmp/flood-nobody)" calls
figure "calls of 1000 refused as too many, of somebody who may ask" "$(too_many /var/tmp/flood-alice)" calls
figure "memory of the daemon grown by two floods" $(($(rss_kib) - before)) KiB
check_eq "nothing waits afterwards" "$(property Waiting)" 0

# The bus goes, and comes back.
pid=$(systemctl show -P MainPID memcg-reaperd)
systemctl restart dbus.service
check "the daemon comes back to the bus" wait_for 30 on_the_bus
systemctl stop dbus.socket dbus.service
dir=$(charged_cgroup without-bus)
check_not "without a bus the gate holds all the same" rmdir "$dir"
check "and settles" wait_for 20 test ! -e "$dir"
check "a reload by signal works without a bus" kill -HUP "$pid"
sleep 3
printf '[Service]\nType=oneshot\nExecStart=memcg-reaper drain --unit=%%n --wait=10 --strict --json\nSuccessExitStatus=5\n' \
	>/run/systemd/system/nobus.service
systemctl daemon-reload
check "without a bus a unit may still ask for itself" systemctl start nobus.service
check "drain says in one line that it came to nothing, and is no failure" eval '[[ $(memcg-reaper drain --unit=x.service 2>&1 | wc -l) == 1 ]]'
check_not "unless it is to be one" memcg-reaper drain --unit=x.service --strict
systemctl restart --no-block memcg-reaperd 2>/dev/null || kill -TERM "$pid"
sleep 5
systemctl start dbus.socket dbus.service
check "started without a bus, the daemon is on it later" wait_for 60 on_the_bus
rm /etc/memcg-reaper/reaper.conf

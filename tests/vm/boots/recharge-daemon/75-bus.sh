# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Recharge() of org.memcgreaper1: who may, what can be named, what is answered, floods and nonsense; what status and properties count.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly where=(org.memcgreaper1 /org/memcgreaper1 org.memcgreaper1.Manager)

# A kernel that checks all it does needs half a minute for each.
call() { busctl --system --timeout=600 call "${where[@]}" "$@"; }
property() { busctl --system get-property "${where[@]}" "$1" | awk '{ print $2 }'; }
as() { runuser -u "$1" -- "${@:2}"; }
on_the_bus() { busctl --system status org.memcgreaper1 >/dev/null 2>&1; }
# refuses 'TEXT' COMMAND...: it fails, and TEXT is in its one line of complaint.
refuses() {
	local text=$1 out

	shift
	! out=$("$@" 2>&1) || { printf 'no failure: %s\n' "$out"; return 1; }
	printf '%s\n' "$out"
	[[ $out == *"$text"* && $(wc -l <<<"$out") == 1 ]]
}
# answers 'TEXT' COMMAND...: it succeeds, and says so; quotes as JSON has them.
answers() {
	local text=$1 out

	shift
	out=$("$@" 2>&1) || { printf 'failed: %s\n' "$out"; return 1; }
	printf '%s\n' "$out"
	[[ ${out//\\/} == *"$text"* ]]
}
sum() { sha256sum "$1" | cut -d' ' -f1; }
writes() { systemd-run -q --wait --unit="$1" dd if=/dev/urandom of="$2" bs=1M count="$3" status=none; }
zombies() { memcg-reaper list --json | grep -c "\"path\":.*/$1\"" || true; }
# A zombie that the daemon knows.
known() { call ListZombies | grep -q "/system.slice/$1\""; }
id_of() { call ListZombies | grep -o "[0-9]* \"/system.slice/$1\"" | cut -d' ' -f1; }
recharges() { memcg-reaper status --json | json_value recharges "$1"; }
too_many() { awk '/LimitExceeded|LimitsExceeded/ { n += $1 } END { print n + 0 }' "$1"; }
requests() { find /run/memcg-reaper/recharge -name "*.request" -o -name "*.result" | wc -l; }

swapoff -a
id alice >/dev/null 2>&1 || useradd -m -u 1500 alice
id bob >/dev/null 2>&1 || useradd -m -u 1501 bob
# No policy recharges by itself here, and nothing is held.
cat >/etc/memcg-reaper/reaper.conf <<'CONF'
[Reaper]
IntervalSec=2s
GraceSec=1s
PinnedRetrySec=1h
[Policy default]
Slice=system.slice
Gate=no
Drain=no
CONF
systemctl restart memcg-reaperd
systemctl start shared.slice
check "the daemon comes to the bus" wait_for 30 on_the_bus
check "introspection names the method" eval 'as nobody busctl --system introspect org.memcgreaper1 /org/memcgreaper1 | tee /var/tmp/introspect | grep -q "^\.Recharge .*ssb *s "'
for name in Recharging RechargedBytes RechargesRefused RechargesUnanswered; do
	check "and the property $name" grep -q "^\.$name .*property" /var/tmp/introspect
done

# Whoever is not allowed learns nothing, not even whether there is such a file.
writes mine /dev/shm/mine 4
before=$(sum /dev/shm/mine)
check "the daemon sees a zombie" wait_for 20 known mine.service
for what in mine.service /dev/shm/mine /dev/shm/none /root/secret 1 file:/etc/shadow nonsense; do
	check "nobody may not: $what" refuses "Access denied" as nobody busctl --system call "${where[@]}" Recharge ssb "$what" shared.slice false
	check "nor ask what would be: $what" refuses "Access denied" as nobody busctl --system call "${where[@]}" Recharge ssb "$what" shared.slice true
done
check "nobody may not by its program either" refuses "cannot recharge: not allowed" as nobody memcg-reaper recharge --to=shared.slice mine.service
check "a service may not recharge itself by being it" refuses "Access denied" systemd-run -q --wait --pipe -p User=bob --unit=bobs3.service \
	busctl --system call "${where[@]}" Recharge ssb bobs3.service shared.slice false
# No Hello there: one call is all.
direct() {
	dbus-send --peer=unix:path=/run/memcg-reaper/bus --print-reply --reply-timeout=600000 --dest=org.memcgreaper1 /org/memcgreaper1 \
		org.memcgreaper1.Manager.Recharge "string:$1" "string:$2" "boolean:$3" 2>&1
}
check "nor by the daemon's own socket, where nobody can be asked for a password" refuses "polkit cannot be asked" \
	as nobody bash -c "$(declare -f direct); direct mine.service shared.slice false"
check "root may, there too" answers '"dry_run":true' direct mine.service shared.slice true
check_eq "nothing was moved" "$(sum /dev/shm/mine) $(zombies mine.service)" "$before 1"
check_eq "and nothing asked for" "$(requests) $(property RechargedBytes)" "0 0"

# Root.
id=$(id_of mine.service)
check "a dry run tells what would be" answers '"strategy":"lease"' call Recharge ssb "$id" shared.slice true
check "and says that it is one" answers '"dry_run":true' call Recharge ssb mine.service shared.slice true
check_eq "nothing was moved by it, nor counted" "$(zombies mine.service) $(property RechargedBytes)" "1 0"
check "a zombie by its id" answers '"moved_bytes":4194304' call Recharge ssb "$id" shared.slice false
check_ge "who was named pays" "$(cat /sys/fs/cgroup/shared.slice/memory.current)" $((4 << 20))
check_eq "not a bit is different" "$(sum /dev/shm/mine)" "$before"
check "the zombie goes" wait_for 30 eval '[[ $(zombies mine.service) == 0 ]]'
check "a file, to and fro" answers '"moved_bytes":4194304' call Recharge ssb /dev/shm/mine system-memcgowner.slice false
check "also if it is said to be one" answers '"moved_bytes":4194304' call Recharge ssb file:/dev/shm/mine shared.slice false
writes named /dev/shm/named 1
check "the daemon sees another zombie" wait_for 20 known named.service
check "by its name, and to whom policy says" answers '"owner":"system.slice/system-memcgowner.slice"' call Recharge ssb named.service "" false
systemd-run -q --unit=live sh -c 'dd if=/dev/urandom of=/dev/shm/live bs=1M count=2 status=none; sleep 1000'
wait_for 20 eval '[[ $(stat -c %s /dev/shm/live 2>/dev/null) == 2097152 ]]'
check "a unit that runs" answers '"moved_bytes":2097152' call Recharge ssb live.service "" false
systemctl stop live
dd if=/dev/urandom of=/dev/shm/live bs=1M count=2 status=none
check "a cgroup by its path" answers '"recharges":[{"path":"/system.slice/dbus.service"' call Recharge ssb /system.slice/dbus.service "" true
printf '[Reaper]\nIntervalSec=2s\nGraceSec=1s\n[Policy default]\nSlice=system.slice\nGate=no\nDrain=no\nDryRun=yes\n' >/etc/memcg-reaper/reaper.conf
call Reload
writes dry /dev/shm/dry 1
check "the daemon sees a third" wait_for 20 known dry.service
check "a policy that is a dry run stays one" answers '"dry_run":true' call Recharge ssb dry.service "" false
check_eq "nothing was moved by it" "$(zombies dry.service)" 1
sed -i '/DryRun=/d' /etc/memcg-reaper/reaper.conf
call Reload

# Nonsense: one clear error each.
check "wrong types" refuses "" busctl --system call "${where[@]}" Recharge s x
check "nothing named" refuses "what is to be recharged" call Recharge ssb "" shared.slice false
check "an owner that is no path" refuses "cannot be an owner" call Recharge ssb dry.service ../x false
check "the root" refuses "the root cannot be recharged" call Recharge ssb / shared.slice false
check "what is nothing" refuses "there is no such cgroup, zombie, unit or file" call Recharge ssb nonsense shared.slice false
check "a unit that is not there" refuses "there is no such" call Recharge ssb none.service shared.slice false
check "a number that is none" refuses "there is no such" call Recharge ssb 99999999999 shared.slice false
check "a file without an owner" refuses "to whom?" call Recharge ssb /dev/shm/mine "" false
check "a file that is none of a path" refuses "no path of a file" call Recharge ssb file:mine shared.slice false
check "a file that is not there is answered" answers '"why_not":"No such file or directory"' call Recharge ssb /dev/shm/none shared.slice false
check "a file of a disk too" answers '"refusal":"not-shmem"' call Recharge ssb /etc/fstab shared.slice false
check "an owner that is not there" answers '"why_not":"the owner does not exist' call Recharge ssb /dev/shm/mine none.service false

# By the program, which asks the daemon.
writes tool /dev/shm/tool 1
check "the daemon sees one more" wait_for 20 known tool.service
moved=$(property RechargedBytes)
check "root's program" answers "1.0M moved lease" memcg-reaper recharge --to=shared.slice tool.service
check_eq "was served by the daemon" "$(property RechargedBytes)" $((moved + (1 << 20)))
mkdir -p /etc/polkit-1/rules.d
cat >/etc/polkit-1/rules.d/50-test.rules <<'RULES'
polkit.addRule(function(action, subject) {
	if (action.id == "org.memcgreaper1.recharge" && subject.user == "alice")
		return polkit.Result.YES;
});
RULES
alice_may() { as alice busctl --system --timeout=600 call "${where[@]}" Recharge ssb /dev/shm/tool shared.slice true >/dev/null 2>&1; }
check "who was allowed by polkit may" wait_for 20 alice_may
check "also by the program" answers "1.0M moved lease" as alice memcg-reaper recharge --to=system-memcgowner.slice /dev/shm/tool
check "and as JSON" eval 'as alice memcg-reaper recharge --json --to=shared.slice /dev/shm/tool | tr -d " \n" | tee -a /dev/stderr | grep -q "\"moved_bytes\":1048576"'
check "bob still may not" refuses "not allowed" as bob memcg-reaper recharge --to=shared.slice /dev/shm/tool
check "nonsense of hers is told in one line" refuses "there is no such" as alice memcg-reaper recharge --to=shared.slice nonsense

# What it came to.
check_ge "objects moved are counted" "$(recharges answered)" 8
check "by strategy" eval 'memcg-reaper status --json | tr -d " \n" | grep -o "\"moved\":\[{\"strategy\":\"lease\",\"objects\":[0-9]*"'
check "by refusal" eval 'memcg-reaper status --json | tr -d " \n" | grep -o "{\"refusal\":\"not-shmem\",\"objects\":1,"'
check_ge "and told as a property" "$(property RechargesRefused)" 1
check "status has it in a line" eval 'memcg-reaper status | tee -a /dev/stderr | grep -q "Recharged: .* objects refused, .* most"'

# A flood of somebody who may not, and of somebody who may; the daemon serves others meanwhile.
as nobody /opt/mcr-tests/mcr-calls 500 Recharge /dev/shm/tool shared.slice | tee /var/tmp/flood-nobody
check_eq "500 calls of nobody are all answered" "$(awk '{ n += $1 } END { print n }' /var/tmp/flood-nobody)" 500
check_not "none was let in" grep -q answered /var/tmp/flood-nobody
as alice /opt/mcr-tests/mcr-calls 300 Recharge /dev/shm/tool shared.slice >/var/tmp/flood-alice &
flood=$!
check "others are served meanwhile" eval 'for _ in {1..5}; do call GetFeatures >/dev/null || exit 1; done'
check_le "no more are under way than may be" "$(property Recharging)" 8
wait $flood
cat /var/tmp/flood-alice
check_eq "300 calls of alice are all answered" "$(awk '{ n += $1 } END { print n }' /var/tmp/flood-alice)" 300
check_ge "some with what they asked for" "$(awk '/answered/ { print $1 }' /var/tmp/flood-alice)" 1
check_ge "most are told that there are too many" "$(too_many /var/tmp/flood-alice)" 200
figure "of 300 calls at once, answered" "$(awk '/answered/ { print $1 }' /var/tmp/flood-alice)" calls
check "nothing is under way afterwards" wait_for 20 eval '[[ $(property Recharging) == 0 ]]'
check_eq "nothing waits" "$(property Waiting)" 0
check_eq "nothing is left of it" "$(requests)" 0

# Who asked has gone: what is under way goes on, and the daemon too.
dd if=/dev/urandom of=/dev/shm/large bs=1M count=32 status=none
pid=$(systemctl show -P MainPID memcg-reaperd)
moved=$(property RechargedBytes)
memcg-reaper recharge --to=shared.slice /dev/shm/large >/dev/null 2>&1 &
caller=$!
check "it is under way" wait_for 60 eval '(($(requests) >= 1))'
kill -KILL $caller
check "what was asked for is moved all the same" wait_for 120 eval '(($(property RechargedBytes) >= moved + (32 << 20)))'
check_eq "the daemon is the same" "$(systemctl show -P MainPID memcg-reaperd)" "$pid"
check_eq "and no unit failed" "$(systemctl list-units --failed --no-legend 'memcg-*' | wc -l)" 0
rm -f /dev/shm/{mine,named,live,dry,tool,large} /etc/memcg-reaper/reaper.conf /etc/polkit-1/rules.d/50-test.rules
systemctl restart memcg-reaperd

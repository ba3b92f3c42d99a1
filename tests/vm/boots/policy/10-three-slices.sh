# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Three slices with three policies, each behaving as its policy says; then changed live.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly count=20 top=/sys/fs/cgroup/mcr.slice
readonly web=$top/mcr-web.slice batch=$top/mcr-batch.slice quiet=$top/mcr-quiet.slice

# The slice lives as long as something in it does.
for name in web batch quiet; do
	systemd-run -q --unit="keep-$name" --slice="mcr-$name.slice" sleep infinity
	mkdir -p "/var/tmp/$name"
done

journal() { journalctl -u memcg-reaperd -o cat --no-pager "$@"; }
# Entries with ACTION for cgroups below a slice, by the journal's own fields.
actions() { journalctl -u memcg-reaperd --no-pager -o export ACTION="$1" | grep -c "^CGROUP=/${2#/sys/fs/cgroup/}/" || true; }
below() { zombies "${1#/sys/fs/cgroup/}"; }
no_zombies_below() { (($(below "$1") == 0)); }
load() { /opt/mcr-tests/mcr-load services "$1" $count 0 "/var/tmp/${1##*-}" | tee -a /dev/stderr | sed -n 's/.* refused \([0-9]*\) .*/\1/p'; }
reloaded() { (($(journal | grep -c 'configuration read again') == $1)); }

mkdir -p /etc/memcg-reaper/reaper.conf.d
cat >/etc/memcg-reaper/reaper.conf.d/50-test.conf <<'CONF'
[Reaper]
IntervalSec=3s
GraceSec=1s

[Policy web]
Slice=mcr-web.slice

[Policy batch]
Slice=mcr-batch.slice
Gate=no

[Policy quiet]
Slice=mcr-quiet.slice
DryRun=yes
CONF
check "the configuration is understood" memcg-reaper policy check
systemctl start memcg-reaperd
check "the slice's policy is told, with where its values come from" \
	grep -q 'Gate=no.*50-test.conf:10' <<<"$(memcg-reaper policy show "$batch" | tee -a /dev/stderr)"

check_eq "web: every removal is held" "$(load $web)" $count
check "web: settled and removed" wait_for 60 eval "! ls -d $web/load-* 2>/dev/null"
figure "web: zombies right after $count removals" "$(below $web)" memcgs
check "web: no zombie stays" wait_for 30 no_zombies_below $web

# A round takes all that is dead below an ancestor, also what is too young to have been told of: not always ten are left to be told.
for ((i = 0; i < 3 && $(actions found $batch) < 10; i++)); do
	check_eq "batch: no removal is held" "$(load $batch)" 0
	check "batch: zombies are reaped" wait_for 90 no_zombies_below $batch
done
figure "batch: told one by one that they were found" "$(actions found $batch)" entries
check_ge "batch: told of the first ten" "$(actions found $batch)" 10

check_eq "quiet: no removal is held" "$(load $quiet)" 0
sleep 10
check_ge "quiet: zombies stay" "$(below $quiet)" $((count - 2))
check_ge "quiet: the journal says what would be done" "$(actions 'dry run: would reap' $quiet)" $count

# Live: quiet becomes like web, web like quiet; nobody is restarted.
pid=$(systemctl show -P MainPID memcg-reaperd)
sed -i -e 's/^\[Policy web\]/[Policy X]/' -e 's/^\[Policy quiet\]/[Policy web]/' -e 's/^\[Policy X\]/[Policy quiet]/' \
	-e 's/mcr-web.slice/mcr-X.slice/' -e 's/mcr-quiet.slice/mcr-web.slice/' -e 's/mcr-X.slice/mcr-quiet.slice/' \
	/etc/memcg-reaper/reaper.conf.d/50-test.conf
cat /etc/memcg-reaper/reaper.conf.d/50-test.conf
systemctl reload memcg-reaperd
check_eq "the same process goes on" "$(systemctl show -P MainPID memcg-reaperd)" "$pid"
check "quiet: its old zombies are reaped now" wait_for 90 no_zombies_below $quiet
check_eq "quiet: removals are held now" "$(load $quiet)" $count
check_eq "web: removals are not held any more" "$(load $web)" 0
check "quiet: settled and removed" wait_for 60 eval "! ls -d $quiet/load-* 2>/dev/null"

# A file that cannot be read keeps what holds.
head -c 100000 /dev/urandom >/etc/memcg-reaper/reaper.conf.d/60-binary.conf
systemctl reload memcg-reaperd || true
check "a binary file is told" wait_for 10 eval "journal | grep -q '60-binary.conf: .*keeping the configuration'"
check_eq "and what held before still holds" "$(load $quiet)" $count
rm /etc/memcg-reaper/reaper.conf.d/60-binary.conf
mkfifo /etc/memcg-reaper/reaper.conf.d/60-fifo.conf
systemctl reload memcg-reaperd || true
check "a FIFO keeps nobody waiting" wait_for 10 eval "journal | grep -q '60-fifo.conf: .*keeping the configuration'"
rm /etc/memcg-reaper/reaper.conf.d/60-fifo.conf
ln -s /dev/zero /etc/memcg-reaper/reaper.conf.d/60-endless.conf
systemctl reload memcg-reaperd || true
check "an endless file is refused" wait_for 10 eval "journal | grep -q '60-endless.conf: .*keeping the configuration'"
rm /etc/memcg-reaper/reaper.conf.d/60-endless.conf

# A cgroup may choose a policy that lets itself be chosen, and no other.
cat >>/etc/memcg-reaper/reaper.conf.d/50-test.conf <<'CONF'

[Policy chosen]
Selectable=yes
Gate=yes
CONF
systemctl reload memcg-reaperd
mkdir $batch/by-attribute $batch/not-allowed
setfattr -n user.memcg_reaper.policy -v chosen $batch/by-attribute
setfattr -n user.memcg_reaper.policy -v web $batch/not-allowed
check "the attribute is seen" wait_for 5 eval "memcg-reaper policy show $batch/by-attribute | grep -q 'policy chosen, by attribute'"
check "one that must not be chosen is told" wait_for 5 eval "journal | grep -q \"not-allowed' asks for the policy 'web' by attribute, which is not Selectable\""
for name in by-attribute not-allowed; do
	sh -c "echo \$\$ >$batch/$name/cgroup.procs && exec dd if=/dev/zero of=/var/tmp/batch/$name bs=64K count=1 status=none"
done
check_not "the one that chose is held" rmdir $batch/by-attribute
check "the other is let go" rmdir $batch/not-allowed
check "what was held is removed" wait_for 20 test ! -e $batch/by-attribute

# A slice that comes later.
cat >>/etc/memcg-reaper/reaper.conf.d/50-test.conf <<'CONF'

[Policy later]
Slice=mcr-later.slice
CONF
systemctl reload memcg-reaperd
systemd-run -q --unit=keep-later --slice=mcr-later.slice sleep infinity
sleep 2
mkdir -p /var/tmp/later
check_eq "a slice that did not exist yet is covered when it does" "$(load $top/mcr-later.slice)" $count

# The journal, for people.
memory=$(journalctl -u memcg-reaperd -o export --no-pager ACTION=found | grep -m1 -a '^BYTES=')
check "entries have BYTES=" test -n "$memory"
rm /etc/memcg-reaper/reaper.conf.d/50-test.conf
systemctl stop 'keep-*'

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What people see of it: explain, the reason of what is pinned, who makes zombies, and a verdict.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/pins.sh

pins_setup
systemctl stop memcg-reaperd

make told write /dev/shm/told 20480
ino=$(stat -c %i /dev/shm/told)
check "a zombie by its name: the file" explains "tmpfs /told (tmpfs on tmpfs, inode $ino)" told
check "its path" explains "tmpfs /told" /pins/told
check "its id" explains "tmpfs /told" "$group_id"
check "what would help" explains "stays as long as the file is there" told
check "nothing is left unexplained" eval '! memcg-reaper explain told | grep -q unexplained'
check "and in JSON" eval 'memcg-reaper explain --json told | tr -d " \n" | grep -qF "\"ranges\":[{\"offset\":0,\"bytes\":20480}]"'
check "all of them, with a sum" eval 'memcg-reaper explain --all | tail -n 1 | grep -q "references explained"'
check "an id that is no zombie" refuses 1 "no zombie has the id" 4711
check "a name that is none" refuses 1 "no zombie has the id, name or path 'none'" none
check "a cgroup in use is no zombie" refuses 1 "no zombie" /system.slice/dbus.service
check "a cgroup that does not exist" refuses 1 "there is no cgroup" --live /none

# A name with control characters: escaped in text, exact in JSON.
odd=$'/dev/shm/odd\tn\xc3\xa4me'
make odd write "$odd" 4096
check "an odd name is escaped in text" explains 'tmpfs /odd\x09näme' odd
check "and exact in JSON" eval "memcg-reaper explain --json odd | grep -qF '\"name\":\"/odd\\tnäme\"'"
rm "$odd"

# What a live cgroup would leave: said before, true afterwards.
mkdir "$top/live"
id=$(stat -c %i "$top/live")
sh -c "echo \$\$ >$top/live/cgroup.procs && exec dd if=/dev/zero of=/dev/shm/live bs=4K count=3 status=none"
check "a live one: what it would leave" explains "tmpfs /live" --live /pins/live
check "with the mount point in front" explains "tmpfs /live" --live "$top/live"
wait_for 10 rmdir "$top/live"
check "it has left that" explains "tmpfs /live" "$id"
rm /dev/shm/live

# An inner node with charges of its own, as a kernel that reparents would leave them there: by file, beside its children.
mkdir "$top/inner"
sh -c "echo \$\$ >$top/inner/cgroup.procs && exec dd if=/dev/zero of=/dev/shm/orphan bs=4K count=3 status=none"
echo +memory >"$top/inner/cgroup.subtree_control"
mkdir "$top/inner/below"
check "charges of an inner node: by file" explains "tmpfs /orphan" --live /pins/inner
check "and its children" explains "child below" --live /pins/inner
rmdir "$top/inner/below"
rm /dev/shm/orphan
rmdir "$top/inner"

# The daemon: the reason of what stays is its pin, and it is not tried three times in vain.
mkdir /sys/fs/cgroup/system.slice/stays
sh -c "echo \$\$ >/sys/fs/cgroup/system.slice/stays/cgroup.procs && exec dd if=/dev/zero of=/run/stays bs=4K count=1 status=none"
wait_for 10 rmdir /sys/fs/cgroup/system.slice/stays
swapoff -a
printf '[Reaper]\nIntervalSec=30s\nGraceSec=1s\n' >/etc/memcg-reaper/reaper.conf
systemctl start memcg-reaperd
pinned_by() { journalctl -u memcg-reaperd -o cat --no-pager | grep -q "^pinned /system.slice/stays: .*tmpfs /stays"; }
check "the journal names the pin" wait_for 60 pinned_by
check "and so does status" wait_for 10 eval "memcg-reaper status | tee -a /dev/stderr | grep -q 'stays: tmpfs /stays'"
check_eq "after one round" "$(status since_start rounds)" 1
check "status sums up what holds them" wait_for 10 eval "memcg-reaper status | grep -q '^    Held by: .*tmpfs: [0-9]* zombies'"
check "and so does the list" eval "memcg-reaper list | tee -a /dev/stderr | tail -n 1 | grep -q '^mainly .*tmpfs: [0-9]*'"
rm /run/stays

# Who makes them.
cat >/run/systemd/system/maker@.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=dd if=/dev/zero of=/var/tmp/maker-%i bs=64K count=1 status=none
UNIT
systemctl daemon-reload
for i in {1..12}; do systemctl start "maker@$i"; done
check "status says who makes zombies" wait_for 40 eval "memcg-reaper status | tee -a /dev/stderr | grep -q 'maker@\\*.service (template): 12 an hour held'"
check "and what to do about it" eval "memcg-reaper status | grep 'maker@' | grep -q 'each instance has a cgroup of its own'"

# A user may ask about zombies of his own, and of no others.
useradd -m -u 1500 alice 2>/dev/null || true
mkdir -p /sys/fs/cgroup/user.slice/user-1500.slice
echo +memory >/sys/fs/cgroup/user.slice/cgroup.subtree_control
echo +memory >/sys/fs/cgroup/user.slice/user-1500.slice/cgroup.subtree_control
mkdir /sys/fs/cgroup/user.slice/user-1500.slice/hers
sh -c "echo \$\$ >/sys/fs/cgroup/user.slice/user-1500.slice/hers/cgroup.procs && exec dd if=/dev/zero of=/dev/shm/hers bs=4K count=1 status=none"
for _ in {1..100}; do rmdir /sys/fs/cgroup/user.slice/user-1500.slice/hers 2>/dev/null && break; sleep 0.2; done
hers() { runuser -u alice -- memcg-reaper explain hers | tee -a /dev/stderr | grep -q 'tmpfs /hers'; }
check "alice is told what holds hers" wait_for 60 hers
check_not "and not what holds another's" runuser -u alice -- memcg-reaper explain told

# One at a time: who floods the daemon with questions is told so, and nobody else waits for it.
id=$(memcg-reaper list --json | tr -d ' \n' | grep -o '"id":[0-9]*,"name":"hers"' | tr -dc 0-9)
runuser -u alice -- /opt/mcr-tests/mcr-calls 300 Explain "$id" >/var/tmp/asked &
flood=$!
check "others are served meanwhile" eval 'for _ in {1..5}; do busctl --system call org.memcgreaper1 /org/memcgreaper1 org.memcgreaper1.Manager GetFeatures >/dev/null || exit 1; done'
wait $flood
cat /var/tmp/asked
check_eq "300 questions at once are all answered" "$(awk '{ n += $1 } END { print n }' /var/tmp/asked)" 300
check_ge "some with what was asked for" "$(awk '/answered/ { print $1 }' /var/tmp/asked)" 1
check_ge "most with a refusal" "$(awk '/Limit/ { n += $1 } END { print n + 0 }' /var/tmp/asked)" 250
check "and the next one is answered again" wait_for 30 hers
check_eq "one that is not hers is no zombie to her" \
	"$(runuser -u alice -- /opt/mcr-tests/mcr-calls 1 Explain "$(stat -c %i "$top")")" "1 org.memcgreaper1.Error.NoSuchCgroup"
rm /dev/shm/hers

# A verdict.
check "doctor has a verdict" eval "memcg-reaper doctor | tee -a /dev/stderr | grep -q '^Verdict: '"
mkdir -p /dev/shm/many "$top/many"
echo +memory >"$top/many/cgroup.subtree_control"
/opt/mcr-tests/mcr-load zombies "$top/many" 150 /dev/shm/many >/dev/null
check "150 zombies are a problem of zombies" eval "memcg-reaper doctor | grep -q '^Verdict: a problem of zombie memcgs: 1[5-9][0-9] '"
rm -r /dev/shm/many /dev/shm/told
swapon /dev/disk/by-id/virtio-mcrswap
rm /etc/memcg-reaper/reaper.conf

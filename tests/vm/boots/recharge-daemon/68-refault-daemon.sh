# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What people have of it: a service goes, and what another has mapped of its page cache is neither lost nor a zombie's.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/refault.sh

refault_setup
mcr_conf() {
	printf '[Reaper]\nIntervalSec=3s\nGraceSec=1s\n[Policy default]\nSlice=refault.slice\nHoldMaxSec=%ds\n' \
		$((60 * MCR_SLOW)) >/etc/memcg-reaper/reaper.conf
	[[ ! $* ]] || printf '%s\n' "$@" >>/etc/memcg-reaper/reaper.conf
	systemctl restart memcg-reaperd
	wait_for 20 busctl --system status org.memcgreaper1 >/dev/null
}
# Why not, where nobody pays.
tell_journal() { journalctl -o short-monotonic --no-pager -u memcg-reaperd -u 'memcg-reaper-recharge@*' | tail -n 60; }
journal_says() { journalctl -u memcg-reaperd -o cat --no-pager | grep -c "$1" || true; }
# reads UNIT FILE: a service that reads it, and waits.
reads() {
	systemd-run -q --slice=refault.slice --unit="$1" sh -c "cat $2 >/dev/null; exec sleep 10000"
	wait_for 20 eval "(($(stat -c %s "$2") <= \$(stat_of $top/$1.service file)))"
}
zombie_named() { memcg-reaper list --json | grep -c "\"path\":.*/$1\"" || true; }

# Without it, whoever has it mapped reads it from disk again, and pays.
mcr_conf Recharge=no
new_file /var/tmp/held 8
reads first /var/tmp/held
maps b /var/tmp/held
systemctl stop first
check "without recharge the cgroup goes as well" wait_for 30 test ! -e $top/first.service
kill -USR1 "$(user_pid b)"
wait_for 10 told b 1
line=$(tail -n 1 /run/map.b)
check_ge "but its user waits for the disk: page faults that read" "$(grep -o 'major=[0-9]*' <<<"$line" | cut -d= -f2)" 1
echo "$line"
stops b

# With it, held. While a request is served that reads back, what is held is drained without one of its own: those of the
# zombies of the boot come first.
is_idle() { cycle_is_over && ! compgen -G '/run/memcg-reaper/recharge/*.request' >/dev/null; }
mcr_conf Recharge=yes
wait_for 15 is_idle || tell_journal
new_file /var/tmp/held 8
reads first /var/tmp/held
maps b /var/tmp/held
bystander=$(stat_of $top/bystander file)
systemctl stop first
check "the cgroup goes" wait_for 60 test ! -e $top/first.service
check "and is no zombie" wait_for 10 eval '[[ $(zombie_named first.service) == 0 ]]'
[[ -e /sys/fs/cgroup/$owner ]] || { tell_journal; fail "there is no owner"; }
check_ge "the owner pays" "$(owner_cache)" $((7 << 20))
finds b "after its maker was stopped" 2048
check_eq "a bystander has what it had" "$(stat_of $top/bystander file)" "$bystander"
check_ge "the journal says so" "$(journal_says '^recharged /refault.slice/first.service.*to refault.slice/refault-memcgowner.slice')" 1
figure "refault by the daemon, held: charged to the owner of 8192 KiB" $(($(owner_cache) >> 10)) KiB
stops b

# Nobody wants it: it is drained as ever.
new_file /var/tmp/beside 4
before=$(owner_cache)
reads alone /var/tmp/beside
systemctl stop alone
check "what nobody has mapped is drained" wait_for 30 test ! -e $top/alone.service
check_le "and charged to nobody" $(($(owner_cache) - before)) $((64 << 10))

# Zombies that were there before: looked at, recharged, and only then reaped.
mcr_conf Gate=no Drain=no Shield=no
new_file /var/tmp/dead 8
reads gone /var/tmp/dead
maps b /var/tmp/dead
systemctl stop gone
check "without the gate there is a zombie" wait_for 20 eval '[[ $(zombie_named gone.service) == 1 ]]'
before=$(owner_cache)
mcr_conf Recharge=yes
check "it goes" wait_for 120 eval '[[ $(zombie_named gone.service) == 0 ]]'
check_ge "the owner pays" $(($(owner_cache) - before)) $((7 << 20))
finds b "after the zombie" 2048
check_eq "a bystander has what it had" "$(stat_of $top/bystander file)" "$bystander"
figure "refault by the daemon, zombie: charged to the owner of 8192 KiB" $((($(owner_cache) - before) >> 10)) KiB
stops b

# Where there is swap a round would push a zombie's tmpfs there, and charge it to the slice.
swapon /dev/disk/by-id/virtio-mcrswap
mcr_conf Gate=no Drain=no Shield=no
systemd-run -q --wait --slice=refault.slice --unit=shared dd if=/dev/urandom of=/dev/shm/shared bs=1M count=4 status=none
check "tmpfs makes a zombie too" wait_for 20 eval '[[ $(zombie_named shared.service) == 1 ]]'
before=$(stat_of "/sys/fs/cgroup/$owner" shmem) swapped=$(<$top/memory.swap.current)
mcr_conf Recharge=yes
check "it goes" wait_for 120 eval '[[ $(zombie_named shared.service) == 0 ]]'
check_ge "the owner pays, in memory" $(($(stat_of "/sys/fs/cgroup/$owner" shmem) - before)) $((4 << 20))
check_le "nothing of it is in swap, at the slice" $(($(<$top/memory.swap.current) - swapped)) $((64 << 10))
rm /dev/shm/shared
swapoff -a

# It does not ask for what it needs itself, again and again.
sleep 8
journalctl -o cat --no-pager -u memcg-reaperd -u 'memcg-reaper-recharge@*' | grep -v '^found\|^reclaimed' | tail -n 60
asked=$(journalctl -o cat --no-pager _PID=1 | grep -c 'Started memcg-reaper-recharge@\(held\|zombie\)-' || true)
figure "times the daemon had memcg-recharge started" "$asked" runs
check_le "memcg-recharge was started for these alone" "$asked" 10
check_eq "no request is left" "$(find /run/memcg-reaper/recharge -name '*.request' | wc -l)" 0
check_eq "and no unit failed" "$(systemctl list-units --failed --no-legend 'memcg-*' | wc -l)" 0
systemctl stop memcg-reaperd
rm /etc/memcg-reaper/reaper.conf
systemctl start memcg-reaperd
refault_end

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# 500 one-shot services, each running a binary of its own and writing files: a zombie each without the daemon,
# none with it; and systemd sees them end as early as ever.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly count=500 apart=80
readonly template_slice=/sys/fs/cgroup/system.slice/system-oneshot.slice

cat >/run/systemd/system/oneshot@.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=/var/tmp/fresh/%i /var/tmp/fresh/data-%i /var/tmp/out-%i
UNIT
systemctl daemon-reload

# Each with a binary nobody has read yet.
fresh_binaries() {
	rm -rf /var/tmp/fresh /var/tmp/out-*
	mkdir /var/tmp/fresh
	for ((i = 0; i < count; i++)); do
		cp /usr/bin/cp "/var/tmp/fresh/$i"
		head -c 20000 /dev/zero >"/var/tmp/fresh/data-$i"
	done
	sync
	echo 1 >/proc/sys/vm/drop_caches
}

# One after the other, so that each has the machine to itself but for the reaper. Counts those whose cgroup is there when systemd
# is done with them.
run_apart() {
	outlived=0
	for ((i = 0; i < apart; i++)); do
		systemctl start "oneshot@$i.service"
		[[ ! -e $template_slice/oneshot@$i.service ]] || outlived=$((outlived + 1))
	done
}

run_all() {
	for ((i = 0; i < count; i += 25)); do
		seq -f 'oneshot@%g.service' "$i" $((i + 24)) | xargs systemctl start
	done
}

# From "Starting" to "Finished" in systemd's own journal messages since CURSOR, in microseconds: the median.
median_usec() {
	journalctl --after-cursor="$1" -u 'oneshot@*.service' -o short-monotonic --no-pager |
		sed -n 's/^\[ *\([0-9]*\)\.\([0-9]*\)\].* \(Starting\|Finished\) \(oneshot@[0-9]*\).*/\1\2 \3 \4/p' |
		awk '$2 == "Starting" { start[$3] = $1 } $2 == "Finished" { print $1 - start[$3] }' |
		sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
cursor() { journalctl -n 0 --show-cursor --no-pager | sed -n 's/^-- cursor: //p'; }

failed_units() { systemctl list-units --failed --plain --no-legend | wc -l; }

systemctl stop memcg-reaperd
fresh_binaries
since=$(cursor)
run_apart
outlived_without=$outlived
usec_without=$(median_usec "$since")
before=$(zombies)
run_all
sleep 1
without=$(($(zombies) - before))
check_ge "without the daemon, zombies made by $count services" "$without" $((count * 9 / 10))

# The daemon finds them, and then meets the same load again.
systemctl start memcg-reaperd
check "the daemon reaps them" wait_for 120 at_most_zombies $((before + 2))
figure "zombies of the first run that the daemon has reaped" $((without + before - $(zombies))) memcgs
fresh_binaries
nudge
sleep 1
before=$(zombies)
run_all
check_nothing_held "nothing is held any more" 60
# systemd switches the memory controller off below the slice of template units when the last has stopped: memcgs
# that were held there die of it, and are reaped with the next cycle.
wait_for 90 at_most_zombies $((before + 2)) || true
with=$(($(zombies) - before))
((with <= 2)) || memcg-reaper list
check_le "with the daemon, zombies left by $count services" "$with" 2
fresh_binaries
since=$(cursor)
run_apart
usec_with=$(median_usec "$since")
check_eq "no service has failed" "$(failed_units)" 0
check_ge "the daemon held them" "$(status gate held_total)" $((count / 2))
check_nothing_held "and nothing is held of the last" 60
# A removal that is refused takes no time. Did systemd wait for the hold, no cgroup would be there any more. How long it took is
# told below, and depends on what else the machine does.
check_eq "cgroups there when systemd is done with their services, without the daemon" "$outlived_without" 0
check_ge "with it, of $apart" "$outlived" 1

figure "zombies made by $count one-shot services, without the daemon" "$without" memcgs
figure "zombies left by $count one-shot services, with it" "$with" memcgs
figure "cgroups held when systemd was done with $apart services" "$outlived" cgroups
figure "median time from start to finish, without" "$usec_without" us
figure "median time from start to finish, with" "$usec_with" us
figure "held cgroups removed clean" "$(status since_start settled)" cgroups
figure "held cgroups removed with a rest" "$(status since_start settled_with_rest)" cgroups

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Where the kernel does not do it: switched off, not to be had, not to be written to, off in the middle. And where it stops: the
# owner is full.
# timeout: 600
# shellcheck disable=SC2154 # of swap.sh
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/swap.sh
. /opt/mcr-tests/kernel.sh

readonly bytes=$((4 << 20)) unit_dir=/run/systemd/system/memcg-reaper-recharge@.service.d
[[ -d $knobs ]] || fail "this kernel does not recharge"

# Zombies, and nobody who sees to them.
swap_setup no '' no
printf '[Reaper]\nIntervalSec=1h\n[Policy default]\nSlice=system.slice\nGate=no\nDrain=no\nShield=no\n' >/etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd
wait_for 20 busctl --system status org.memcgreaper1 >/dev/null
systemctl start system-memcgowner.slice

# zombie KIND [ARG]: of 4 MiB, used by another.
zombie() {
	share "$1" $bytes "${2:-}"
	rmdir "$maker"
	wait_for 10 eval 'zombie_ids | grep -qx "$maker_id"' || fail "no zombie"
	moved=$(moved_bytes)
}
# by_hand ARGS...: its answer.
by_hand() {
	answer=$(memcg-reaper recharge --json --to=system-memcgowner.slice "$@" "$maker_id" 2>&1) || true
	printf '%s\n' "$answer"
}
# is_rewritten WHAT WORD TEXT: all of it was, and why.
is_rewritten() {
	check_eq "$1: rewritten, bytes" "$(object moved_bytes frozen)" $bytes
	check_eq "$1: and the kernel" "$(answered kernel)" "$2"
	check "$1: why" grep -qF -- "$3" <<<"$(answered kernel_why_not)"
	check_eq "$1: pages it has moved" $((($(moved_bytes) - moved) / 4096)) 0
	check "$1: the zombie goes" wait_for 20 no_zombie
	check "$1: not a bit is different" unshare_same
}

# Off, as it is until somebody switches it on.
check_eq "it is off" "$(<$knobs/enabled)" 0
check "doctor says so, and how to switch it on" says "present, off; on with: echo 1 >$knobs/enabled" memcg-reaper doctor
zombie memfd
check "off: a dry run says so" says "not by the kernel: it is switched off" memcg-reaper recharge --dry-run --to=system-memcgowner.slice "$maker_id"
check "off: explain as ever" says "could be recharged: frozen" memcg-reaper explain "$maker_id"
by_hand
is_rewritten off off "it is switched off"

# Not there: hidden below another mount, as on any kernel without it.
kernel_on
moved=$(moved_bytes)
mount -t tmpfs -o size=64k none $knobs
check "absent: doctor says so" says "absent: no $knobs" memcg-reaper doctor
share memfd $bytes
rmdir "$maker"
wait_for 10 eval 'zombie_ids | grep -qx "$maker_id"' || fail "no zombie"
by_hand
umount $knobs
is_rewritten absent absent "this kernel has no"

# There, and read-only for the unit.
mkdir -p $unit_dir
printf '[Service]\nReadOnlyPaths=%s\n' $knobs >$unit_dir/read-only.conf
systemctl daemon-reload
zombie memfd
by_hand
rm -r $unit_dir
systemctl daemon-reload
is_rewritten read-only refused "/sys is read-only for us"

# What lives keeps what is its own: its tmpfs files are moved, as ever.
share file $bytes /dev/shm/live
echo "$user_pid" >"$maker/cgroup.procs"
moved=$(moved_bytes)
by_hand
check_eq "in use: the kernel is not asked" "$(answered kernel) $((($(moved_bytes) - moved) / 4096))" "refused 0"
check_eq "in use: bytes" "$(object moved_bytes frozen)" $bytes
check "in use: not a bit is different" end_user
rm /dev/shm/live
wait_for 10 rmdir "$maker"

# The owner is full: what fits is moved, the rest stays, and nothing is written anew.
zombie file /dev/shm/full
before=$(stat -c %z /dev/shm/full)
used=$(<"$owner/memory.current")
systemctl set-property --runtime system-memcgowner.slice MemoryMax=$((used + (bytes / 2)))
at=$(shmem_of "$owner") limit=$(<$knobs/failed_limit) ooms=$(awk '$1 == "oom_kill" { print $2 }' "$owner/memory.events")
check "full: a dry run says so" says "no room left below its limit" memcg-reaper recharge --dry-run --to=system-memcgowner.slice "$maker_id"
by_hand
systemctl set-property --runtime system-memcgowner.slice MemoryMax=infinity
check_eq "full: something is left" "$(answered kernel) $(object refusal kernel)" "left owner-limit"
check_ge "full: what fits is moved" "$(answered moved_bytes)" $((bytes / 4))
check_le "full: and no more" "$(answered moved_bytes)" $((bytes / 2))
check_eq "full: as much as the owner has of it" "$(answered moved_bytes)" $(($(shmem_of "$owner") - at))
check_eq "full: the rest is told" "$(($(answered moved_bytes) + $(answered left_bytes) >= bytes))" 1
check_ge "full: the kernel has counted where it stopped" "$(<$knobs/failed_limit)" $((limit + 1))
check_eq "full: nobody is killed" "$(awk '$1 == "oom_kill" { print $2 }' "$owner/memory.events")" "$ooms"
check_eq "full: nothing is rewritten" "$(stat -c %z /dev/shm/full)" "$before"
check_not "full: the zombie stays" no_zombie
by_hand
check_eq "with room again the rest goes too" "$(answered kernel) $(answered why_not)" "done null"
check "full: the zombie goes" wait_for 20 no_zombie
check "full: not a bit is different" unshare_same
rm /dev/shm/full

# A limit above both has been paid for already.
systemctl start above-owner.slice
systemd-run -q --wait --slice=above.slice --unit=inside dd if=/dev/urandom of=/dev/shm/inside bs=1M count=4 status=none
maker=/sys/fs/cgroup/above.slice/inside.service
wait_for 10 eval 'memcg-reaper list --json | grep -q /inside.service' || fail "no zombie"
systemctl set-property --runtime above.slice MemoryMax=$(($(</sys/fs/cgroup/above.slice/memory.current) + (64 << 10)))
answer=$(memcg-reaper recharge --json --to=above-owner.slice inside.service 2>&1) || true
echo "$answer"
check_eq "a limit above both: all is moved" "$(answered kernel) $(answered why_not)" "done null"
check_ge "a limit above both: bytes" "$(shmem_of /sys/fs/cgroup/above.slice/above-owner.slice)" $bytes
systemctl set-property --runtime above.slice MemoryMax=infinity
rm /dev/shm/inside
systemctl stop above.slice

# Switched off in the middle: the rest is rewritten; what only the kernel moves is told.
mount -o remount,size=512M /dev/shm
systemd-run -q --unit=large sh -c 'dd if=/dev/urandom of=/dev/shm/large bs=1M count=160 status=none; exec sleep 10000'
wait_for 120 eval '(($(stat -c %s /dev/shm/large 2>/dev/null || echo 0) == 160 << 20))'
mkdir $slice/elsewhere
/opt/mcr-tests/mcr-pin $slice/large.service anon $((4 << 20)) $slice/elsewhere >/run/anon.out &
anon=$!
wait_for 20 grep -q ^ready /run/anon.out
sum=$(sha256sum /dev/shm/large)
systemctl stop large
wait_for 20 eval 'memcg-reaper list --json | grep -q /large.service' || fail "no zombie"
moved=$(moved_bytes)
memcg-reaper recharge --json --to=system-memcgowner.slice large.service >/run/large.json &
caller=$!
until (($(<$knobs/moved) * 4096 > moved)) || ! kill -0 $caller 2>/dev/null; do :; done
kernel_off
wait $caller || true
answer=$(</run/large.json)
echo "$answer"
by_kernel=$(object moved_bytes kernel) rewritten=$(object moved_bytes lease)
check_eq "in the middle: the kernel ceased" "$(answered kernel) $(answered kernel_why_not)" "off it was switched off meanwhile"
check_ge "in the middle: bytes by the kernel" "${by_kernel:-0}" 4096
check_ge "in the middle: bytes rewritten" "${rewritten:-0}" 4096
check_eq "in the middle: the kernel has counted as many" $(($(moved_bytes) - moved)) "${by_kernel:-0}"
check_ge "in the middle: together" $((by_kernel + rewritten)) $((160 << 20))
figure "switched off in the middle: by the kernel" $((by_kernel >> 10)) KiB
figure "switched off in the middle: rewritten" $((rewritten >> 10)) KiB
check_eq "in the middle: not a bit is different" "$(sha256sum /dev/shm/large)" "$sum"
if memcg-reaper list --json | grep -q /large.service; then
	check "in the middle: what is left has a reason" grep -q '"kernel-off"' <<<"$answer"
fi
kernel_on
memcg-reaper recharge --to=system-memcgowner.slice large.service || true
check "in the middle: on again, it goes" wait_for 30 zombie_has_gone large.service
kill "$(awk '{ print $2 }' /run/anon.out)" $anon 2>/dev/null || true
wait $anon 2>/dev/null || true
rm /dev/shm/large

# Stopped while the kernel works: what was moved is told. With a share of a CPU there is time for it; if all was done
# before, once more.
readonly slow_unit=/run/systemd/system/memcg-reaper-recharge@.service.d/slow.conf
readonly requests=/sys/fs/cgroup/system.slice/system-memcg*recharge.slice
mkdir -p ${slow_unit%/*}
printf '[Service]\nCPUQuota=%d%%\n' $((20 * MCR_SLOW)) >$slow_unit
systemctl daemon-reload
# stopped_in_the_middle: stops a request as soon as the kernel has moved something for it.
stopped_in_the_middle() {
	systemd-run -q --wait --unit=stopped dd if=/dev/urandom of=/dev/shm/large bs=1M count=320 status=none
	wait_for 20 eval 'memcg-reaper list --json | grep -q /stopped.service' || fail "no zombie"
	moved=$(moved_bytes)
	memcg-reaper recharge --json --to=system-memcgowner.slice stopped.service >/run/stopped.json &
	caller=$!
	until (($(<$knobs/moved) * 4096 > moved)) || ! kill -0 $caller 2>/dev/null; do :; done
	# shellcheck disable=SC2046,SC2086 # as `systemctl stop` does, and without a search for it
	kill -TERM $(cat $requests/*/cgroup.procs) || true
	wait $caller || true
	answer=$(</run/stopped.json)
	echo "$answer"
	[[ $(answered kernel) != "done" ]]
}
for ((try = 1; try <= 5; try++)); do
	! stopped_in_the_middle || break
done
check_eq "stopped: why" "$(answered why_not)" "it was stopped"
check_eq "stopped: what was moved is told" "$(answered moved_bytes)" $(($(moved_bytes) - moved))
check_ge "stopped: the rest stays" "$(answered left_bytes)" 4096
figure "stopped: moved by then of 327680 KiB" $(($(answered moved_bytes) >> 10)) KiB
rm $slow_unit
systemctl daemon-reload
rm /dev/shm/large

check_eq "no request is left" "$(find /run/memcg-reaper/recharge -name '*.request' | wc -l)" 0
check_eq "and no unit failed" "$(systemctl list-units --failed --no-legend 'memcg-*' | wc -l)" 0
kernel_off
rmdir $slice/elsewhere
rm -f /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd

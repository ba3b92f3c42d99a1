# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The gate, in the kernel, and `policy show` give the same answer, whatever slices, globs and names.
# timeout: 400
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly top=/sys/fs/cgroup/same.slice rounds=60
RANDOM=4711

cat >/etc/memcg-reaper/reaper.conf <<'CONF'
[Policy a]
Slice=same.slice
Match=a* *-b ?c?
[Policy b]
Slice=same.slice
Match=*b*a* *
Gate=no
[Policy c]
Slice=same.slice/deep
Match=a??* *c
HoldMinBytes=1K
[Policy d]
Slice=same.slice/deep/er
Gate=no
[Policy e]
Slice=same.slice/deep/er
Match=*a*b*c* docker*
[Policy f]
Slice=same.slice/plain
CONF
systemctl restart memcg-reaperd

letters=(a b c - ab docker x)
# A name of one to four of them.
word() {
	local i name=''

	for ((i = RANDOM % 4; i >= 0; i--)); do
		name+=${letters[RANDOM % ${#letters[@]}]}
	done
	printf '%s\n' "n${RANDOM}" "$name" | tail -n 1
}

parents=("$top" "$top/deep" "$top/deep/er" "$top/plain")
for dir in "${parents[@]}"; do
	mkdir -p "$dir"
done
for dir in /sys/fs/cgroup "${parents[@]}"; do
	echo +memory >"$dir/cgroup.subtree_control"
done
sleep 2

held=0 let_go=0 wrong=0
for ((i = 0; i < rounds; i++)); do
	dir=${parents[RANDOM % 4]}
	for ((depth = RANDOM % 3; depth >= 0; depth--)); do
		dir+=/$(word)
		mkdir -p "$dir"
		((depth == 0)) || echo +memory >"$dir/cgroup.subtree_control" 2>/dev/null || true
	done
	[[ -e $dir/memory.current ]] || { rmdir "$dir" 2>/dev/null || true; continue; }
	sh -c "echo \$\$ >$dir/cgroup.procs && exec dd if=/dev/zero of=/var/tmp/same-$i bs=64K count=1 status=none" ||
		continue
	shown=$(memcg-reaper policy show "$dir")
	expected=let_go
	! grep -q 'Gate=yes' <<<"$shown" || expected=held
	if rmdir "$dir" 2>/dev/null; then
		answer=let_go let_go=$((let_go + 1))
	else
		answer=held held=$((held + 1))
	fi
	[[ $answer == "$expected" ]] || { wrong=$((wrong + 1)); echo "$dir: $answer, expected $expected: $shown"; }
done
figure "removals held" $held cgroups
figure "removals let go" $let_go cgroups
check_eq "the gate and policy show agree" $wrong 0
check_ge "both answers were met often: held" $held 10
check_ge "both answers were met often: let go" $let_go 10
check_eq "no globs were too hard" "$(status gate let_go_too_hard)" 0
rm /etc/memcg-reaper/reaper.conf
systemctl restart memcg-reaperd

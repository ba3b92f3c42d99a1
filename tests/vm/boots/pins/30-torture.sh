# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The walk while all it reads changes: cgroups come and go, files are cut off and written anew, pages are read, reclaimed and
# moved, and every list is emptied into those of the other kind of LRU and back. Each pass ends, and no name is false.
# timeout: 280
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh

readonly seconds=30 load=/var/tmp/load big=/var/tmp/big names=/run/pins.names

systemctl stop memcg-reaperd
pins_setup
dd if=/dev/zero of=$big bs=1M count=48 status=none
mkdir -p $top/reader
jobs=()

# The walk comes first, so that there are many, whatever machine this is.
in_loop() {
	{
		renice -n 15 "$BASHPID"
		while :; do
			"$@" || true
		done
	} >/dev/null 2>&1 &
	jobs+=($!)
}

churn() { /opt/mcr-tests/mcr-load services $top 400 50 $load; }
reclaim() {
	echo 8M >$top/memory.reclaim
	sleep 1
}
compact() {
	echo 1 >/proc/sys/vm/compact_memory
	sleep 2
}
change_lru() {
	echo y >/sys/kernel/mm/lru_gen/enabled
	sleep 3
	echo n >/sys/kernel/mm/lru_gen/enabled
	sleep 3
}
# shellcheck disable=SC2016 # for the inner shell
read_big() { sh -c 'echo $$ >"$1/cgroup.procs" && exec cat "$2"' sh $top/reader $big; }

# Files that go to swap, are read back in part, cut and removed.
# shellcheck disable=SC2016 # for the inner shell
swap_files() {
	sh -c 'echo $$ >"$1/cgroup.procs" && for i in 1 2 3 4; do head -c 2M /dev/zero >/dev/shm/torture-$i; done
		echo 8M >"$1/memory.reclaim"; head -c 1M /dev/shm/torture-2 >/dev/null; truncate -s 1M /dev/shm/torture-3
		rm /dev/shm/torture-1 /dev/shm/torture-4' sh $top/reader
}
# Local sockets come, hold another in a message, and go.
sockets() {
	timeout 0.5 /opt/mcr-tests/mcr-pin $top/reader send unix /run/torture.sock
	rm -f /run/torture.sock
}

# Of "ino name" in $names, those whose file exists and is another. The churn writes its files anew, in place.
false_names() {
	cut -d' ' -f2- $names | tr '\n' '\0' | xargs -0 -r stat -c '%i %n' -- 2>/dev/null | awk '
		NR == FNR { is[$2] = $1; next }
		$2 in is && is[$2] != $1 { print "not", $0, "but", is[$2] }' - $names
}

in_loop churn
in_loop reclaim
in_loop compact
in_loop read_big
in_loop swap_files
in_loop sockets
[[ ! -e /sys/kernel/mm/lru_gen/enabled ]] || in_loop change_lru

id=$(stat -c %i $top/reader)
timeout 120 /opt/mcr-tests/mcr-pins-dump --for $seconds --all "$id" >"$dump_file" 2>&1 || fail "a pass has failed or does not end"
timeout 120 /opt/mcr-tests/mcr-pins-dump --for $seconds --no-scan --all "$id" >>"$dump_file" 2>&1 ||
	fail "a pass has failed or does not end"
kill "${jobs[@]}" 2>/dev/null || true
wait 2>/dev/null || true
rm -f /dev/shm/torture-*
echo n >/sys/kernel/mm/lru_gen/enabled

sed -n 's/^pin kind=file .* ino=\([0-9]*\) nlink=[1-9].* fstype=ext4 .*name=\(.*\)$/\1 \2/p' "$dump_file" | sort -u >$names
false_names >/run/pins.false
cat /run/pins.false
read -r held explained too_many < <(awk '/^memcg.* dying=1 .* complete=1 / {
	split($4, h, "="); split($5, e, "=")
	held += h[2]; explained += e[2]; more += e[2] > h[2]
} END { print held + 0, explained + 0, more + 0 }' "$dump_file")
check_ge "passes" "$(grep -c '^pass' "$dump_file")" 20
check_eq "false names" "$(wc -l </run/pins.false)" 0
check_ge "different names" "$(wc -l <$names)" 20
check_eq "walks that explained more than was held and called it complete" "$too_many" 0
figure "torture: walks" "$(grep -c '^memcg' "$dump_file")" walks
figure "torture: honestly incomplete" "$(grep -c '^memcg.* complete=0' "$dump_file" || true)" walks
figure "torture: gone before their turn" "$(grep -c '^memcg.* error=' "$dump_file" || true)" walks
figure "torture: explained of held in complete walks" "$((held ? explained * 10000 / held : 0))" "1/100 %"

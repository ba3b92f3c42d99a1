# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What explain says of files that are hard to name, of processes that vanish, and of what is no zombie.
# timeout: 400
# shellcheck disable=SC2154,SC2034,SC2086,SC2164 # of and for pins.sh, without blanks; lib.sh has set -e
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh

readonly data=/var/tmp/bad

systemctl stop memcg-reaperd
pins_setup
mkdir -p $data

# json_of NAME: what explain says in JSON, one line, without blanks between.
json_of() { { memcg-reaper explain --json "$1" || (($? == 5)); } | tr -d '\n' | sed 's/":[ ]*/":/g; s/,[ ]*"/,"/g'; }
# json_has 'TEXT' NAME
json_has() {
	local out

	out=$(json_of "$2")
	grep -qF -- "$1" <<<"$out" || { printf '%s\n' "$out"; return 1; }
}
# device_json PATH: its device as stat(2) has it, as JSON.
device_json() {
	local dev

	dev=$(stat -c %d "$1")
	printf '"device":"%d:%d"' $((dev >> 8 & 0xfff)) $(((dev & 0xff) | (dev >> 12 & 0xfff00)))
}
# in_namespace NAME 'COMMANDS' FILE: a zombie that wrote 8 KiB to FILE in a mount namespace of its own, after COMMANDS.
in_namespace() {
	mkdir "$top/$1"
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -c "$2"' && /opt/mcr-tests/mcr-pin "$1" write "$2" 8192 >/dev/null && exec sleep infinity' sh "$top/$1" "$3" &
	maker=$!
	wait_for 30 grep -q sleep /proc/$maker/comm || fail "no namespace for $1"
	wait_for 10 rmdir "$top/$1"
}

# A path that no system call takes at once: its end is told, and that it is one.
part=$(printf 'd%.0s' {1..200})
pushd $data >/dev/null
for _ in {1..24}; do
	mkdir -p "$part"
	cd "$part"
done
make_file file 16
exec 9<file
popd >/dev/null
make deep file /proc/$$/fd/9 0 4096
check "a path of 4.8 KiB: the end of it, said to be one" explains "file .../ddd" deep
check "and in JSON" json_has '"name_cut":true,"path":null,"view":null' deep
check_eq "no more than is known" "$(json_of deep | grep -o '"name":"[^"]*/file"' | wc -c)" $((21 * 201 + 5 + 10))
exec 9<&-
rm -rf "${data:?}/$part"
make_file $data/short 16
make short file $data/short 0 4096
check "a path that is whole is said to be whole" json_has '"name_cut":false,"path":"/var/tmp/bad/short","view":"here"' short

# btrfs: each subvolume has a device number of its own, and the same inode numbers.
truncate -s 160M $data/btrfs.img
if modprobe btrfs && mkfs.btrfs -q $data/btrfs.img >/dev/null; then
	mkdir -p $data/btrfs
	mount -o loop $data/btrfs.img $data/btrfs
	btrfs subvolume create $data/btrfs/a >/dev/null
	btrfs subvolume create $data/btrfs/b >/dev/null
	for sub in a b; do
		make_file $data/btrfs/$sub/file 16
	done
	check_eq "btrfs: two files with one inode number" "$(stat -c %i $data/btrfs/a/file)" "$(stat -c %i $data/btrfs/b/file)"
	# shellcheck disable=SC2217 # it holds the file open
	sleep infinity <$data/btrfs/a/file &
	opener=$!
	make on_btrfs file $data/btrfs/a/file 4096 8192
	mkdir -p $top/user-a $top/user-b
	for sub in a b; do
		/opt/mcr-tests/mcr-pin $top/user-$sub lock $data/btrfs/$sub/file 4096 $elsewhere >$data/user-$sub &
		wait_for 30 grep -q ready $data/user-$sub
	done
	check "btrfs: the device is that of stat(2)" json_has "$(device_json $data/btrfs/a/file),\"device_is_stat\":true" on_btrfs
	check "btrfs: the path here" explains "file /a/file (btrfs on" on_btrfs
	check "btrfs: the path here" explains ", here $data/btrfs/a/file at 4.0K+8.0K" on_btrfs
	check "btrfs: who has it open" explains "used by sleep[$opener]" on_btrfs
	rmdir $top/user-a
	user_a=$(awk '{ print $2 }' $data/user-a) user_b=$(awk '{ print $2 }' $data/user-b)
	check "btrfs: who maps it" explains "used by mcr-pin[$user_a]" user-a
	check_not "btrfs: not who maps the other one" explains "used by mcr-pin[$user_b]" user-a
	umount -l $data/btrfs
	check "btrfs, mounted no more: the number is not that of stat(2)" json_has '"device_is_stat":false' on_btrfs
	check "btrfs, mounted no more: said so" explains "in another mount namespace or mounted no more" on_btrfs
	kill $opener "$user_a" "$user_b"
	wait $opener 2>/dev/null || true
else
	echo "no btrfs here"
fi

# Another mount namespace.
in_namespace private 'mount -t tmpfs -o size=1M private /mnt' /mnt/file
check "a tmpfs of another namespace: said so" explains "tmpfs /file (tmpfs on tmpfs, inode 2), in another mount namespace" private
check "a tmpfs of another namespace: no path" json_has '"path":null,"view":"elsewhere"' private
kill $maker
mkdir -p $data/shown /dev/shm/dir
in_namespace bound "mount --bind $data/shown /mnt" /mnt/file
check "a bind mount of another namespace: the path here" explains "file $data/shown/file (ext4 on vda" bound
check "a bind mount of another namespace: the path here" json_has "\"path\":\"$data/shown/file\",\"view\":\"here\"" bound
kill $maker
in_namespace shm "mount --bind /dev/shm/dir /mnt" /mnt/file
check "a tmpfs that is mounted here too" explains ", here /dev/shm/dir/file at 0B+8.0K" shm
mount -t tmpfs over /dev/shm/dir
check "mounted over: not to be seen" explains "tmpfs /dir/file (tmpfs on tmpfs, inode $(stat -c %i /proc/$maker/root/mnt/file)), not to be seen from here" shm
umount /dev/shm/dir
kill $maker
rm -r /dev/shm/dir

# Processes that come and go while it looks.
make vanish write /dev/shm/vanish 8192
while :; do (exec 8</dev/shm/vanish) || break; done &
opener=$!
for _ in {1..8}; do memcg-reaper explain vanish || echo "exit $?"; done >$data/vanish
kill $opener
wait $opener 2>/dev/null || true
check_eq "processes that vanish: each answer is whole" "$(grep -c "tmpfs /vanish" $data/vanish)" 8
check_not "processes that vanish: none without a name" grep -q -e 'used by \[' -e '^exit' $data/vanish
make owner anon 65536 $elsewhere
check "private memory and its process" explains "anon of mcr-pin[$answer]" owner
unmake
check "when it has ended, the memcg is gone" wait_for 20 refuses 1 "no zombie has the id, name or path 'owner'" owner
rm /dev/shm/vanish

# What is no zombie.
for what in 0 1 -1 18446744073709551615 18446744073709551616 99999999999999999999999 0x1f 1e3 "$(stat -c %i /sys/fs/cgroup/system.slice)" \
	"" / . .. // " " "%s%n" "$(printf 'x%.0s' {1..5000})"; do
	check "no zombie: '${what:0:30}'" refuses 1 "no zombie has the id, name or path '" -- "$what"
done
check "a line feed stays in one line" refuses 1 "path 'a\\x0ab'" $'a\nb'
check "nothing asked" eval '! memcg-reaper explain 2>/dev/null'
check_eq "nothing asked: the exit status" "$(memcg-reaper explain >/dev/null 2>&1 || echo $?)" 2
check "a live cgroup that is none" refuses 1 "there is no cgroup '../etc'" --live ../etc
check "the root has nothing to explain" eval 'memcg-reaper explain --live / >/dev/null || (($? == 5 || $? == 1))'

# Names nobody expects: escaped in text, exact in JSON.
odd=$'/dev/shm/a\e[31m\nb\\x0a\\x2d\xff '
make odd write "$odd" 4096
check "a file: escaped in text" explains 'tmpfs /a\x1b[31m\x0ab\x5cx0a\x2d\xff\x20 (tmpfs' odd
check "a file: exact in JSON" json_has '"name":"/a\u001b[31m\nb\\x0a\\x2d\\xff ' odd
rm "$odd"
make 'unit\x2done@a.service' write /dev/shm/named 4096
check "a cgroup of systemd's with a backslash" explains '/pins/unit\x2done@a.service (id' 'unit\x2done@a.service'
check "a cgroup of systemd's with a backslash, in JSON" json_has '"path":"/pins/unit\\x2done@a.service"' 'unit\x2done@a.service'
make $'bell\a \\x20' write /dev/shm/named2 4096
check "a cgroup with a control character" explains '/pins/bell\x07 \x5cx20 (id' $'bell\a \\x20'
rm /dev/shm/named /dev/shm/named2
rm -rf $data

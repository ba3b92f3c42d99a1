# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What is kept exactly; and a file system that is full, with somebody who takes every block as soon as it is free.
# timeout: 240
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly file=/dev/shm/kept
# A capability, and an access list that gives user 1000 more than others have.
readonly capability=0x0100000200040000000000000000000000000000
readonly acl=0x0200000001000600ffffffff02000600e803000004000400ffffffff10000600ffffffff20000400ffffffff

recharge_setup

all_of() {
	stat -c '%i %s %b %h %a %u %g %Y %X %y %x' $file
	getfattr -d -m - -e hex --absolute-names $file
	sha256sum $file
}

head -c 300000 /dev/urandom >$file
truncate -s 20M $file
head -c 123457 /dev/urandom | dd of=$file bs=4096 seek=2000 conv=notrunc status=none
ln $file $file.link
chown 1234:2345 $file
chmod 4751 $file
setfattr -n trusted.note -v kept $file
setfattr -n security.capability -v $capability $file
setfattr -n system.posix_acl_access -v $acl $file || true
touch -d '2001-02-03 04:05:06.789' -m $file
touch -d '2031-02-03 04:05:06.789' -a $file
all_of >/run/before
touch -d '2031-02-03 04:05:06.789' -a $file
got=$($move one $one $file)
check_eq "moved under lease" "$(value_of strategy "$got")" lease
all_of >/run/after
check "all is kept" diff /run/before /run/after
hold plain $file
touch -d '2031-02-03 04:05:06.789' -a $file
got=$($move one $two $file pause=300) || true
check_eq "moved while frozen" "$(value_of strategy "$got")" frozen
all_of >/run/after
check "all is kept while frozen" diff /run/before /run/after
let_go
rm $file $file.link

# Huge pages.
mkdir -p /run/thp /run/full
mount -t tmpfs -o huge=always,size=64m none /run/thp
head -c 9000000 /dev/urandom >/run/thp/file
cp /run/thp/file /var/tmp/copy
huge_of() { awk '$1 == "shmem_thp" { print $2 / 2097152 }' "$1/memory.stat"; }
got=$($move one $one /run/thp/file pause=1000) || mcr_record "huge: $got"
echo "huge pages: $got"
check "of huge pages: it is what it was" cmp /run/thp/file /var/tmp/copy
check_ge "huge pages at the owner" "$(huge_of $one)" 4
got=$($move one $two /run/thp/file pause=1000)
check_ge "huge pages at the other owner" "$(huge_of $two)" 4
check_le "at the first, KiB" "$(charged $one)" 64
umount /run/thp

# Full.
mount -t tmpfs -o size=8m none /run/full
head -c 4M /dev/urandom >/run/full/file
cp /run/full/file /var/tmp/copy
dd if=/dev/zero of=/run/full/rest bs=4k status=none 2>/dev/null || true
check_refused no-space $one /run/full/file
check "on a full file system: it is what it was" cmp /run/full/file /var/tmp/copy
truncate -s -64K /run/full/rest
got=$($move one $one /run/full/file) || true
check_eq "with 64 KiB left: moved" "$(value_of moved "$got")" $((4 << 20))
check "with 64 KiB left: it is what it was" cmp /run/full/file /var/tmp/copy
# There is room for what is reserved, and not for a block more; as soon as that is taken, somebody waits for what is punched.
# It is a race: run until that one has won it once.
grown=0 refused=0 tries=0
while ((grown == 0 && tries++ < 40)); do
	rm -f /run/full/hog
	mount -o remount,size=8m /run/full
	dd if=/dev/zero of=/run/full/rest bs=4k oflag=append conv=notrunc status=none 2>/dev/null || true
	truncate -s -64K /run/full/rest
	hold hog /run/full/hog
	got=$($move one $one /run/full/file min=65536 max=65536) || refused=$((refused + 1))
	let_go
	echo "$got"
	grown=$((grown + $(value_of grown "$got")))
	cmp /run/full/file /var/tmp/copy || mcr_record "a part was lost: $got"
done
check_ge "the file system had to grow, bytes in all" $grown 4096
check "with others who take every block: it is what it was" cmp /run/full/file /var/tmp/copy
check_eq "its size" "$(stat -c %s /run/full/file)" $((4 << 20))
figure "full file system: refused in the end" $refused "of $tries moves"
figure "full file system: larger by, in all" $((grown / 1024)) KiB
umount /run/full
rm -f /var/tmp/copy

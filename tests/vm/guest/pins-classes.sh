# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A known pin of each class; sourced by scenarios that differ in the machine it happens on.
# shellcheck disable=SC2154,SC2086,SC2164,SC2034,SC2016 # of and for pins.sh, without blanks; lib.sh has set -e

readonly data=/var/tmp/pins

pins_setup
mkdir -p $data
root_device=$(device_of /)

pin_file() {
	local file=$data/file reader

	make_file $file 256
	# shellcheck disable=SC2217 # it holds the file open
	sleep infinity <$file &
	reader=$!
	make file file $file 8192 12288 65536 4096
	check_explained "page cache"
	check_pin "page cache" "$(pin_of file "ino=$(stat -c %i $file) ")" refs=4 bytes=16384 dirty=0 mapped=0 nlink=1 \
		dev="$root_device" size=262144 fstype=ext4 ranges=8192+12288,65536+4096 name=$file
	walk --users "$group_id"
	check_eq "page cache: who has it open" "$(grep -o "^user .*ino=$(stat -c %i $file) pid=[0-9]* comm=sleep mapped=0 fds=1 " $dump_file |
		grep -o 'pid=[0-9]*')" pid=$reader
	kill $reader
}

pin_deleted_file() {
	local file=$data/deleted ino

	make_file $file 64
	exec 9<$file
	ino=$(stat -c %i $file)
	rm $file
	make deleted file /proc/$$/fd/9 0 16384
	check_explained "deleted file"
	check_pin "deleted file" "$(pin_of file "ino=$ino ")" refs=4 nlink=0 ranges=0+16384 name=$file
	exec 9<&-
}

pin_odd_name() {
	local file=$data/$'odd \001 name'

	make_file "$file" 16
	make odd file "$file" 0 4096
	check_explained "odd name"
	check "odd name: as it is" grep -q -F " name=$file" $dump_file
}

# A path that no system call takes at once.
pin_deep() {
	local part i

	part=$(printf 'd%.0s' {1..200})
	pushd $data >/dev/null
	for ((i = 0; i < 24; i++)); do
		mkdir -p $part
		cd $part
	done
	make_file file 16
	exec 9<file
	popd >/dev/null
	make deep file /proc/$$/fd/9 0 4096
	check_explained "deep path"
	check_pin "deep path" "$(pin_of file ' cut=1 ')" refs=1 cut=1
	check "deep path: its end" grep -q "cut=1 name=/dd.*/$part/file\$" $dump_file
	exec 9<&-
	rm -rf ${data:?}/$part
}

pin_overlay() {
	mkdir -p $data/lower /run/overlay/{upper,work,merged}
	make_file $data/lower/file 16
	mount -t overlay -o lowerdir=$data/lower,upperdir=/run/overlay/upper,workdir=/run/overlay/work overlay /run/overlay/merged ||
		return 0
	make overlay file /run/overlay/merged/file 0 8192
	check_explained "overlay"
	check_pin "overlay: the file below" "$(pin_of file "ino=$(stat -c %i $data/lower/file) ")" refs=2 fstype=ext4 \
		name=$data/lower/file
	umount /run/overlay/merged
}

pin_nothing() {
	/opt/mcr-tests/mcr-pins-dump 999999999 >$dump_file || true
	check "an id that is no memcg is an error" grep -q '^memcg id=999999999 error=' $dump_file
}

pin_dirty() {
	local file=$data/dirty

	rm -f $file
	echo 60000 >/proc/sys/vm/dirty_writeback_centisecs
	make dirty write $file 32768
	walk "$group_id"
	check_pin "dirty page cache" "$(pin_of file "ino=$(stat -c %i $file) ")" refs=8 bytes=32768 dirty=32768 ranges=0+32768
	check_explained "dirty page cache"
	echo 500 >/proc/sys/vm/dirty_writeback_centisecs
}

pin_tmpfs() {
	make tmpfs write /dev/shm/pinned 20480
	check_explained "tmpfs"
	check_pin "tmpfs" "$(pin_of tmpfs)" refs=5 bytes=20480 ino="$(stat -c %i /dev/shm/pinned)" \
		dev="$(device_of /dev/shm)" ranges=0+20480 name=/pinned
	rm /dev/shm/pinned
}

pin_memfd() {
	make memfd memfd known-name 28672
	check_explained "memfd"
	check_pin "memfd" "$(pin_of memfd)" refs=7 bytes=28672 mapped=28672 size=28672 name=known-name
	unmake
}

pin_sysv() {
	make sysv sysv 0x4d4352 40960
	check_explained "SysV segment"
	check_pin "SysV segment" "$(pin_of sysv)" refs=10 bytes=40960 shmid="$answer" key=$((0x4d4352))
	ipcrm -m "$answer"
}

pin_shared() {
	make shared shared 49152
	check_explained "shared anonymous memory"
	check_pin "shared anonymous memory" "$(pin_of shared-anon)" refs=12 bytes=49152 mapped=49152
	walk --users "$group_id"
	check_eq "shared anonymous memory: who maps it" "$(grep -c "^user kind=shared-anon .*pid=$answer .*mapped=49152 fds=0" $dump_file)" 1
	unmake
}

pin_anon() {
	make anon anon 1048576 $elsewhere
	check_explained "private memory"
	check_pin "private memory" "$(pin_of anon "pid=$answer ")" comm=mcr-pin large=0
	check_ge "private memory: bytes" "$(value_of bytes "$(pin_of anon "pid=$answer ")")" 1048576
	check_le "private memory: not much else" "$(value_of bytes "$(pin_of anon "pid=$answer ")")" 1310720
	walk --users "$group_id"
	check_eq "private memory: whose" "$(grep -c "^user kind=anon .*pid=$answer .*cgroup=/elsewhere$" $dump_file)" 1
	unmake
}

pin_huge() {
	make huge huge 4194304 $elsewhere
	check_explained "huge pages"
	check_pin "huge pages" "$(pin_of anon "pid=$answer ")" large=1
	check_ge "huge pages: bytes" "$(value_of bytes "$(pin_of anon "pid=$answer ")")" 4194304
	check_le "huge pages: one reference each" "$(value_of refs "$(pin_of anon "pid=$answer ")")" 64
	unmake
}

pin_huge_tmpfs() {
	mkdir -p /run/huge
	mount -t tmpfs -o huge=always,size=16M huge /run/huge
	make hugefile write /run/huge/big 4194304
	check_explained "huge tmpfs"
	check_pin "huge tmpfs" "$(pin_of tmpfs)" refs=2 bytes=4194304 large=1 ranges=0+4194304 name=/big
	umount /run/huge
}

pin_block_device() {
	local offset=$(($(blockdev --getsize64 /dev/vda) - 1048576))

	make block file /dev/vda $offset 12288
	check_explained "block device"
	check_pin "block device" "$(pin_of block-device)" refs=3 bytes=12288 rdev="$root_device" ranges=$offset+12288
	blockdev --flushbufs /dev/vda
}

pin_locked() {
	local file=$data/locked

	make_file $file 32
	make locked lock $file 32768 $elsewhere
	check_explained "locked file"
	check_pin "locked file" "$(pin_of file "ino=$(stat -c %i $file) ")" refs=8 bytes=32768 mapped=32768 locked=1 \
		ranges=0+32768 name=$file
	check_eq "locked file: found by looking at all pages" "$(memcg_value scanned)" 1
	unmake
}

pin_writeback() {
	local file=$data/writeback

	rm -f $file
	make writeback write $file 8192
	sync $file
	drop_cache_of $file
	check_explained "writeback structure"
	check_pin "writeback structure" "$(pin_of writeback)" refs=1 bytes=0 device="$root_device"
	check_eq "writeback structure: no page of the file" "$(pin_of file "ino=$(stat -c %i $file) ")" ""
}

pin_child() {
	local child_id

	mkdir $top/parent
	echo +memory >$top/parent/cgroup.subtree_control
	mkdir $top/parent/below
	child_id=$(stat -c %i $top/parent/below)
	/opt/mcr-tests/mcr-pin $top/parent/below write /dev/shm/below 4096
	rmdir $top/parent/below
	group_id=$(stat -c %i $top/parent)
	rmdir $top/parent
	check_explained "child"
	check_pin "child" "$(pin_of child)" refs=1 cgroup="$child_id" count=1 name=below
	rm /dev/shm/below
}

pin_process() {
	make defunct defunct
	check_explained "process not waited for"
	check_pin "process not waited for" "$(pin_of process)" refs=1 pid="$answer" comm=mcr-pin
	unmake
}

pin_tcp() {
	ip link set lo up 2>/dev/null || true
	make tcp tcp 4711 $elsewhere
	check_explained "TCP socket"
	check_pin "TCP socket" "$(pin_of socket "pid=$answer ")" refs=1 comm=mcr-pin name=tcp
	check "TCP socket: its address" grep -q 'kind=socket .*name=tcp 127.0.0.1:4711$' $dump_file
	unmake
}

pin_unix() {
	make unix unix /run/pinned.sock $elsewhere
	check_explained "local socket"
	check_pin "local socket" "$(pin_of socket "pid=$answer ")" refs=1 comm=mcr-pin
	check "local socket: its address" grep -q 'kind=socket .*name=unix /run/pinned.sock$' $dump_file
	unmake
	rm /run/pinned.sock
}

pin_inotify() {
	make inotify inotify /etc $elsewhere
	check_explained "inotify"
	check_pin "inotify" "$(pin_of inotify)" refs=1 pid="$answer" comm=mcr-pin
	unmake
}

pin_fanotify() {
	make fanotify fanotify /etc $elsewhere
	check_explained "fanotify"
	check_pin "fanotify" "$(pin_of fanotify)" refs=1 pid="$answer" comm=mcr-pin
	unmake
}

# The connection belongs to the cgroup of who asked for it, until it is accepted and after.
pin_not_accepted() {
	local listener

	/opt/mcr-tests/mcr-pin $elsewhere unix /run/queue.sock $elsewhere >$data/listener &
	wait_for 30 grep -q ready $data/listener
	listener=$(awk '{ print $2 }' $data/listener)
	make embryo connect /run/queue.sock
	check_explained "connection not accepted"
	check_pin "connection not accepted" "$(pin_of socket 'name=unix /run/queue.sock (not accepted yet)$')" refs=1 \
		pid="$listener" comm=mcr-pin
	check_pin "the other end of it, closed" "$(pin_of socket 'name=unix (closed, with data to deliver)$')" refs=1
	check_eq "connection not accepted: both ends are all there is" "$(grep -c "^pin kind=socket" $dump_file)" 2
	kill "$listener"
	wait
	check "connection not accepted: gone with who listens" wait_for 20 refuses 1 "no zombie has" "$group_id"
	rm /run/queue.sock
}

pin_in_flight() {
	make sent-tcp send tcp 4712
	check_explained "TCP socket in flight"
	check "TCP socket in flight: its name" grep -q 'kind=socket .*name=tcp 127.0.0.1:4712 (sent in a message, not received yet)$' $dump_file
	unmake
	make sent-unix send unix /run/sent.sock
	check_explained "local socket in flight"
	check "local socket in flight: its name" grep -q 'kind=socket .*name=unix /run/sent.sock (sent in a message, not received yet)$' $dump_file
	unmake
	rm /run/sent.sock
	make sent-inotify send inotify /etc
	check_explained "inotify in flight"
	check "inotify in flight: its name" grep -q 'kind=inotify .*name=(sent in a message, not received yet)$' $dump_file
	unmake
}

pin_not_through() {
	local listener

	/opt/mcr-tests/mcr-pin $elsewhere tcp 4713 $elsewhere >$data/listener &
	wait_for 30 grep -q ready $data/listener
	listener=$(awk '{ print $2 }' $data/listener)
	make unread unread 4713
	check_explained "TCP socket closed with data to deliver"
	check "TCP socket closed with data to deliver: its name" \
		grep -q 'kind=socket .*name=tcp 127.0.0.1:[0-9]* -> 127.0.0.1:4713 (closed, with data to deliver)$' $dump_file
	kill "$listener"
	wait
}

pin_ksm() {
	[[ -e /sys/kernel/mm/ksm/run ]] || return 0
	mkdir $top/ksm
	group_id=$(stat -c %i $top/ksm)
	/opt/mcr-tests/mcr-pin $top/ksm ksm 1048576 $elsewhere >$data/ksm &
	maker=$!
	wait_for 30 grep -q ready $data/ksm
	answer=$(awk '{ print $2 }' $data/ksm)
	echo 10000 >/sys/kernel/mm/ksm/pages_to_scan
	echo 1 >/sys/kernel/mm/ksm/run
	check "KSM: pages are merged" wait_for 60 eval '(($(cat /sys/kernel/mm/ksm/pages_sharing) >= 254))'
	wait_for 10 rmdir $top/ksm
	check_explained "KSM"
	# The kernel merges 256 pages into one at most, and begins another.
	check_pin "KSM" "$(pin_of ksm)" refs="$(cat /sys/kernel/mm/ksm/pages_shared)"
	echo 2 >/sys/kernel/mm/ksm/run
	echo 0 >/sys/kernel/mm/ksm/run
	unmake
}

# Read ahead from swap, and not asked for: such pages have no mapping yet.
pin_swap_cache() {
	[[ -n $(swapon --noheadings --show=NAME) ]] || return 0
	make swapin swapin 1048576 $elsewhere
	check_explained "swap cache"
	check_ge "swap cache: pages" "$(value_of refs "$(pin_of swap-cache)")" 1
	check_le "swap cache: no more than there are" "$(value_of refs "$(pin_of swap-cache)")" 224
	unmake
}

# A CPU that has charged keeps some charges; removal takes them back, so it is seen of a live cgroup.
stock_is_seen() {
	taskset -c 0 /opt/mcr-tests/mcr-pins-dump "$(stat -c %i $top/stock)" >$dump_file
	[[ -n $(pin_of stock) ]]
}
pin_stock() {
	mkdir $top/stock
	taskset -c 1 sh -c "echo \$\$ >$top/stock/cgroup.procs; while :; do : >/dev/shm/stock; echo x >/dev/shm/stock; done" &
	check "stock: seen" wait_for 30 stock_is_seen
	check_pin "stock" "$(pin_of stock)" refs=1 count=1
	kill $!
	wait
	rm /dev/shm/stock
	rmdir $top/stock
}

# Where a whole cgroup of processes moves at once, the kernel takes only one of their address spaces along.
pin_mm() {
	local i pids=()

	mkdir $top/mm
	echo +memory >$top/mm/cgroup.subtree_control
	mkdir $top/mm/leaves
	group_id=$(stat -c %i $top/mm/leaves)
	for i in 1 2 3; do
		sh -c "echo \$\$ >$top/mm/leaves/cgroup.procs && exec sleep infinity" &
		pids+=($!)
		wait_for 10 grep -q sleep /proc/$!/comm
	done
	echo -memory >$top/mm/cgroup.subtree_control
	check_explained "address space"
	cat $dump_file
	check_eq "address space: all but the first stay" "$(grep -c '^pin kind=mm .*comm=sleep' $dump_file)" 2
	for i in "${pids[@]}"; do
		[[ $i == "${pids[0]}" ]] || check "address space: its process" grep -q "^pin kind=mm .* pid=$i " $dump_file
	done
	kill "${pids[@]}"
	wait
	rmdir $top/mm/leaves $top/mm
}

# The one shared memory that the kernel mounts for itself and that has directories: /dev.
pin_devtmpfs() {
	make devtmpfs write /dev/pinned 8192
	check_explained "devtmpfs"
	check_pin "devtmpfs" "$(pin_of tmpfs "ino=$(stat -c %i /dev/pinned) ")" refs=2 fstype=devtmpfs dev="$(device_of /dev/pinned)" \
		name=/pinned
	rm /dev/pinned
}

pin_live() {
	mkdir $top/live
	/opt/mcr-tests/mcr-pin $top/live write /dev/shm/live 8192
	walk "$(stat -c %i $top/live)"
	check_eq "a live cgroup is not dying" "$(memcg_value dying)" 0
	check_pin "live" "$(pin_of tmpfs)" refs=2 bytes=8192 name=/live
	rm /dev/shm/live
	rmdir $top/live
}

pin_swapped() {
	[[ -n $(swapon --noheadings --show=NAME) ]] || return 0
	mkdir $top/swapped
	group_id=$(stat -c %i $top/swapped)
	/opt/mcr-tests/mcr-pin $top/swapped write /dev/shm/swapped 131072
	echo 131072 >$top/swapped/memory.reclaim || true
	rmdir $top/swapped
	check_explained "swapped out"
	check_pin "swapped out" "$(pin_of swap)" refs=1
	check_ge "swapped out: entries" "$(value_of count "$(pin_of swap)")" 16
	rm /dev/shm/swapped
}

every_class() {
	local class

	for class in nothing file deleted_file odd_name deep overlay dirty tmpfs memfd sysv shared anon huge huge_tmpfs block_device locked writeback child \
		process tcp unix inotify fanotify not_accepted in_flight not_through ksm swap_cache stock mm devtmpfs live swapped; do
		"pin_$class"
	done
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The qemu command line of one boot, from the variables of its boot.conf. The cached image is only ever the
# backing file of a throw-away overlay. There is no network. A panic ends qemu: panic=-1 asks for a reboot and
# -no-reboot turns that into an exit.

# Emulation is the default because it is the same everywhere; MCR_VM_ACCEL=auto takes KVM where it really works.
pick_accel() {
	case ${MCR_VM_ACCEL:-tcg} in
	tcg)	echo tcg,thread=multi ;;
	auto)	if kvm_works; then echo kvm; else echo tcg,thread=multi; fi ;;
	*)	die "MCR_VM_ACCEL is tcg or auto, not '$MCR_VM_ACCEL'" ;;
	esac
}

# /dev/kvm may be there and yet run no guest: believe only a kernel that speaks.
kvm_works() {
	[[ -w /dev/kvm ]] || return
	timeout 10 qemu-system-x86_64 -accel kvm -cpu host -m 256M -nodefaults -no-reboot -display none -serial stdio \
		-kernel "$image/kernel" -append "earlyprintk=serial console=ttyS0 panic=-1" </dev/null 2>/dev/null |
		grep -q "Linux version"
}

machine_args() {
	if [[ $ICOUNT == 1 ]]; then
		# One instruction is one nanosecond: the guest's clock says the same on every machine.
		printf '%s\n' -accel tcg,thread=single -icount shift=0,sleep=off -cpu max -smp 1
		return
	fi
	printf '%s\n' -accel "$ACCEL" -smp "$SMP,sockets=$SMP"
	if [[ $ACCEL == kvm* ]]; then
		printf '%s\n' -cpu host
	else
		printf '%s\n' -cpu max
	fi
}

# Two nodes, half of the memory and of the CPUs each.
numa_args() {
	local size=$((${MEM%M} / 2))M half=$(((SMP + 1) / 2)) cpus

	[[ $NUMA == 2 ]] || return 0
	cpus=,cpus=0-$((half - 1))
	printf '%s\n' -object "memory-backend-ram,id=node0,size=$size" -numa "node,nodeid=0,memdev=node0$cpus"
	cpus=,cpus=$half-$((SMP - 1))
	((SMP > 1)) || cpus=''
	printf '%s\n' -object "memory-backend-ram,id=node1,size=$size" -numa "node,nodeid=1,memdev=node1$cpus"
}

disk_args() {
	local serial=$1 file=$2 format=$3

	printf '%s\n' -drive "if=none,id=$serial,file=$file,format=$format,cache=unsafe" \
		-device "virtio-blk-pci,drive=$serial,serial=$serial"
}

# Two terminals: the console, and the port that carries nothing but the protocol of results.
terminal_args() {
	local dir=$1

	if ((shell)); then
		printf '%s\n' -serial mon:stdio
	else
		printf '%s\n' -serial "file:$dir/console.log" -monitor none
	fi
	printf '%s\n' -device virtio-serial-pci -chardev "file,id=results,path=$dir/results" \
		-device virtserialport,chardev=results,name=mcr.results
}

# Stalls of a busy host are no fault of the kernel under test: the watchdogs wait long or not at all.
kernel_args() {
	echo "root=/dev/vda rw console=ttyS0 loglevel=6 printk.devkmsg=on panic=-1" \
		"rcupdate.rcu_cpu_stall_timeout=300 nowatchdog no_timer_check $(slow_args) $KERNEL_ARGS"
}

# Whoever starts a guest that is slow by its checks waits longer for it, and it is preempted wherever it can be.
slow_args() {
	((SLOW == 1)) || echo "preempt=full systemd.default_timeout_start_sec=$((90 * SLOW))s" \
		"udev.event_timeout=$((180 * SLOW))"
}

# A kernel of ours has all built in that mounts the root.
boot_args() {
	if [[ -n $kernel_entry ]]; then
		printf '%s\n' -kernel "$kernel_entry/bzImage"
	else
		printf '%s\n' -kernel "$image/kernel" -initrd "$image/initrd"
	fi
	printf '%s\n' -append "$(kernel_args)"
}

qemu_args() {
	local dir=$1

	printf '%s\n' -nodefaults -no-user-config -no-reboot -display none -vga none -nic none -m "$MEM"
	machine_args
	numa_args
	terminal_args "$dir"
	printf '%s\n' -device virtio-rng-pci
	disk_args root "$dir/root.qcow2" qcow2
	disk_args mcrpayload "$dir/payload.tar" raw
	((SWAP == 0)) || disk_args mcrswap "$dir/swap.raw" raw
	boot_args
}

make_disks() {
	local dir=$1

	qemu-img create -q -f qcow2 -F raw -b "$image/rootfs.ext4" "$dir/root.qcow2"
	((SWAP == 0)) || truncate -s "${SWAP}M" "$dir/swap.raw"
}

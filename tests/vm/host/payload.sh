# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The payload: one tar, given to the guest as a raw disk, that is unpacked over its root. It carries what
# `cmake --install` puts in place (or packages that hold it), the agent, and the scenarios of one boot under
# /opt/mcr-tests.

# Everything the build installs, or packages of it, and the component of test programs, which is excluded from "all".
stage_build() {
	local build=$1 stage=$2 log=$3

	{
		if ((PACKAGE)); then
			make_packages "$build" "$stage/opt/mcr-tests"
		else
			DESTDIR=$stage cmake --install "$build"
		fi && DESTDIR=$stage cmake --install "$build" --component tests
	} >"$log" 2>&1 && return
	cat "$log" >&2
	die "cannot install $build into the payload"
}

# first.deb, and second.deb, which has a higher version and a line more in its configuration file.
make_packages() {
	local build=$1 dir=$2 work=$2/work

	cpack --config "$build/CPackConfig.cmake" -B "$work" &&
		mv "$work"/*.deb "$dir/first.deb" &&
		dpkg-deb -R "$dir/first.deb" "$work/tree" &&
		sed -i 's/^Version: .*/&+second/' "$work/tree/DEBIAN/control" &&
		echo '# As shipped with the second version.' >>"$work/tree/etc/memcg-reaper/reaper.conf" &&
		dpkg-deb --root-owner-group -b "$work/tree" "$dir/second.deb" &&
		rm -rf "$work"
}

stage_tests() {
	local stage=$1/opt/mcr-tests boot_dir=$2 only=$3 scenario

	mkdir -p "$stage/scenarios"
	cp -R "$vm_dir/guest/." "$stage/"
	for scenario in "$boot_dir"/[0-9]*.sh; do
		# shellcheck disable=SC2053 # a glob on purpose
		[[ ! -L $scenario || -e $scenario ]] || die "$scenario leads nowhere"
		[[ -e $scenario && $(basename "$scenario" .sh) == $only ]] || continue
		cp "$scenario" "$stage/scenarios/"
	done
	cat >"$stage/boot.env"
}

# What belongs to a kernel of ours: lists of what is built in, for modprobe, and with the patches the kernel's own test.
stage_kernel() {
	local entry=$1 stage=$2 selftest

	mkdir -p "$stage/usr"
	cp -R "$entry/modules/lib" "$stage/usr/"
	grep -q '^CONFIG_MEMCG_RECHARGE=y' "$entry/config" || return 0
	selftest=$("$vm_dir/../../kernel/selftest") || die "cannot build the kernel's own test"
	cp "$selftest" "$stage/opt/mcr-tests/test_memcg_recharge"
}

pack_payload() {
	local stage=$1 disk=$2

	tar -C "$stage" --owner=0 --group=0 --numeric-owner -cf "$disk" .
	truncate -s %1M "$disk"
}

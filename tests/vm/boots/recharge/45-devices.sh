# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Devices and parts of the kernel that users have given the memory to: refused by name, and as it was. What this kernel has not (udmabuf, an
# RDMA device) is known by name alone, unit.shmobject.
# timeout: 120
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

recharge_setup
for module in vhost_net vfio kvm_intel kvm_amd; do
	modprobe $module 2>/dev/null || true
done

# stands KIND REFUSAL
stands() {
	local before frozen

	hold "$1"
	before=$(sha256sum <"$target") frozen=$(charged $one)
	check_refused "$2" $one "$target"
	check_eq "$1: it is what it was" "$(sha256sum <"$target")" "$before"
	check_le "$1: nothing was charged to the owner, KiB" "$(charged $one)" $((frozen + 16))
	check "$1: nobody is frozen" nobody_frozen
	let_go
}

stands xdp xdp
stands vhost vhost
stands spliced pages-held
stands vfio vfio
if [[ -c /dev/kvm ]]; then
	stands kvm kvm
else
	echo "no /dev/kvm here"
fi

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The life of the package: nothing runs unasked, an upgrade loses neither an edit nor a held cgroup, a removal leaves
# the configuration and a purge leaves nothing.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/package.sh

# A protection of somebody's own, to be left alone.
systemd-run -q --unit=minned --property=MemoryMin=3M --property=MemoryLow=5M sleep infinity
install_all_files
note_beginning

# ---- Installed ----
check "it can be installed" quiet_dpkg -i $first
check_eq "not enabled" "$(enablement)" disabled
check_not "not running" daemon_process
systemctl preset memcg-reaperd
check_eq "nor enabled by a preset" "$(enablement)" disabled
check "the program runs" memcg-reaper --version

for file in $conf /usr/share/doc/memcg-reaper/copyright /usr/share/bash-completion/completions/memcg-reaper \
	/usr/share/zsh/vendor-completions/_memcg-reaper /usr/share/fish/vendor_completions.d/memcg-reaper.fish; do
	check "there: $file" test -s "$file"
done
for file in man8/memcg-reaper.8 man8/memcg-reaperd.service.8 man5/reaper.conf.5; do
	check "manual page: $file" gzip -t "/usr/share/man/$file.gz"
done
check "changelog" gzip -t /usr/share/doc/memcg-reaper/changelog.gz

for action in drain reap reload; do
	check "polkit wants an administrator for: $action" grep -q 'implicit active: *auth_admin_keep' \
		<(pkaction --action-id "org.memcgreaper1.$action" --verbose)
done
check "and asks for it each time to: recharge" grep -q 'implicit active: *auth_admin$' \
	<(pkaction --action-id org.memcgreaper1.recharge --verbose)
request_name() {
	"$@" busctl --system call org.freedesktop.DBus / org.freedesktop.DBus RequestName su org.memcgreaper1 4
}
check "root may own the name on the bus" request_name
check_not "nobody else may" request_name setpriv --reuid=65534 --regid=65534 --clear-groups

offered() {
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'source /usr/share/bash-completion/completions/memcg-reaper
		COMP_WORDS=(memcg-reaper "$@") COMP_CWORD=$#
		_memcg_reaper; printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}
check "units are completed" grep -qx dbus.service <(offered drain --unit = db)
check "cgroups are completed" grep -qx /system.slice/dbus.service <(offered drain /system.slice/db)

# ---- At work ----
check "it can be enabled and started" systemctl enable --now memcg-reaperd
check "it runs" daemon_is_active
dir=$(charged_cgroup at-work)
check_not "a charged cgroup is held" rmdir "$dir"
check "it is settled and removed" wait_for 15 test ! -e "$dir"

# ---- Upgraded ----
sed -i 's/^#IntervalSec=.*/IntervalSec=7s/' $conf
edited=$(conf_sum)
systemctl reload memcg-reaperd
pid=$(daemon_pid)
dir=$(charged_cgroup while-upgrading)
check_not "a cgroup is held while the package is upgraded" rmdir "$dir"
check "it can be upgraded" quiet_dpkg -i $second
check_eq "the new version is there" "$(package_version)" "$(dpkg-deb -f $second Version)"
check_eq "the configuration is as edited" "$(conf_sum)" "$edited"
check "the daemon runs" daemon_is_active
check "it is another process" test "$(daemon_pid)" -ne "$pid"
check_eq "with the program that is there now" "$(readlink "/proc/$(daemon_pid)/exe")" /usr/libexec/memcg-reaper/memcg-reaperd
check_eq "still enabled" "$(enablement)" enabled
check "what was held is removed" wait_for 20 test ! -e "$dir"
dir=$(charged_cgroup after-upgrade)
check_not "cgroups are held again" rmdir "$dir"
check "and settled" wait_for 15 test ! -e "$dir"

# ---- Removed ----
dir=$(charged_cgroup while-removing)
check_not "a cgroup is held while the package is removed" rmdir "$dir"
check "it can be removed" quiet_dpkg -r memcg-reaper
check_not "the daemon is stopped" daemon_process
check "what was held is removed" test ! -e "$dir"
check "no cgroup is held" nothing_held
check "every protection is what it was" knobs_are_unchanged
check_eq "the configuration stays" "$(conf_sum)" "$edited"
check_eq "the unit is gone" "$(load_state)" not-found
dir=$(charged_cgroup after-removal)
check "a charged cgroup goes at once" rmdir "$dir"

# ---- Back, and purged ----
check "it can be installed again" quiet_dpkg -i $first
check_eq "what the administrator had decided holds" "$(enablement)" enabled
check_not "but it is not running" daemon_process
check_eq "the configuration is as edited" "$(conf_sum)" "$edited"
systemctl start memcg-reaperd
dir=$(charged_cgroup while-purging)
check_not "a cgroup is held while the package is purged" rmdir "$dir"
check "it can be purged" quiet_dpkg -P memcg-reaper
check_no_trace
dir=$(charged_cgroup after-purge)
check "a charged cgroup goes at once" rmdir "$dir"
systemctl stop minned

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the scenarios of the package look at: everything on the machine that a package can leave behind.

readonly first=/opt/mcr-tests/first.deb second=/opt/mcr-tests/second.deb
readonly conf=/etc/memcg-reaper/reaper.conf

# The image leaves out manual pages and documentation.
install_all_files() { sed -i '/^path-exclude/d' /etc/dpkg/dpkg.cfg.d/*; }

# Every file but those of the kernel, of others that run meanwhile, and of dpkg's own records.
all_files() {
	find / \( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/tmp -o -path /var/log \
		-o -path /var/lib/dpkg -o -path /opt/mcr-tests \) -prune -o -printf '%y %p %l\n' | sort
}

enabled_units() { systemctl list-unit-files --state=enabled --no-legend --no-pager | sort; }

# Every protection and swap limit that is not the default, but for the one in the unit of the daemon.
knobs() {
	{ find /sys/fs/cgroup \( -name memory.min -o -name memory.low -o -name memory.swap.max \) \
		! -path '*/memcg-reaperd.service/*' -exec grep -Hvx -e 0 -e max {} + || true; } | sort
}

note_beginning() {
	all_files >"$MCR_STATE/files"
	enabled_units >"$MCR_STATE/enabled"
	knobs >"$MCR_STATE/knobs"
}

# as_at_beginning WHAT COMMAND: it prints what it printed then; the difference is shown if not.
as_at_beginning() { diff "$MCR_STATE/$1" <("$2"); }

knobs_are_unchanged() { as_at_beginning knobs knobs; }

# quiet_dpkg ARGUMENTS...: never asks, and an edited conffile stays as it is.
quiet_dpkg() { DEBIAN_FRONTEND=noninteractive dpkg --force-confold "$@" </dev/null; }

# Fails on a package that is not there, or not wholly.
package_version() { dpkg-query -W -f '${db:Status-Abbrev}${Version}\n' memcg-reaper | sed -n 's/^ii *//p'; }

daemon_pid() { systemctl show -p MainPID --value memcg-reaperd; }
daemon_process() { pgrep -x memcg-reaperd >/dev/null; }
enablement() { systemctl is-enabled memcg-reaperd 2>/dev/null || true; }
load_state() { systemctl show -p LoadState --value memcg-reaperd; }
known_units() { systemctl list-units --all --plain --no-legend 'memcg-reaper*'; }
conf_sum() { sha256sum <$conf; }

# Sentences for a system that the package has left for good.
check_no_trace() {
	check "no file is left" as_at_beginning files all_files
	check "the same units are enabled" as_at_beginning enabled enabled_units
	check "every protection is what it was" knobs_are_unchanged
	check_eq "systemd has no unit of it" "$(known_units)" ""
	check_eq "and finds none" "$(load_state)" not-found
	check_not "no process is left" daemon_process
	check "nothing is left in /run" test ! -e /run/memcg-reaper
	check "nothing is left in bpffs" test ! -e /sys/fs/bpf/memcg-reaper
	check "no cgroup is left" nothing_held
}

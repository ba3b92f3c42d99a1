# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The kernel alone, as fast as it goes: with the modes, if it has them. Without, this is the problem.
# timeout: 1700
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh
. /opt/mcr-tests/growth.sh

rate=0 settle=10

if [[ -d $knobs ]]; then
	settle=$(setting settle 900)
	for knob in mapped on_access evict enabled; do
		echo 1 >$knobs/$knob
	done
fi
growth_setup
grow_all
if [[ -d $knobs ]]; then
	check_le "left of those with a shared file" "$left_shared" 2
	check_le "left of those with private files" "$left_private" 2
	for counter in evicted moved_mapped moved_on_access failed_pinned; do
		figure "alone: $counter" "$(<$knobs/$counter)" pages
	done
else
	check_ge "left of those with a shared file" "$left_shared" $((shared / 2))
	check_ge "left of those with private files" "$left_private" $((private / 2))
fi

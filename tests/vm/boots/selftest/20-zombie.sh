# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A cgroup removed while a tmpfs page is charged to it becomes a zombie, and goes with that page.
. /opt/mcr-tests/lib.sh

readonly group=/sys/fs/cgroup/mcr-selftest
readonly file=/run/mcr-selftest

# write_from PROCS: a child joins the cgroup, a shell that did would leave pages of its own there.
write_from() { bash -c "echo \$\$ >$1 && exec dd if=/dev/zero of=$file bs=1M count=1 status=none"; }
more_than() { (($(zombies) > $1)); }
back_to() { (($(zombies) <= $1)); }

echo +memory >/sys/fs/cgroup/cgroup.subtree_control
# Once outside of the group, so that nobody has to read programs from disk inside of it.
write_from /dev/null
rm "$file"

before=$(zombies)
mkdir "$group"
write_from "$group/cgroup.procs"
rmdir "$group"
sleep 1
check "the removed cgroup stays as a zombie" more_than "$before"
rm "$file"
check "it goes when its page goes" wait_for 10 back_to "$before"

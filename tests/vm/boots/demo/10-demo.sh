# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a person sees who tries it on a freshly booted system.
. /opt/mcr-tests/lib.sh

say "A freshly booted Debian 12. Cgroups that were removed and still hold memory:"
run 'grep dying /sys/fs/cgroup/cgroup.stat'

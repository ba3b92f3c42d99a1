# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The same with the multi-generational LRU, whose lists are elsewhere.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh
. /opt/mcr-tests/pins-classes.sh

[[ -e /sys/kernel/mm/lru_gen/enabled ]] || skip "no multi-generational LRU in this kernel"
systemctl stop memcg-reaperd
echo y >/sys/kernel/mm/lru_gen/enabled
every_class
echo n >/sys/kernel/mm/lru_gen/enabled

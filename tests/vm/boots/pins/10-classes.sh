# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A known pin of each class, named by the walk exactly as it was made; the classic LRU lists.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh
. /opt/mcr-tests/pins-classes.sh

systemctl stop memcg-reaperd
echo n >/sys/kernel/mm/lru_gen/enabled
every_class

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A thousand kills; any other number by --set kills=N.
# timeout: 5000
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

kill_movers "$(setting kills 1000)" 4900

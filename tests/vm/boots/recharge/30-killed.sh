# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The same, and somebody is killed in every move. A thousand of them: the boot recharge-long.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

kill_movers "$(setting kills 300)" 850

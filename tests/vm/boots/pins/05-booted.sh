# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The zombies of a booted system: what holds them, in references.
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh

systemctl stop memcg-reaperd
walk --all
cat "$dump_file"
total=$(grep ^total "$dump_file")
held=$(value_of held "$total")
explained=$(value_of explained "$total")
figure "zombies of a booted system" "$(value_of zombies "$total")" memcgs
figure "references they hold" "$held" references
figure "of these explained" "$((explained * 10000 / held))" "1/100 %"
check_ge "99 % are explained" $((explained * 100)) $((held * 99))
check_le "no more than are held" "$explained" "$held"
check_eq "no walk has failed" "$(grep -c ' error=' "$dump_file" || true)" 0

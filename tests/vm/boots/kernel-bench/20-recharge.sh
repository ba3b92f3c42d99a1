# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A GiB of shared memory that is mapped: recharged by the kernel, and written anew by user space.
# timeout: 900
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/recharge.sh

readonly knobs=/sys/kernel/mm/memcg_recharge out=/run/recharge.out file=/dev/shm/moved mib=64 pages=262144

[[ -d $knobs ]] || skip "this kernel does not recharge"
recharge_setup
echo 1 >$knobs/enabled
/opt/mcr-tests/mcr-paths recharge $top/a $top/b $((pages / 256)) >$out || fail "mcr-paths has failed"
while IFS='|' read -r what value unit; do
	figure "$what" "$value" "$unit"
done <$out
value() { awk -F '|' -v what="$1" '$1 == what { print $2 }' $out; }
recharged=$(value "recharge, per page")
check_ge "pages moved" "$(<$knobs/moved)" $pages
check_eq "page faults of who has it mapped" "$(value "page faults of who has it mapped")" 0

# A microsecond is a thousand instructions here.
head -c ${mib}M /dev/zero >$file
hold plain $file
got=$($move one $two $file pause=100)
check_eq "rewritten while frozen" "$(value_of strategy "$got") $(value_of moved "$got")" "frozen $((mib << 20))"
rewritten=$(($(value_of pause "$got") * 1000 / (mib * 256)))
let_go
rm $file
figure "rewriting, per page, its users frozen" "$rewritten" instructions
figure "rewriting costs" $((rewritten * 10 / recharged)) "tenths of recharging"
check_ge "rewriting costs ten times as much" $rewritten $((10 * recharged))

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# All zombies at once: pages on no list are looked for once, not once for each zombie that has some.
# timeout: 300
# shellcheck disable=SC2154,SC2034,SC2086 # of and for pins.sh, without blanks
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/pins.sh

readonly data=/var/tmp/all
systemctl stop memcg-reaperd
pins_setup
mkdir -p $data

pids=()
for i in 1 2 3 4 5; do
	make_file $data/locked-$i $((i * 4))
	make locked-$i lock $data/locked-$i $((i * 4096)) $elsewhere
	pids+=("$answer")
done
make plain write /dev/shm/plain 8192

# memcgs: what is said of each that a walk explains, without those that come and go.
memcgs() { sed -n 's/ scanned=[01]//; s/^memcg id=[0-9]* \(dying=1 .*path=\/pins\/.*\)$/\1/p' $dump_file | sort; }
all_at_once() {
	walk --together --all
	[[ $(value_of held "$(grep ^total $dump_file)") == "$(value_of explained "$(grep ^total $dump_file)")" ]]
}
check "every reference of every zombie is explained" wait_for 20 all_at_once
cat $dump_file
check_eq "with one look at all pages" "$(grep ^scans= $dump_file)" scans=1
for i in 1 2 3 4 5; do
	check_pin "locked $i" "$(pin_of file "ino=$(stat -c %i $data/locked-$i) ")" refs=$i locked=1 ranges=0+$((i * 4096)) name=$data/locked-$i
done
together=$(memcgs)
walk --all
check_eq "the same is said one by one" "$(memcgs)" "$together"
check_ge "each of the five had its own look there" "$(grep -c ' scanned=1 .*path=/pins/locked' $dump_file)" 5
check "explain has the sum" eval "memcg-reaper explain --all | tee -a /dev/stderr | tail -n 1 | grep -q 'zombies, .* references explained'"
kill "${pids[@]}"
rm -r $data /dev/shm/plain

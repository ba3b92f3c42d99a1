# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a sample of the borrow ledger costs, in guest instructions.
# timeout: 600
. /opt/mcr-tests/lib.sh
. /opt/mcr-tests/reaper.sh

readonly run_file=/run/memcg-reaper/ledger.json state_file=/var/lib/memcg-reaper/ledger.json
readonly objects=1000 owner=/sys/fs/cgroup/system.slice/system-memcgowner.slice

systemctl stop memcg-reaperd
systemctl start system-memcgowner.slice
mkdir /dev/shm/ledger
# Read from the file: asking costs more than what is measured.
samples() { sed -n 's/^{"version":1,"boot_id":"[^"]*","sampled":\[[0-9]*,[0-9]*,\([0-9]*\),.*/\1/p' $run_file 2>/dev/null || true; }
cost_usec() { sed -n 's/.*"cost_usec":\([0-9]*\),.*/\1/p' $run_file; }
has_samples() { [[ $(samples) -ge $1 ]]; }

# figures WHAT SAMPLES: the last of so many; a microsecond is a thousand instructions here.
figures() {
	rm -f $run_file $state_file
	memcg-reaper owners --sample=1s &
	wait_for 300 has_samples 1
	first=$(cost_usec)
	wait_for 300 has_samples "$2"
	cost=$(cost_usec)
	figure "ledger, a sample of $1" $((cost * 1000)) instructions
	kill $!
	wait $! || true
}

figures "an owner with nothing, $(find /proc -maxdepth 1 -name '[0-9]*' | wc -l) processes" 3
empty=$cost
figure "ledger, the first sample, which loads its programs" $((first * 1000)) instructions
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo $$ >"$0/cgroup.procs" && exec perl -e "for (1..'$objects') { open(F, q(>), qq(/dev/shm/ledger/\$_)); print F q(x) x 4096 }"' $owner
perl -e 'open($f[$_], "<", "/dev/shm/ledger/$_") for 1..'$objects'; $| = 1; print "ready\n"; sleep 100000' >/run/holder &
holder=$!
wait_for 60 grep -q ready /run/holder
figures "$objects objects with a borrower each" 3
figure "ledger, per object" $(((cost - empty) * 1000 / objects)) instructions
check_ge "objects in the ledger" "$(grep -o '"owner_id"' $state_file | wc -l)" $objects
figure "ledger, its file" "$(($(stat -c %s $state_file) / 1024))" KiB
kill $holder
rm -rf /dev/shm/ledger /var/lib/memcg-reaper

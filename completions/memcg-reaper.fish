# memcg-reaper(8) completion for fish
# SPDX-License-Identifier: LGPL-2.1-or-later

# Units that have a cgroup.
function __memcg_reaper_units
	systemctl list-units --full --no-legend --no-pager --plain --type=service,scope,slice,socket,mount,swap 2>/dev/null |
		string replace -r ' .*' ''
end

# Paths below the root of the hierarchy, with or without the mount point in front.
function __memcg_reaper_cgroups
	set -l root /sys/fs/cgroup
	set -l word (commandline -ct)

	string match -q "$root/*" -- $word; and set root ''
	string match -q '/*' -- $word; or set word /$word
	for dir in $root$word*/
		string replace -- $root '' $dir
	end
end

# Paths of zombies: those that the daemon knows, because asking the kernel takes privilege.
function __memcg_reaper_zombies
	grep -oE '"path":"([^"\\\\]|\\\\\\\\)*","refs"' /run/memcg-reaper/status.json 2>/dev/null | cut -d'"' -f4 |
		sed 's/\\\\\\\\/\\\\/g'
end

set -l verbs status list explain reap drain recharge owners doctor policy
set -l no_verb "not __fish_seen_subcommand_from $verbs"
set -l policy '__fish_seen_subcommand_from policy'

complete -c memcg-reaper -f
complete -c memcg-reaper -n $no_verb -l version -d 'Print the version'
complete -c memcg-reaper -s h -l help -d 'Say how to call it'
complete -c memcg-reaper -n "__fish_seen_subcommand_from $verbs" -l json -d 'Print one JSON object'

complete -c memcg-reaper -n $no_verb -a status -d 'Zombies now, what was done, what is not possible here'
complete -c memcg-reaper -n $no_verb -a list -d 'Every zombie and what it holds'
complete -c memcg-reaper -n $no_verb -a explain -d 'What holds a zombie, and what would free it'
complete -c memcg-reaper -n $no_verb -a reap -d 'Reap what policy allows, once, now'
complete -c memcg-reaper -n $no_verb -a drain -d 'Reclaim the page cache of a cgroup'
complete -c memcg-reaper -n $no_verb -a recharge -d 'Move shared memory to an owner that lives on'
complete -c memcg-reaper -n $no_verb -a owners -d 'Who pays for recharged memory, and who borrows it'
complete -c memcg-reaper -n $no_verb -a doctor -d 'What this kernel can do, and what it costs to lack it'
complete -c memcg-reaper -n $no_verb -a policy -d 'Check policy files, or show what holds'

complete -c memcg-reaper -n 'not __fish_contains_opt all live; and __fish_seen_subcommand_from explain' -x -a '(__memcg_reaper_zombies)'
complete -c memcg-reaper -n '__fish_contains_opt live; and __fish_seen_subcommand_from explain' -x -a '(__memcg_reaper_cgroups)'
complete -c memcg-reaper -n 'not __fish_contains_opt live; and __fish_seen_subcommand_from explain' -l all -d 'Every zombie there is'
complete -c memcg-reaper -n 'not __fish_contains_opt all; and __fish_seen_subcommand_from explain' -l live -d 'A cgroup in use: what its removal would leave'

complete -c memcg-reaper -n '__fish_seen_subcommand_from reap' -s n -l dry-run -d 'Only say what would be tried'

complete -c memcg-reaper -n '__fish_seen_subcommand_from drain' -x -a '(__memcg_reaper_cgroups)'
complete -c memcg-reaper -n '__fish_seen_subcommand_from drain' -l unit -x -a '(__memcg_reaper_units)' -d 'The cgroup of a unit'
complete -c memcg-reaper -n '__fish_seen_subcommand_from drain' -l wait -x -d 'Go on for so many seconds'
complete -c memcg-reaper -n '__fish_seen_subcommand_from drain' -l strict -d 'Fail if something is left'

complete -c memcg-reaper -n '__fish_seen_subcommand_from owners' -l by-borrower -d 'What each cgroup borrows'
complete -c memcg-reaper -n '__fish_seen_subcommand_from owners' -l sample -d 'Take down who borrows what'
complete -c memcg-reaper -n '__fish_seen_subcommand_from recharge' -F -a '(__memcg_reaper_zombies)'
complete -c memcg-reaper -n '__fish_seen_subcommand_from recharge' -s n -l dry-run -d 'Only say what would be done'
complete -c memcg-reaper -n '__fish_seen_subcommand_from recharge' -l to -x -a '(__memcg_reaper_cgroups)' -d 'Who is to pay'

complete -c memcg-reaper -n "$policy; and not __fish_seen_subcommand_from check show cat" -a check -d 'Check policy files'
complete -c memcg-reaper -n "$policy; and not __fish_seen_subcommand_from check show cat" -a show -d 'Show the policy, or that of one cgroup'
complete -c memcg-reaper -n "$policy; and not __fish_seen_subcommand_from check show cat" -a cat -d 'Print the policy files'
complete -c memcg-reaper -n "$policy; and __fish_seen_subcommand_from check" -F
complete -c memcg-reaper -n "$policy; and __fish_seen_subcommand_from show" -x -a '(__memcg_reaper_cgroups)'

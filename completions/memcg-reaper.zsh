#compdef memcg-reaper
# SPDX-License-Identifier: LGPL-2.1-or-later

# Units that have a cgroup.
_memcg-reaper_units() {
	local -a units

	units=(${${(f)"$(_call_program units systemctl list-units --full --no-legend --no-pager --plain \
		--type=service,scope,slice,socket,mount,swap 2>/dev/null)"}%% *})
	_wanted units expl unit compadd -a "$@" - units
}

# Paths below the root of the hierarchy, with or without the mount point in front.
_memcg-reaper_cgroups() {
	if [[ $PREFIX == /sys/fs/cgroup* ]]; then
		_path_files -/
	elif compset -P /; then
		_path_files -/ -W /sys/fs/cgroup
	else
		_path_files -/ -W /sys/fs/cgroup -P /
	fi
}

# Paths of zombies: those that the daemon knows, because asking the kernel takes privilege.
_memcg-reaper_zombies() {
	local -a zombies

	zombies=(${(f)"$(_call_program zombies \
		"grep -oE '\"path\":\"([^\"\\\\]|\\\\\\\\)*\",\"refs\"' /run/memcg-reaper/status.json 2>/dev/null")"})
	zombies=(${${${zombies#*:?}%???refs?}//\\\\/\\})
	_wanted zombies expl zombie compadd -a "$@" - zombies
}

_memcg-reaper_explain() {
	if ((${words[(I)--live]})); then
		_memcg-reaper_cgroups
	else
		_memcg-reaper_zombies
	fi
}

_memcg-reaper_verbs() {
	local -a verbs=(
		'status:zombies now, what was done, what is not possible here'
		'list:every zombie and what it holds'
		'explain:what holds a zombie, and what would free it'
		'reap:reap what policy allows, once, now'
		'drain:reclaim the page cache of a cgroup'
		'recharge:move shared memory to an owner that lives on'
		'owners:who pays for recharged memory, and who borrows it'
		'doctor:what this kernel can do, and what it costs to lack it'
		'policy:check policy files, or show what holds'
	)

	_describe -t verbs verb verbs
}

_memcg-reaper_policy() {
	local -a common=("$@") objects=(
		'check:check policy files'
		'show:show the policy, or that of one cgroup'
		'cat:print the policy files'
	)

	if ((CURRENT == 2)) && [[ $PREFIX != -* ]]; then
		_describe -t objects 'what to do' objects
		return
	fi
	case $words[2] in
	check)	_arguments $common '1: :' '*:policy file:_files' ;;
	show)	_arguments $common '1: :' '2:cgroup:_memcg-reaper_cgroups' ;;
	*)	_arguments $common ;;
	esac
}

_memcg-reaper() {
	local curcontext=$curcontext state line expl
	local -a common=(
		'--json[print one JSON object]'
		'(- *)'{-h,--help}'[say how to call it]'
	)

	_arguments -C \
		'(- *)'{-h,--help}'[say how to call it]' \
		'(- *)--version[print the version]' \
		'1:verb:_memcg-reaper_verbs' \
		'*:: :->verb' && return
	[[ $state == verb ]] || return 1

	case $words[1] in
	explain)
		_arguments $common \
			'(--live 1)--all[every zombie there is]' \
			'(--all)--live[a cgroup in use\: what its removal would leave]' \
			'(--all)1:zombie:_memcg-reaper_explain' ;;
	reap)	_arguments $common {-n,--dry-run}'[only say what would be tried]' ;;
	drain)	_arguments $common \
			'(1)--unit=[the cgroup of a unit]:unit:_memcg-reaper_units' \
			'--wait=[go on for so long]:seconds' \
			'--strict[fail if something is left]' \
			'(--unit)1:cgroup:_memcg-reaper_cgroups' ;;
	recharge)
		_arguments $common {-n,--dry-run}'[only say what would be done]' \
			'--to=[who is to pay]:cgroup:_memcg-reaper_cgroups' \
			'1:zombie, file or cgroup:_files' ;;
	policy)	_memcg-reaper_policy $common ;;
	owners)	_arguments $common '(--sample)--by-borrower[what each cgroup borrows]' \
			'(--by-borrower)--sample=-[take down who borrows what]::interval' ;;
	status | list | doctor)
		_arguments $common ;;
	esac
}

_memcg-reaper "$@"

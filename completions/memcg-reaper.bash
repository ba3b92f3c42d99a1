# memcg-reaper(8) completion for bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

# Units that have a cgroup.
__memcg_reaper_units() {
	local unit rest

	systemctl list-units --full --no-legend --no-pager --plain --type=service,scope,slice,socket,mount,swap \
		2>/dev/null | while read -r unit rest; do printf '%s\n' "$unit"; done
}

# Cgroups that begin with $1, which may have the mount point in front. One with others below it ends with a slash.
__memcg_reaper_cgroups() {
	local root=/sys/fs/cgroup word=$1 dir

	[[ $word != $root/* ]] || root=''
	[[ $word == /* ]] || word=/$word
	for dir in "$root$word"*/; do
		[[ -d $dir ]] || continue
		dir=${dir%/}
		! compgen -G "$dir/*/" >/dev/null || dir+=/
		printf '%s\n' "${dir#"$root"}"
	done
}

# Paths of zombies: those that the daemon knows, because asking the kernel takes privilege.
__memcg_reaper_zombies() {
	grep -oE '"path":"([^"\\]|\\\\)*","refs"' /run/memcg-reaper/status.json 2>/dev/null | cut -d'"' -f4 |
		sed 's/\\\\/\\/g'
}

# Lines of stdin that begin with $1, quoted for the command line: names of units have backslashes.
__memcg_reaper_reply() {
	local line

	while IFS= read -r line; do
		[[ $line != "$1"* ]] || COMPREPLY+=("$(printf %q "$line")")
	done
}

__memcg_reaper_reply_words() { mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1"); }

__memcg_reaper_reply_cgroups() {
	__memcg_reaper_reply "${1:-/}" < <(__memcg_reaper_cgroups "$1")
	[[ ${COMPREPLY[0]-} != */ ]] || compopt -o nospace 2>/dev/null
}

__memcg_reaper_reply_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
	compopt -o filenames 2>/dev/null
}

__memcg_reaper_options() {
	case $1 in
	'')	echo --help --version ;;
	explain) echo --json --all --live --help ;;
	reap)	echo --json --dry-run --help ;;
	recharge) echo --json --dry-run --to= --help ;;
	owners)	echo --json --by-borrower --sample --help ;;
	drain)	echo --json --unit= --wait= --strict --help ;;
	*)	echo --json --help ;;
	esac
}

_memcg_reaper() {
	local cur=${COMP_WORDS[COMP_CWORD]} option='' verb='' object='' i

	# "=" is a word of its own.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		=)			continue ;;
		--unit | --wait | --to)	option=${COMP_WORDS[i]}
					continue ;;
		-*)			;;
		*)			if [[ $option ]]; then :
					elif [[ ! $verb ]]; then verb=${COMP_WORDS[i]}
					elif [[ ! $object ]]; then object=${COMP_WORDS[i]}
					fi ;;
		esac
		option=''
	done
	[[ $cur != = ]] || cur=''
	cur=${cur//\\\\/\\}
	COMPREPLY=()

	case $option in
	--unit)	__memcg_reaper_reply "$cur" < <(__memcg_reaper_units)
		return ;;
	--wait)	return ;;
	--to)	__memcg_reaper_reply_cgroups "$cur"
		return ;;
	esac
	if [[ $cur == -* ]]; then
		__memcg_reaper_reply_words "$cur" "$(__memcg_reaper_options "$verb")"
		[[ ${COMPREPLY[*]} != --*= ]] || compopt -o nospace 2>/dev/null
		return
	fi
	case $verb:$object in
	:)		__memcg_reaper_reply_words "$cur" 'status list explain reap drain recharge owners doctor policy' ;;
	explain:)	case " ${COMP_WORDS[*]} " in
			*' --live '*)	__memcg_reaper_reply_cgroups "$cur" ;;
			*' --all '*)	;;
			*)		__memcg_reaper_reply "$cur" < <(__memcg_reaper_zombies) ;;
			esac ;;
	recharge:)	if [[ $cur == /* && $cur != /sys/fs/cgroup/* ]]; then
				__memcg_reaper_reply_files "$cur"
			else
				__memcg_reaper_reply "$cur" < <(__memcg_reaper_zombies)
			fi ;;
	drain:)		__memcg_reaper_reply_cgroups "$cur" ;;
	policy:)	__memcg_reaper_reply_words "$cur" 'check show cat' ;;
	policy:check)	__memcg_reaper_reply_files "$cur" ;;
	policy:show)	__memcg_reaper_reply_cgroups "$cur" ;;
	esac
}

complete -F _memcg_reaper memcg-reaper

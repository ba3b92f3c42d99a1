# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A source tree of Debian's kernel: unpacked, patched, configured, made. The caller has $kernel_dir, die and say.

readonly series=6.1
readonly source_package=linux-source-$series

# What gets into the binaries but says nothing of their content.
export KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 1970" KBUILD_BUILD_USER=memcg-reaper KBUILD_BUILD_HOST=kernel

cache_dir() {
	local home=${HOME:-$(getent passwd "$UID" | cut -d: -f6)}

	echo "${MCR_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/memcg-reaper}"
}

use_ccache() {
	export CCACHE_DIR=$1/ccache CCACHE_MAXSIZE=3G CCACHE_COMPILERCHECK=content
	# The same source, wherever the tree lies: ccache looks at the preprocessor's output.
	export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$1
}

source_version() { dpkg-query -W -f '${Version}' "$source_package"; }

patches() { find "$kernel_dir/patches/$series" -name '*.patch' 2>/dev/null | sort; }

unpack_tree() {
	local tree=$1

	rm -rf "$tree"
	mkdir -p "$tree"
	tar -C "$tree" --strip-components=1 -xf "/usr/src/$source_package.tar.xz"
}

# In order and without any fuzz: the patches are for this source or not at all.
apply_patch() {
	local tree=$1 patch=$2

	patch -d "$tree" -p1 --fuzz=0 --no-backup-if-mismatch -s <"$patch" ||
		die "${patch##*/} does not apply to $source_package $(source_version)"
}

# prepare_tree TREE PATCH... -- FRAGMENT...: unpacked, patched, configured.
prepare_tree() {
	local tree=$1

	shift
	unpack_tree "$tree"
	while [[ $1 != -- ]]; do
		apply_patch "$tree" "$1"
		shift
	done
	shift
	configure_tree "$tree" "$@"
}

# configure_tree TREE FRAGMENT...: all that no fragment asks for is off, but for what nobody can choose.
configure_tree() {
	local tree=$1

	shift
	(cd "$tree" && scripts/kconfig/merge_config.sh -n "$@") >"$tree/merge.log" 2>&1 ||
		{ cat "$tree/merge.log"; die "cannot configure"; }
	check_config "$tree" "$@"
}

# Kconfig drops silently what depends on something that is off; here it is an error. Our own option may be missing from
# a tree that is not patched.
check_config() {
	local tree=$1 line bad=0

	shift
	while IFS= read -r line; do
		if [[ $line == "#"* ]]; then
			! grep -q "^${line:2:${#line}-13}=" "$tree/.config" && continue
		else
			grep -qxF "$line" "$tree/.config" && continue
			[[ $line != CONFIG_MEMCG_RECHARGE=y ]] || has_series "$tree" || continue
		fi
		say "not in the configuration: $line"
		bad=1
	done < <(wanted_options "$@")
	((!bad)) || die "the configuration is not what was asked for"
}

has_series() { grep -qsE '^config MEMCG_RECHARGE$' "$1"/{init,mm}/Kconfig; }

# The last word on each option.
wanted_options() {
	cat "$@" | awk '
		/^CONFIG_/		{ split($0, part, "="); line[part[1]] = $0 }
		/^# CONFIG_.* is not set$/	{ line[$2] = $0 }
		END			{ for (name in line) print line[name] }' | sort
}

# make_tree TREE ARGUMENTS...: quiet, by way of ccache. BTF wants types; where variables lie costs gcc time for nothing.
make_tree() {
	local tree=$1

	shift
	make -C "$tree" -s -j"$(nproc)" CC="ccache gcc" KCFLAGS=-fno-var-tracking "$@"
}

# make_kernel TREE NAME: NAME is what its release ends with.
make_kernel() {
	local tree=$1 name=$2

	make_tree "$tree" LOCALVERSION="-$name" bzImage >"$tree/make.log" 2>&1 ||
		{ tail -n 60 "$tree/make.log" >&2; die "cannot compile"; }
	grep -E 'warning:' "$tree/make.log" >&2 || true
}

install_kernel() {
	local tree=$1 name=$2 out=$3

	mkdir -p "$out"
	cp "$tree/arch/x86/boot/bzImage" "$tree/System.map" "$out/"
	cp "$tree/.config" "$out/config"
	install_module_lists "$tree" "$(make -C "$tree" -s kernelrelease LOCALVERSION="-$name")" "$out/modules"
}

# Scenarios ask modprobe for what is built in: it must know that.
install_module_lists() {
	local tree=$1 release=$2 root=$3 dir=$3/lib/modules/$2

	mkdir -p "$dir"
	cp "$tree"/modules.builtin{,.modinfo} "$dir/"
	: >"$dir/modules.order"
	/sbin/depmod -b "$root" "$release"
}

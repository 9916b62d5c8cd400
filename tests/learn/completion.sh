#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What bash completes on the command line of egress-learn.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
learn=${EGRESS_LEARN:-$abs_top_builddir/src/egress-learn}
# shellcheck source=../../contrib/completion/egress-learn
. "$top/contrib/completion/egress-learn"
cd "$work" || exit 99
mkdir folder
touch policy.toml

# Only readline can answer this one.
# shellcheck disable=SC2317 # it is called by what is tested
compopt() {
	:
}

# offers EXPECTED WORD...: what the last word can become, sorted.
offers() {
	local expected=$1 got

	COMP_WORDS=(egress-learn "${@:2}")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_egress_learn
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
	[ "$got" = "$expected" ]
	result $? "egress-learn ${*:2}" "it offers '$got', not '$expected'"
}

# The options that --help shows, and both letters of the common ones.
options() {
	"$learn" "$@" --help |
		sed -n 's/^  \(-.\), \(--[a-z-]*\).*/\1\n\2/p; s/^      \(--[a-z-]*\).*/\1/p' |
		sort | xargs
}

offers "drift observe scan" ''
offers "$(options scan)" scan -
offers "$(options observe)" observe -
offers "$(options drift)" drift -
offers "$(options)" -
offers folder scan ''
offers "folder policy.toml" drift ''
offers policy.toml observe -o p
offers "json sarif text" drift --format ''
offers sarif drift --format = s
offers "harden-runner hosts" --import h
offers "" observe --fold 8
finish

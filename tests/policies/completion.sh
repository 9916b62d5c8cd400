#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What bash completes on the command lines of the programs that take policies.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")/../.." || exit 99
# shellcheck source=../../contrib/completion/egress-compile
. contrib/completion/egress-compile
# shellcheck source=../../contrib/completion/egress-ctl
. contrib/completion/egress-ctl
# shellcheck source=../../contrib/completion/egress-resolver
. contrib/completion/egress-resolver
# shellcheck source=../../contrib/completion/egress-run
. contrib/completion/egress-run
cd "$work" || exit 99
mkdir folder
touch policy.toml other.toml file.txt

# Only readline can answer this one.
# shellcheck disable=SC2317 # it is called by what is tested
compopt() {
	:
}

# offers EXPECTED COMMAND WORD...: what the last word can become, sorted.
offers() {
	local expected=$1 got

	COMP_WORDS=("${@:2}")
	COMP_CWORD=$(($# - 2))
	COMPREPLY=()
	"_${2/-/_}"
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
	[ "$got" = "$expected" ]
	result $? "${*:2}" "it offers '$got', not '$expected'"
}

# The options that --help shows, and both letters of the common ones.
options() {
	"$abs_top_builddir/src/$1" --help |
		sed -n 's/^  \(-.\), \(--[a-z-]*\).*/\1\n\2/p; s/^      \(--[a-z-]*\).*/\1/p' |
		sort | xargs
}

for program in egress-compile egress-resolver; do
	if [ -x "$abs_top_builddir/src/$program" ]; then
		offers "$(options $program)" $program -
	else
		skip "$program -" "it is not built"
	fi
	offers "folder other.toml policy.toml" $program ''
	offers policy.toml $program p
	offers policy.toml $program --override p
	offers policy.toml $program --override = p
	offers --override $program policy.toml --overr
	offers folder $program --profile-dir ''
	offers folder $program --profile-dir =
done

offers "file.txt folder other.toml policy.toml" egress-compile -o ''
offers file.txt egress-compile --output = fil
offers other.toml egress-compile --diff o
offers "json text" egress-compile --format ''
offers "json text" egress-compile --format =
offers json egress-compile --format = j
offers "" egress-compile --explain p
offers "cgroup= group= interface= source= user=" egress-compile --as ''
offers user= egress-compile --as = u
offers root egress-compile --as user = roo
offers root egress-compile --as = user = roo
offers root egress-compile --as group = roo
if [ -e /sys/class/net/lo ]; then
	offers lo egress-compile --as interface = lo
else
	skip "egress-compile --as interface = lo" "no sysfs"
fi
offers "" egress-compile --as source = ''
offers policy.toml egress-compile user p
if [ -x "$abs_top_builddir/src/egress-ctl" ]; then
	offers "$(options egress-ctl)" egress-ctl -
else
	skip "egress-ctl -" "it is not built"
fi
offers "flush leases reload revoke session status why" egress-ctl ''
offers "extend new show" egress-ctl session ''
offers destinations egress-ctl session extend de
offers status egress-ctl --json st
offers "" egress-ctl revoke s
offers policy.toml egress-ctl --socket = p
offers "" egress-ctl --name no-such-name
offers "file.txt folder none other.toml policy.toml" egress-resolver --control ''
offers none egress-resolver --control = n
offers root egress-resolver --user roo
offers root egress-resolver -u roo
offers auto egress-resolver --workers = a
if [ -x "$abs_top_builddir/src/egress-run" ]; then
	offers "$(options egress-run)" egress-run -
else
	skip "egress-run -" "it is not built"
fi
offers policy.toml egress-run --policy = p
offers policy.toml egress-run -w --override p
offers root egress-run -u roo
offers "" egress-run -p policy.toml no-such-command
offers "" egress-run --allow p
offers policy.toml egress-run -p other.toml cat pol
offers policy.toml egress-run -- cat -n pol
finish

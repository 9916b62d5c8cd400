# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For the tests of this folder: results in TAP, and a folder of their own that goes with them.

# The checkers of build systems name both; by hand, the current directory is where make ran.
export abs_top_builddir=${abs_top_builddir:-$PWD}
# shellcheck disable=SC2034 # used by the tests
program=$abs_top_builddir/src/egress-compile
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

number=0
work=$(mktemp -d "${TMPDIR:-/tmp}/egress-policies.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT

# result STATUS DESCRIPTION [EXPLANATION]
result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		printf '%s\n' "${3:-}" | sed 's/^/# /'
	fi
}

skip() {
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

finish() {
	echo "1..$number"
	exit 0
}

# Whether a private network namespace with nftables is to be had.
has_namespaces() {
	unshare -Urn nft list ruleset >/dev/null 2>&1
}

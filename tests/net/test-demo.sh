#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What ./quickstart shows: it goes as told, twice in a row, fits a terminal and leaves nothing.

source=$(cd "$(dirname "$0")/../.." && pwd)
build=${abs_top_builddir:-$PWD}
failures=0

check() {
	if [ "$2" -eq 0 ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		failures=$((failures + 1))
	fi
}

# Where it puts its files, and nobody else does.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/egress-test-demo.XXXXXX") || exit 99
export TMPDIR
trap 'rmdir "$TMPDIR"' EXIT

remains() {
	ls -A "$TMPDIR"
	ls -d /run/netns/world /run/netns/host 2>/dev/null
}

for round in first second; do
	said=$(bash "$source/contrib/demo.sh" "$build" 2>&1)
	status=$?
	if [ $status -eq 77 ]; then
		echo "1..0 # SKIP $said"
		exit 0
	fi
	check "the $round time it ends well" $status
	[ $status -eq 0 ] || printf '%s\n' "$said" | sed 's/^/# /'
	[[ $said == *"reached "*" port 443"*allow-1* ]]
	check "the $round time a permitted name connects" $?
	[[ $said == *"NXDOMAIN (EDE 15: "*default-deny* ]]
	check "the $round time an unlisted name is refused" $?
	[[ $said == *"Failed to connect"*block-reserved* ]]
	check "the $round time a bare address is rejected" $?
	[ -z "$(awk 'length > 80' <<<"$said")" ]
	check "the $round time it fits 80 columns" $?
	[ -z "$(remains)" ]
	check "the $round time it leaves nothing behind" $?
done
echo "1..12"
exit $((failures > 0))

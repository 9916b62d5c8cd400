#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tests/apart makes of tests that pass, fail, are left out, or end too soon.

# shellcheck source=policies/tap.sh
. "$(dirname "$0")/policies/tap.sh"
apart=${abs_top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}/tests/apart
mkdir "$work/of-source" && cd "$work" || exit 99

# script NAME LINE...: a test that says these lines; EXIT is its status.
script() {
	local name=$1

	shift
	{
		echo '#!/bin/sh'
		printf "echo '%s'\n" "$@"
		[ -z "${EXIT-}" ] || echo "exit $EXIT"
	} >"$name"
	chmod +x "$name"
}

script well '1..2' 'ok 1 - this' 'ok 2 # SKIP only that'
script bad '1..2' 'ok 1 - this' 'not ok 2 - that'
script away '1..0 # SKIP it is not installed'
script left 'ok 1 - this # SKIP it is not installed' '1..1'
script short '1..2' 'ok 1 - this'
script silent ''
EXIT=3 script broken 'ok 1 - this' '1..1'
script told '1..1' 'ok 1 - this'
# shellcheck disable=SC2016 # of the script
echo '[ "$1 $2" = "with words" ]' >>told
mv well of-source/

# makes STATUS COUNTS TEST...
makes() {
	local wanted=$1 counts=$2 status=0

	shift 2
	abs_top_srcdir=$work/of-source abs_top_builddir=$work "$apart" check-it "$@" >said 2>&1 || status=$?
	[ $status = "$wanted" ] && grep -qx "make check-it: $counts" said
	result $? "$*: $counts" "$status $(cat said)"
}

makes 0 "1 passed, 0 failed, 1 skipped" well
makes 0 "1 passed, 0 failed, 0 skipped" "told with words"
makes 1 "1 passed, 1 failed, 0 skipped" bad
makes 0 "1 passed, 0 failed, 2 skipped" away well
makes 1 "2 passed, 1 failed, 1 skipped" bad well
makes 1 "0 passed, 0 failed, 1 skipped" away
grep -qx "make check-it: nothing ran" said
result $? "which is said" "$(cat said)"
makes 1 "0 passed, 0 failed, 2 skipped" left away
makes 1 "1 passed, 1 failed, 0 skipped" short
makes 1 "0 passed, 1 failed, 0 skipped" silent
makes 1 "1 passed, 1 failed, 0 skipped" broken
makes 1 "0 passed, 1 failed, 0 skipped" absent
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-learn scan looks at the very files that git does not leave out, in IGNORED_ROUNDS trees with
# patterns by chance.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
description="patterns leave out what git does by them"

if command -v git >/dev/null && command -v python3 >/dev/null; then
	said=$("$top/tests/learn/ignored" "$abs_top_builddir/tests/learn/listing" "$work" \
		"${IGNORED_SEED:-1}" "${IGNORED_ROUNDS:-60}" 2>&1)
	result $? "$description" "$said"
	echo "# $said" | head -n 1
else
	skip "$description" "git or python3 is not installed"
fi
finish

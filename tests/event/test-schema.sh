#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Records of every kind against the JSON Schema of them that is installed, in both directions: what
# is written is valid, and what isn't a record isn't.

# shellcheck source=../policies/tap.sh
. "${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/policies/tap.sh"
source=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
schema=$source/src/event/egress-events.schema.json
validate=$source/tests/event/validate

"$abs_top_builddir/tests/event/print-specimens" native >"$work/specimens" || exit 99
said=$("$validate" "$schema" "$work/specimens" 2>&1)
status=$?
if [ $status -eq 2 ]; then
	echo "1..0 # SKIP $said"
	exit 0
fi
result $status "records of every kind, ordinary and hostile, are valid" "$said"
echo "# $said" | tail -n 1

kinds=$(jq -r .kind "$work/specimens" | sort -u | tr '\n' ' ')
[ "$kinds" = "alert connection flow lease lost policy query session " ]
result $? "every kind is among them" "$kinds"

# Each member of the schema is in some record: so none is written differently.
members() {
	jq -r '."$defs"[] | .properties? // {} | keys[]' "$schema" | sort -u
}
seen() {
	jq -r '.. | objects | keys[]' "$work/specimens" | sort -u
}
missing=$(comm -23 <(members) <(seen))
[ -z "$missing" ]
result $? "every member of the schema is in some record" "$missing"

# invalid DESCRIPTION FILTER: the first record of a kind, changed by that.
invalid() {
	local said

	jq -c "select(.kind == \"$2\")" "$work/specimens" | head -n 1 | jq -c "$3" >"$work/bad"
	said=$("$validate" "$schema" "$work/bad")
	[ $? -eq 1 ]
	result $? "$1 is found" "$(cat "$work/bad") $said"
}
for kind in query lease connection flow policy lost alert session; do
	invalid "a member that isn't one in a $kind" "$kind" '.extra = 1'
	invalid "a missing time in a $kind" "$kind" 'del(.time)'
done
invalid "another kind" query '.kind = "other"'
invalid "a number as text" alert '.value = "5"'
invalid "a verdict that is none" connection '.verdict = "deny"'
invalid "an unknown rule of an alert" alert '.rule = "other"'
invalid "a name with a control character" query '.name = "a\nb"'
invalid "a key of a budget that is none" session '.budget.other = {used: 1, of: 2}'
printf '{"a":"b\tc"}\n' >"$work/bad"
"$validate" "$schema" "$work/bad" >/dev/null
[ $? -eq 1 ]
result $? "a control character in a line is found"
finish

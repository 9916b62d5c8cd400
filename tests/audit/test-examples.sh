#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The reports in contrib/examples are what egress-audit makes of the logs beside them, which are
# those of tests/net/test-day.sh. With --update they are made anew: make examples.
set -u
examples=${abs_top_srcdir:?}/contrib/examples
audit=${abs_top_builddir:?}/src/egress-audit
made=$(mktemp -d "${TMPDIR:-/tmp}/test-examples.XXXXXX") || exit 99
trap 'rm -rf "$made"' EXIT
number=0

cd "$examples" || exit 99
for log in day-usual day-leak; do
	for form in text:txt html:html; do
		report=$log.${form#*:}
		number=$((number + 1))
		if [ "${1:-}" = --update ]; then
			"$audit" report "--${form%:*}" -o "$report" $log.jsonl || exit 1
		elif "$audit" report "--${form%:*}" -o "$made/$report" $log.jsonl &&
			diff -u "$report" "$made/$report" >"$made/diff"; then
			echo "ok $number - $report"
		else
			echo "not ok $number - $report: make examples makes it anew"
			head -n 20 "$made/diff" | sed 's/^/# /'
		fi
	done
done
[ "${1:-}" = --update ] || echo "1..$number"

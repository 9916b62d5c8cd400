#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every fuzz target on its corpus, and on the DNS messages of $EGRESS_DATA where those are: valid and
# broken ones from other servers' tests, a file each in a tar archive.
set -u
targets=(answer audit channel engine framing import list match name observe packet policy query
	record scan scrape state text validate)
on_messages=(answer query validate)
data=${EGRESS_DATA:-${abs_top_srcdir:?}/../shared/data}
number=0
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# replay NAME FOLDER WHAT: one test, which fails too when there was nothing to run.
replay() {
	local program=${abs_top_builddir:?}/tests/fuzz/fuzz-$1

	number=$((number + 1))
	if [ -n "$(ls -A "$2" 2>/dev/null)" ] && "$program" -runs=0 "$2" >"$work/log" 2>&1; then
		echo "ok $number - fuzz-$1 on $3: $(find "$2" -type f | wc -l) inputs"
	else
		tail -n 60 "$work/log" | sed 's/^/# /'
		echo "not ok $number - fuzz-$1 on $3"
	fi
}

skip() {
	number=$((number + 1))
	echo "ok $number - fuzz-$1 on $2 # SKIP $3"
}

echo "1..$((${#targets[@]} + ${#on_messages[@]}))"
for target in "${targets[@]}"; do
	: >"$work/log"
	replay "$target" "$abs_top_srcdir/tests/fuzz/corpus/$target" "its corpus"
done

archives=("$data"/dns-packets/*.tar.xz)
[ -e "${archives[0]}" ] && mkdir "$work/messages" && for archive in "${archives[@]}"; do
	tar -C "$work/messages" --strip-components=1 -xf "$archive"
done
for target in "${on_messages[@]}"; do
	if [ -e "${archives[0]}" ]; then
		replay "$target" "$work/messages" "messages from elsewhere"
	else
		skip "$target" "messages from elsewhere" "none in $data/dns-packets"
	fi
done

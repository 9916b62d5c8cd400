#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# doc/tour.md: its commands, typed in contrib/playground in their order, say what it says that they
# do; only times, amounts and process numbers may differ.

source=$(cd "$(dirname "$0")/../.." && pwd)
build=${abs_top_builddir:-$PWD}
folder=$(mktemp -d "${TMPDIR:-/tmp}/egress-test-tour.XXXXXX") || exit 99
trap 'rm -rf "$folder"' EXIT

# The commands as a script in which a line with its number is printed after each; and what each is
# to say, in a file of that number. What is started or ended in the background is waited for.
split() {
	awk -v folder="$folder" '
	function finish() {
		if (!n || finished)
			return
		if (command ~ /&$/)
			print "until egress-ctl status; do sleep 0.1; done >/dev/null 2>&1" >script
		if (command ~ /^kill/)
			print "until [[ $(probe dns 192.0.2.53 no.example A) != NXDOMAIN* ]]; do sleep 0.1; done" >script
		print "printf \"\\n@@ %s\\n\" " n >script
		finished = 1
	}
	BEGIN { script = folder "/script" }
	/^    \$ / {
		finish()
		finished = 0
		command = substr($0, 7)
		said = folder "/" ++n ".expected"
		printf "" >said
		print command >(folder "/" n ".command")
		print command >script
		next
	}
	/^    / && finished { next }
	/^    >/ && n { print substr($0, 7) >script; next }
	/^    / && n { print substr($0, 5) >said; next }
	{ finish() }
	END { finish(); print n }' "$source/doc/tour.md"
}

# What is the same each time, but for the order: packets that are sent twice count. The shell tells of a job that was killed, if it is not interactive; and
# on a busy machine egress-run does not wait for a resolver that is slow to end.
same() {
	sed -E '/^[^ ]*script: line [0-9]+: .*Killed/d
		/^ *records are missing: there may be more$/d
		s/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC/TIME/g
		s/after [0-9]+ ms/after N ms/
		s/[0-9]+ (B|s)\>/N \1/g
		s/ +/ /g
		s/ $//' | sort
}

count=$(split)
said=$(timeout 300 "$source/contrib/playground" "$build" bash "$folder/script" 2>&1)
status=$?
if [ $status -eq 77 ]; then
	echo "1..0 # SKIP $said"
	exit 0
fi
awk -v folder="$folder" 'BEGIN { n = 1 }
	/^@@ [0-9]+$/ { n++; next }
	{ print >(folder "/" n ".said") }' <<<"$said"

failures=0
for ((n = 1; n <= count; n++)); do
	touch "$folder/$n.said"
	if difference=$(diff -u <(same <"$folder/$n.expected") <(sed '$d' "$folder/$n.said" | same)); then
		echo "ok $n - $(cat "$folder/$n.command")"
	else
		echo "not ok $n - $(cat "$folder/$n.command")"
		echo "# ${difference//$'\n'/$'\n'# }"
		failures=$((failures + 1))
	fi
done
echo "1..$count"
exit $((failures > 0))

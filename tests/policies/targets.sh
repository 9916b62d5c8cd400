#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# targets.sh [--update]: the policy of targets/ as each target of Kubernetes, and what that loses, as
# the files beside it have it. Every policy of the folder above, the shipped example, and lists that
# people use ($EGRESS_DATA, where that is) can be written as each. --update writes the files anew
# instead, for review.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")" || exit 99
data=${EGRESS_DATA:-${abs_top_srcdir:?}/../shared/data}/egress-lists
targets=(networkpolicy cilium clusternetworkpolicy)

# write TARGET LOSSES POLICY: where what is wider is only a warning.
write() {
	"$program" --target "$1" --namespace shop --selector app=web --labels tier=front --lossy \
		--losses "$2" "$3" 2>"$work/err"
}

if [ "${1:-}" = --update ]; then
	for target in "${targets[@]}"; do
		write "$target" targets/"$target".json targets/web.toml >targets/"$target".yaml || exit 1
	done
	exit 0
fi

for target in "${targets[@]}"; do
	write "$target" "$work/losses" targets/web.toml >"$work/out"
	result $? "$target is written" "$(cat "$work/err")"
	diff -u targets/"$target".yaml "$work/out" >"$work/diff"
	result $? "it is what it was" "$(head -n 20 "$work/diff")"
	diff -u targets/"$target".json "$work/losses" >"$work/diff"
	result $? "so is what it loses" "$(head -n 20 "$work/diff")"
	"$program" --target "$target" targets/web.toml >"$work/out" 2>"$work/err"
	[ $? = 1 ] && [ ! -s "$work/out" ] && grep -q 'error: .*\[E032\]' "$work/err"
	result $? "without --lossy it is an error, and nothing is written" "$(cat "$work/err")"
	failed=
	for policy in *.toml ../../contrib/example.toml; do
		write "$target" "$work/losses" "$policy" >"$work/out" || failed+=" $policy"
	done
	[ -z "$failed" ]
	result $? "$target of every policy here" "not of$failed: $(tail -n 3 "$work/err")"
done

# Names, one a line, of lists in the forms that people write them in; what has a variable in it is
# nobody's.
names_of() {
	sed -E 's/^[a-z-]+: //; s/^(name|pattern|dns-name|dns-pattern) //; s/#.*//' "$1" | tr -s '[:blank:]' '\n' |
		sed -E 's/:[0-9]+$//' | grep -E '^(\*\.)?[a-z0-9*-]+(\.[a-z0-9*-]+)+$' | grep -vE '^[0-9.]+$' | sort -u
}

if [ -d "$data" ]; then
	for list in "$data"/*.txt; do
		names_of "$list" >"$work/list.txt"
		printf 'version = 1\nname = "people"\n[[allow]]\nlist = "list.txt"\nbroad = true\n' >"$work/people.toml"
		failed=
		for target in "${targets[@]}"; do
			write "$target" "$work/losses" "$work/people.toml" >"$work/out" && [ -s "$work/list.txt" ] || failed+=" $target"
		done
		[ -z "$failed" ]
		result $? "$(basename "$list"): $(wc -l <"$work/list.txt") names" "not as$failed: $(tail -n 3 "$work/err")"
	done
else
	skip "the lists of \$EGRESS_DATA are not here"
fi
finish

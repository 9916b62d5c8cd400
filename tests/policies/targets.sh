#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# targets.sh [--update]: the policy of targets/ as each target of Kubernetes, and what that loses, as
# the files beside it have it. Every policy of the folder above, the shipped example, and lists that
# people use ($EGRESS_DATA, where that is) can be written as each; what the lists lose is in
# targets/lists, a JSON object for each target. --update writes the files anew instead, for review.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")" || exit 99
here=$PWD
data=${EGRESS_DATA:-${abs_top_srcdir:?}/../shared/data}/egress-lists
targets=(networkpolicy cilium clusternetworkpolicy sidecar)

# write TARGET OUTPUT LOSSES POLICY: where what is wider is only a warning.
write() {
	"$program" --target "$1" --namespace shop --selector app=web --labels tier=front --lossy \
		--output "$2" --losses "$3" "$4" 2>"$work/err"
}

# place TARGET: what it writes, a file or a folder.
place() {
	[ "$1" = sidecar ] && echo sidecar || echo "$1.yaml"
}

# list_losses LIST: of all targets, one behind the other.
list_losses() {
	local target

	./people.sh "$1" "$work" || return
	cd "$work" || return
	for target in "${targets[@]}"; do
		rm -rf list.out
		write "$target" list.out list.json people.toml || { cd "$here" && return 1; }
		cat list.json
	done
	cd "$here" || return
}

if [ "${1:-}" = --update ]; then
	for target in "${targets[@]}"; do
		rm -rf "targets/$(place "$target")"
		write "$target" "targets/$(place "$target")" targets/"$target".json targets/web.toml || exit 1
	done
	for list in "$data"/*.txt; do
		list_losses "$list" >"targets/lists/$(basename "$list" .txt).json" || exit 1
	done
	exit 0
fi

for target in "${targets[@]}"; do
	write "$target" "$work/out" "$work/losses" targets/web.toml
	result $? "$target is written" "$(cat "$work/err")"
	diff -ur "targets/$(place "$target")" "$work/out" >"$work/diff"
	result $? "it is what it was" "$(head -n 20 "$work/diff")"
	diff -u targets/"$target".json "$work/losses" >"$work/diff"
	result $? "so is what it loses" "$(head -n 20 "$work/diff")"
	failed=
	for policy in *.toml ../../contrib/example.toml; do
		rm -rf "$work/out"
		# A pod has no address of its own to listen on.
		write "$target" "$work/out" "$work/losses" "$policy" ||
			{ [ "$target:$policy" = sidecar:scope.toml ] && grep -q '\[E033\]' "$work/err"; } || failed+=" $policy"
	done
	[ -z "$failed" ]
	result $? "$target of every policy here" "not of$failed: $(tail -n 3 "$work/err")"
	rm -rf "$work/out"
	[ "$target" != sidecar ] || continue
	"$program" --target "$target" targets/web.toml >"$work/out" 2>"$work/err"
	[ $? = 1 ] && [ ! -s "$work/out" ] && grep -q 'error: .*\[E032\]' "$work/err"
	result $? "without --lossy it is an error, and nothing is written" "$(cat "$work/err")"
	rm -f "$work/out"
done

if [ -d "$data" ]; then
	for list in "$data"/*.txt; do
		name=$(basename "$list" .txt)
		list_losses "$list" >"$work/list.losses" && [ -s "$work/list.txt" ]
		result $? "$name as each target: $(wc -l <"$work/list.txt") names" "$(tail -n 3 "$work/err")"
		diff -u "targets/lists/$name.json" "$work/list.losses" >"$work/diff"
		result $? "what that loses" "$(head -n 20 "$work/diff")"
	done
else
	skip "the lists of \$EGRESS_DATA are not here"
fi

# All that is lost here and there is as its schema says; one that says less would be of no use.
if python3 -c 'import jsonschema' 2>/dev/null; then
	python3 - ../../rules/egress-losses.schema.json targets/*.json targets/lists/*.json <<'END' >"$work/said" 2>&1
import copy, json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
count = 0
for name in sys.argv[2:]:
    text = open(name).read()
    while text.strip():
        report, end = json.JSONDecoder().raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        validator.validate(report)
        count += len(report["losses"])
        for loss in report["losses"]:
            for wrong in ({"kind": "other"}, {"line": 0}, {"more": 1}):
                bad = copy.deepcopy(report)
                bad["losses"] = [dict(loss, **wrong)]
                assert not validator.is_valid(bad), bad
assert count > 20, count
END
	result $? "losses are as their schema has them" "$(tail -n 5 "$work/said")"
else
	skip "losses are as their schema has them" "python3 has no jsonschema"
fi
finish

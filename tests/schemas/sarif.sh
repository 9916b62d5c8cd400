#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What egress-learn drift says as SARIF, by the schema of SARIF 2.1.0 (OASIS), which npm has in
# @microsoft/jest-sarif.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
learn=${EGRESS_LEARN:-$abs_top_builddir/src/egress-learn}
folder=$abs_top_builddir/tests/schemas/sarif
schema=$folder/package/lib/schemas/sarif-2.1.0-rtm.5.json

fetch_schema() {
	[ -e "$schema" ] && return
	command -v npm >/dev/null && mkdir -p "$folder" || return
	(cd "$folder" && timeout 120 npm pack --silent @microsoft/jest-sarif >/dev/null 2>&1 &&
		tar -xzf ./*.tgz)
	[ -e "$schema" ]
}

fetch_schema || { skip "SARIF by its schema" "npm is not here, or does not work"; finish; }
python3 -c 'import jsonschema' 2>/dev/null ||
	{ skip "SARIF by its schema" "python3-jsonschema is not installed"; finish; }
cd "$work" || exit 99

# validate FILE [EXPRESSION]: by the schema, after the Python expression has changed `it`.
validate() {
	python3 - "$schema" "$1" "${2:-pass}" <<'END' >said 2>&1
import json, re, sys
import jsonschema
formats = jsonschema.FormatChecker()

@formats.checks("uri-reference")
def is_reference(text):
    return re.fullmatch(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*", text) is not None

it = json.load(open(sys.argv[2]))
exec(sys.argv[3])
schema = json.load(open(sys.argv[1]))
kind = jsonschema.validators.validator_for(schema)
for error in kind(schema, format_checker=formats).iter_errors(it):
    print(list(error.absolute_path), error.message[:300])
    sys.exit(1)
END
}

record() {
	printf '{"time":"2026-11-21T00:00:0%d.000000Z","kind":"%s","policy":"p","session":"s","verdict":"%s","rule":"r",%s}\n' \
		"$1" "$2" "$3" "$4"
}
{
	record 1 query permit '"name":"api.tills.dev","type":"A","rcode":"NOERROR"'
	record 2 flow permit '"name":"api.tills.dev","address":"11.0.0.1","port":443,"protocol":"tcp","bytes_out":1,"packets_out":1,"bytes_in":1,"packets_in":1'
	for i in 3 4 5; do
		record $i query refuse '"name":"bad.tills.dev","type":"A","rcode":"NXDOMAIN"'
	done
} >log.jsonl
for file in policy.toml 'odd: name?#%é [1].toml'; do
	printf 'version = 1\n[[allow]]\nhost = ["api.tills.dev", "b.tills.dev"]\nports = ["tcp/443", "tcp/80-90"]\n' >"$file"
	"$learn" drift --format sarif "$file" log.jsonl >drift.sarif
	[ $? -eq 1 ] && [ "$(grep -c '"ruleId"' drift.sarif)" = 3 ] && validate drift.sarif
	result $? "of $file" "$(cat said drift.sarif)"
done
printf 'version = 1\n[[allow]]\nhost = "api.tills.dev"\n' >policy.toml
"$learn" drift --format sarif --times 9 policy.toml log.jsonl >none.sarif && validate none.sarif
result $? "of a policy that has not drifted" "$(cat said none.sarif)"
for change in 'it["version"] = "2.0"' 'it["runs"][0]["results"][0]["level"] = "bad"' \
	'del it["runs"][0]["tool"]["driver"]["name"]' 'it["runs"][0]["results"][0]["rule"] = 1' \
	'it["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "a b"'; do
	! validate drift.sarif "$change"
	result $? "else it is an error: $change"
done
finish

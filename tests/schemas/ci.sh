#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples for CI (contrib/ci) are well-formed: the workflow for GitHub as GitHub's own parser
# (@actions/workflow-parser, of npm) reads it; the job for GitLab by GitLab's own schema, ci.json of
# its pipeline editor, which gitlab-ci-local (of npm) has in it.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
github=$top/contrib/ci/github-workflow.yml
gitlab=$top/contrib/ci/gitlab-ci.yml
node=$abs_top_builddir/tests/schemas/node-ci
editor=$abs_top_builddir/tests/schemas/gitlab

install_parser() {
	[ -e "$node/ready" ] && return
	command -v npm >/dev/null && command -v node >/dev/null || return
	mkdir -p "$node" || return
	timeout 120 npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$node" \
		@actions/workflow-parser >/dev/null 2>&1 || return
	# Its build leaves out what node asks of imports of JSON.
	grep -rlE "from ['\"][^'\"]*\.json['\"];" --include='*.js' "$node"/node_modules/@actions/*/dist |
		xargs sed -i -E "s/(from ['\"][^'\"]*\.json['\"]);/\1 with { type: 'json' };/"
	cat >"$node/parse.mjs" <<'END'
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow }
	from '@actions/workflow-parser';
import fs from 'fs';

const content = fs.readFileSync(process.argv[2], 'utf8');
const parsed = parseWorkflow({ name: 'workflow', content }, new NoOperationTraceWriter());
const template = await convertWorkflowTemplate(parsed.context, parsed.value);
const errors = [...parsed.context.errors.getErrors(), ...(template.errors ?? [])];
for (const error of errors)
	console.log(error.message ?? error.Message);
process.exit(errors.length > 0 ? 1 : 0);
END
	touch "$node/ready"
}

# wrong WHAT SED-EXPRESSION: the parser objects to such a workflow.
wrong() {
	sed -e "$2" "$github" >"$work/wrong.yml"
	! cmp -s "$github" "$work/wrong.yml" && ! node "$node/parse.mjs" "$work/wrong.yml" >"$work/said"
	result $? "$1 is an error" "it is none"
}

if install_parser; then
	output=$(node "$node/parse.mjs" "$github" 2>&1)
	result $? "GitHub's parser reads github-workflow.yml" "$output"
	wrong "another key of a job" 's/runs-on:/runs-onn:/'
	wrong "an expression that is none" 's/if: always()/if: always(/'
else
	skip "GitHub's parser reads github-workflow.yml" "npm or node is not here, or npm does not work"
fi

# The last version whose package has the schema as a file.
# shellcheck disable=SC2016 # what looks like a variable is none
fetch_schema() {
	[ -e "$editor/ci.json" ] && return
	command -v npm >/dev/null && command -v node >/dev/null && mkdir -p "$editor" || return
	(cd "$editor" && timeout 120 npm pack --silent gitlab-ci-local@4.64.1 >/dev/null 2>&1 &&
		tar -xzf ./*.tgz && node --input-type=module -e '
			import { schema } from "./package/src/schema/schema.js";
			process.stdout.write(JSON.stringify(schema));' >ci.json.new &&
		grep -q '"\$id":"https://gitlab.com/.gitlab-ci.yml"' ci.json.new && mv ci.json.new ci.json)
}

# validate FILE [EXPRESSION]: by the schema, after the Python expression has changed `it`.
validate() {
	python3 - "$editor/ci.json" "$1" "${2:-pass}" <<'END' 2>&1
import json, sys
import jsonschema, yaml

it = yaml.safe_load(open(sys.argv[2]))
exec(sys.argv[3])
assert it, "no job"
for error in jsonschema.Draft7Validator(json.load(open(sys.argv[1]))).iter_errors(it):
    print(list(error.absolute_path), error.message[:300])
    sys.exit(1)
END
}

if ! python3 -c 'import jsonschema, yaml' 2>/dev/null; then
	skip "gitlab-ci.yml by GitLab's schema" "python3 has no yaml or no jsonschema"
elif ! fetch_schema; then
	skip "gitlab-ci.yml by GitLab's schema" "npm or node is not here, or npm does not work"
else
	output=$(validate "$gitlab")
	result $? "gitlab-ci.yml by GitLab's schema" "$output"
	# As its comment has it, for a policy that is new.
	output=$(validate "$gitlab" 'it["check"]["allow_failure"] = {"exit_codes": 77}')
	result $? "with a refusal that is a warning" "$output"
	for change in 'it["check"]["scripts"] = it["check"].pop("script")' \
		'it["check"]["artifacts"]["when"] = "ever"' 'it["check"]["timeout"] = 30' \
		'it["check"]["artifacts"]["exposed_as"] = "egress"' \
		'it["check"]["allow_failure"] = {"exit_code": 77}'; do
		! validate "$gitlab" "$change" >"$work/said"
		result $? "else it is an error: $change" "it is none"
	done
fi
finish

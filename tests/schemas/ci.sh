#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples for CI (contrib/ci) are well-formed: the workflow for GitHub as GitHub's own parser
# (@actions/workflow-parser, of npm) reads it; of the one for GitLab, that it is YAML with the keys of
# a job.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
github=$top/contrib/ci/github-workflow.yml
node=$abs_top_builddir/tests/schemas/node-ci

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

if python3 -c 'import yaml' 2>/dev/null; then
	output=$(python3 - "$top/contrib/ci/gitlab-ci.yml" <<'END' 2>&1
import sys, yaml
jobs = yaml.safe_load(open(sys.argv[1]))
keys = {"image", "timeout", "before_script", "script", "artifacts", "allow_failure"}
assert jobs, "no job"
for name, job in jobs.items():
    assert set(job) <= keys, set(job) - keys
    assert job["script"], "no script"
    for line in job["script"] + job.get("before_script", []):
        assert isinstance(line, str), line
    assert job["artifacts"]["when"] == "always"
END
	)
	result $? "gitlab-ci.yml has jobs" "$output"
else
	skip "gitlab-ci.yml has jobs" "python3-yaml is not installed"
fi
finish

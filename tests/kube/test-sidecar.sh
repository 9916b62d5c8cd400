#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-sidecar.sh: the component of `egress-compile --target sidecar`, applied to workloads of each
# kind: by render.py, and by kustomize 5 where there is one ($KUSTOMIZE, kustomize, or kubectl's),
# which must agree. Each of their pods is confined; and what such a pod compiles is the ruleset of the
# policy it came from.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
here=$(cd "$(dirname "$0")" && pwd) || exit 99
policies=$here/../policies

cd "$work" || exit 99
mkdir -p home/lists home/own app abs

if ! python3 -c 'import yaml' 2>/dev/null; then
	skip "a component" "python3 has no yaml"
	finish
fi

# Sets the command to compare with.
find_kustomize() {
	local -a candidate
	for candidate in "${KUSTOMIZE:-kustomize} build" "kubectl kustomize"; do
		# shellcheck disable=SC2206 # a program and its argument
		kustomize=($candidate)
		command -v "${kustomize[0]}" >/dev/null || continue
		case ${kustomize[1]}:$("${kustomize[0]}" version --client 2>/dev/null; "${kustomize[0]}" version 2>/dev/null) in
		build:*v[5-9].* | kustomize:*"Kustomize Version: v"[5-9]*) return 0 ;;
		esac
	done
	return 1
}

# component POLICY OPTION...: the component in app/egress, what it says in err.
component() {
	rm -rf app/egress
	"$program" --target sidecar --namespace shop --selector app=web --labels team=a,tier=front \
		--profile-dir home/own --lossy --output app/egress "$@" 2>err
}

render() {
	python3 "$here/render.py" app/egress "$here/workloads.yaml" >objects.json
}

# --- A policy with everything that a pod needs ---

cat >home/web.toml <<'END'
version = 1
name = "web"
profiles = ["mine"]

[[allow]]
host = "api.example.com"

[[allow]]
list = ["lists/hosts.txt", "./lists//hosts2.txt"]

[dns]
upstream = ["udp://192.0.2.53"]
search = ["shop.svc.cluster.local", "svc.cluster.local"]
trust_anchor = "lists/anchor.key"

[audit]
path = ["-", "/var/log/egress/web.jsonl"]

[metrics]
listen = "127.0.0.1:9533"
END
printf 'version = 1\n[[allow]]\nhost = "api.example.com"\n[[allow]]\nlist = "%s"\n' "$work/abs/more.txt" >home/op.toml
printf 'version = 1\n[[allow]]\nhost = "mine.example.com"\nlist = "mine.txt"\n' >home/own/mine.toml
printf 'profile.example.net\n' >home/own/mine.txt
printf 'a.example.com\n# a comment: "quotes", \xc3\xa4\n192.0.2.0/24\n' >home/lists/hosts.txt
printf 'b.example.com\r\n' >home/lists/hosts2.txt
printf '. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n' >home/lists/anchor.key
printf 'api.example.com\na.example.com\n192.0.2.0/25\n' >abs/more.txt

component home/web.toml --override home/op.toml
result $? "a policy with an override, lists, a profile, a trust anchor and sinks" "$(cat err)"
ls app/egress >files
printf '%s\n' anchor-1.key cronjob.yaml kustomization.yaml list-1.txt list-2.txt list-3.txt list-4.txt override-1.toml \
	pod.yaml policy.toml profile-mine.toml restrictions.yaml templates.yaml | diff - files >difference
result $? "all of its files are in the component" "$(cat difference)"
render 2>err
result $? "it is applied to workloads" "$(cat err)"

python3 - objects.json <<'END' >said 2>&1
import json, sys
pods = [item for item in json.load(open(sys.argv[1])) if item["kind"] == "Deployment"]
template = next(item for item in pods if item["metadata"]["name"] == "web")["spec"]["template"]
spec = template["spec"]
assert spec["dnsPolicy"] == "None", spec
assert spec["dnsConfig"] == {"nameservers": ["127.0.0.1"],
                             "searches": ["shop.svc.cluster.local", "svc.cluster.local"]}, spec
assert template["metadata"]["annotations"] == {
    "example.net/kept": "yes", "prometheus.io/scrape": "true", "prometheus.io/port": "9533",
    "prometheus.io/path": "/metrics"}, template
assert {mount["mountPath"] for mount in spec["initContainers"][1]["volumeMounts"]} >= {
    "/run/egress", "/var/lib/egress", "/var/log/egress"}, spec
END
result $? "its DNS is the resolver, metrics are announced, records have a place" "$(cat said)"

# --- What the pod compiles ---

# Below root, where the programs are told to look; absolute lists are there already.
pod_compiles() {
	local -a options

	rm -rf root
	python3 "$here/confined.py" objects.json "$work/root" >options 2>err || return
	mapfile -t options <options
	"$program" "${options[@]}" 2>err | grep -v '^#' >pod.nft
	return "${PIPESTATUS[0]}"
}

# own OPTION... POLICY: the same policy, as it is.
own() {
	"$program" --profile-dir home/own "$@" 2>/dev/null | grep -v '^#'
}

pod_compiles
result $? "every pod is confined, and what is in it compiles" "$(cat err)"
own --override home/op.toml home/web.toml >own.nft
[ -s own.nft ] && diff own.nft pod.nft >difference
result $? "to the ruleset that it is here" "$(head -n 20 difference)"

failed=
for policy in "$policies"/*.toml; do
	override=$policies/overrides/$(basename "$policy")
	[ -e "$override" ] || override=
	if ! component "$policy" ${override:+--override "$override"}; then
		# A pod has no address to listen on, and no place for such a file.
		grep -q 'error: .*\[E033\]' err || failed+=" $policy"
		continue
	fi
	render && pod_compiles || failed+=" $policy"
	own ${override:+--override "$override"} "$policy" | diff - pod.nft >/dev/null || failed+=" $policy(ruleset)"
done
[ -z "$failed" ]
result $? "so does every policy here" "not$failed"

# --- By kustomize itself ---

cat >app/kustomization.yaml <<'END'
resources: [workloads.yaml]
components: [egress]
END
cp "$here/workloads.yaml" app/
component home/web.toml --override home/op.toml && render
if find_kustomize; then
	"${kustomize[@]}" app >real.yaml 2>err
	result $? "${kustomize[*]} applies it" "$(cat err)"
	# The name of the ConfigMap has a digest of what is in it there.
	sed -i -E 's/\begress-web-[a-z0-9]{10}\b/egress-web/' real.yaml
	python3 - real.yaml objects.json <<'END' >said 2>&1
import json, sys, yaml
name = lambda item: (item["kind"], item["metadata"]["name"])
real = sorted(yaml.safe_load_all(open(sys.argv[1])), key=name)
ours = sorted(json.load(open(sys.argv[2])), key=name)
assert list(map(name, real)) == list(map(name, ours)), (list(map(name, real)), list(map(name, ours)))
for one, other in zip(real, ours):
    assert one == other, f"{json.dumps(one, indent=1)}\n---\n{json.dumps(other, indent=1)}"
END
	result $? "with the same result" "$(head -n 60 said)"
else
	skip "kustomize applies it" "there is no kustomize 5 (nor kubectl 1.27) here"
fi

# --- What cannot be ---

# refused WHAT PATTERN ARGUMENT...: nothing is written, whatever may be lost.
refused() {
	local what=$1 pattern=$2
	shift 2
	rm -rf app/egress
	"$program" --target sidecar --lossy --output app/egress "$@" >out 2>err
	[ $? = 1 ] && [ ! -e app/egress ] && [ ! -s out ] && grep -q "error: .*$pattern.*\[E033\]" err
	result $? "$what" "$(cat err)"
}

policy() {
	printf 'version = 1\n[[allow]]\nhost = "a.example.com"\n%s\n' "$1" >home/one.toml
}

policy '[[allow]]
list = "../abs/more.txt"'
refused "a list outside of the policy's folder" 'a pod cannot have it' home/one.toml
policy '[dns]
listen = ["192.0.2.1:53"]'
refused "an address to listen on that a pod has not" '\[dns\] listen' home/one.toml
policy '[audit]
path = "records.jsonl"'
refused "records beside the policy" '\[audit\] path' home/one.toml
refused "there too where its path is a whole one" '\[audit\] path' "$PWD/home/one.toml"
policy '[audit]
path = "/var/../etc/x.jsonl"'
refused "records somewhere else" '\[audit\] path' home/one.toml
policy '[[allow]]
list = "lists/large.txt"'
seq -f 'h%.0f.large.example.com' 45000 >home/lists/large.txt
refused "a list larger than a ConfigMap" '1 MB' home/one.toml
policy ''
refused "a policy of standard input" 'standard input' - <home/one.toml

policy "[dns]
trust_anchor = \"$PWD/home/lists/anchor.key\""
component "$PWD/home/one.toml" && grep -A2 "mountPath: \"$PWD/home/lists/anchor.key\"" app/egress/pod.yaml |
	grep -q 'subPath: "anchor-1.key"'
result $? "a trust anchor is where the policy says, also of a whole path into the policy's own folder" "$(cat err)"
policy ''
refused "a policy that can be read only once" 'cannot be read again' <(cat home/one.toml)

policy '[scope]
users = [1000]'
"$program" --target sidecar --output app/egress home/one.toml >out 2>err
[ $? = 1 ] && grep -q 'error: \[scope\].*\[E032\]' err
result $? "a scope is wider in a pod" "$(cat err)"
policy '[audit]
path = ["journal", "/run/egress/x.jsonl"]
[metrics]
listen = "127.0.0.1:9533"'
"$program" --target sidecar --output app/egress home/one.toml >out 2>err && [ "$(grep -c 'warning: .*\[W056\]' err)" = 3 ]
result $? "what nobody can read in a pod is said" "$(cat err)"
"$program" --target sidecar home/one.toml >out 2>err
[ $? = 2 ] && [ ! -s out ]
result $? "without --output there is no place for the files" "$(cat err)"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The objects of Kubernetes by the published schemas, of npm: kubernetes-models and
# @kubernetes-models/cilium have validators made of them, which look at types, at words that must be
# one of several, and at what must be there; fields that do not exist are found by the types of the
# latter and of kubernetes-types, which is Kubernetes' own OpenAPI document. Of ClusterNetworkPolicy
# neither npm nor Debian has anything: what its definition says (network-policy-api v0.2.0,
# experimental channel) is written down below.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
data=${EGRESS_DATA:-$top/../shared/data}/egress-lists
modules=$abs_top_builddir/tests/schemas/node-kube

install_schemas() {
	[ -e "$modules/ready" ] && return
	command -v npm >/dev/null && command -v node >/dev/null || return
	mkdir -p "$modules" || return
	timeout 300 npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$modules" \
		kubernetes-models@5 @kubernetes-models/cilium@4 kubernetes-types@1.30 typescript@5 >/dev/null 2>&1 || return
	touch "$modules/ready"
}

install_schemas || { skip "objects by their schemas" "npm or node is not here, or npm does not work"; finish; }
python3 -c 'import yaml, jsonschema' 2>/dev/null ||
	{ skip "objects by their schemas" "python3 has no yaml or no jsonschema"; finish; }

cat >"$modules/validate.mjs" <<'END'
import fs from 'fs';
import path from 'path';

// The classes by version and kind.
async function find(item) {
	const [group, version] = item.apiVersion.includes('/')
		? item.apiVersion.split('/') : ['', item.apiVersion];
	const root = group === 'cilium.io' ? '@kubernetes-models/cilium' : 'kubernetes-models';
	const file = path.join('node_modules', root, group, version, item.kind + '.js');
	if (!fs.existsSync(file))
		throw new Error(`no schema of ${item.apiVersion} ${item.kind}`);
	return (await import(path.resolve(file)))[item.kind];
}

let failed = false;
for (const item of JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))) {
	try {
		const kind = await find(item);
		new kind(item).validate();
	} catch (error) {
		console.log(`${item.kind} ${item.metadata?.name}: ${error.message}`);
		failed = true;
	}
}
process.exit(failed ? 1 : 0);
END

# Literals of the kinds' types: an unknown field is an error there.
cat >"$modules/literals.py" <<'END'
import json, sys
OWN = "kubernetes-types/%s"
CILIUM = "@kubernetes-models/cilium/cilium.io/v2/CiliumNetworkPolicy"
MODULES = {"v1": OWN % "core/v1", "apps/v1": OWN % "apps/v1", "batch/v1": OWN % "batch/v1",
           "networking.k8s.io/v1": OWN % "networking/v1", "cilium.io/v2": CILIUM}
for number, item in enumerate(json.load(open(sys.argv[1]))):
    module = MODULES[item["apiVersion"]]
    name = ("I" if module == CILIUM else "") + item["kind"]
    print(f"import type {{ {name} as T{number} }} from '{module}';")
    print(f"export const i{number}: T{number} = {json.dumps(item)};")
END

# What the definition of policy.networking.k8s.io/v1alpha2 has, as far as we use it.
cat >"$work/cluster.py" <<'END'
import ipaddress, json, sys
import jsonschema

def closed(properties, required=()):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}

port = {"type": "integer", "minimum": 1, "maximum": 65535}
ports = closed({"destinationPort": {"oneOf": [closed({"number": port}, ["number"]),
    closed({"range": closed({"start": port, "end": port}, ["start", "end"])}, ["range"])]}})
labels = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}
selector = closed({"matchLabels": labels})
pods = closed({"namespaceSelector": selector, "podSelector": selector}, ["namespaceSelector", "podSelector"])
name = {"type": "string", "pattern": r"^(\*\.)?([a-z0-9]([-_a-z0-9]*[a-z0-9])?\.)+[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"}
few = {"type": "array", "minItems": 1, "maxItems": 25, "uniqueItems": True}
peer = {"oneOf": [closed({"networks": dict(few, items={"type": "string", "maxLength": 43})}, ["networks"]),
    closed({"domainNames": dict(few, items=name)}, ["domainNames"]), closed({"pods": pods}, ["pods"])]}
rule = closed({"action": {"enum": ["Accept", "Deny", "Pass"]}, "to": dict(few, items=peer),
    "protocols": dict(few, items={"oneOf": [closed({kind: ports}, [kind]) for kind in ("tcp", "udp", "sctp")]})}, ["action", "to"])
policy = closed({"apiVersion": {"const": "policy.networking.k8s.io/v1alpha2"}, "kind": {"const": "ClusterNetworkPolicy"},
    "metadata": closed({"name": {"type": "string", "maxLength": 253}, "labels": labels}, ["name"]),
    "spec": closed({"tier": {"enum": ["Admin", "Baseline"]}, "priority": {"type": "integer", "minimum": 0, "maximum": 1000},
        "subject": closed({"pods": pods}, ["pods"]), "egress": {"type": "array", "maxItems": 25, "items": rule}},
        ["tier", "priority", "subject", "egress"])}, ["apiVersion", "kind", "metadata", "spec"])
for item in json.load(open(sys.argv[1])):
    jsonschema.Draft7Validator(policy).validate(item)
    for one in item["spec"]["egress"]:
        names = any("domainNames" in peer for peer in one["to"])
        assert not (names and one["action"] != "Accept"), "names are accepted only"
        for network in sum((peer.get("networks", []) for peer in one["to"]), []):
            ipaddress.ip_network(network)
        for protocol in one.get("protocols", []):
            for port in protocol.values():
                pair = port["destinationPort"].get("range")
                assert not pair or pair["start"] < pair["end"], "a range of one port, or of none"
END

# validate FILE: by all schemas there are of what is in it; silent if it is well.
validate() {
	local kind

	kind=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[0]["kind"])' "$1")
	if [ "$kind" = ClusterNetworkPolicy ]; then
		python3 "$work/cluster.py" "$1" 2>&1 | tail -n 4
		return
	fi
	(cd "$modules" && node validate.mjs "$1") 2>&1
	cp "$1" "$modules/objects.json"
	(cd "$modules" && python3 literals.py objects.json >literals.ts &&
		node node_modules/typescript/bin/tsc --noEmit --strict --skipLibCheck --moduleResolution bundler \
			--module esnext literals.ts) 2>&1
}

# objects TARGET POLICY: all of its objects, as one JSON array.
objects() {
	rm -rf "$work/out"
	"$program" --target "$1" --namespace shop --selector app=web --labels tier=front --lossy --output "$work/out" "$2" 2>"$work/err" ||
		return
	if [ "$1" = sidecar ]; then
		python3 "$top/tests/kube/render.py" "$work/out" "$top/tests/kube/workloads.yaml"
	else
		python3 -c 'import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)' "$work/out"
	fi
}

# All objects of all policies are one file for each target: starting the tools takes most of the time.
collect() {
	local target=$1 policy list

	for policy in "$top"/tests/policies/*.toml "$top"/tests/policies/targets/web.toml; do
		objects "$target" "$policy" || [ "$target" = sidecar ] || echo "$policy: $(tail -n 1 "$work/err")" >>"$work/failed"
	done
	for list in "$data"/*.txt; do
		[ -e "$list" ] || continue
		"$top/tests/policies/people.sh" "$list" "$work"
		objects "$target" "$work/people.toml" || echo "$list: $(tail -n 1 "$work/err")" >>"$work/failed"
	done
}

for target in networkpolicy cilium clusternetworkpolicy sidecar; do
	: >"$work/failed"
	collect "$target" >"$work/arrays"
	[ ! -s "$work/failed" ]
	result $? "$target: everything is written" "$(cat "$work/failed")"
	python3 - "$work/arrays" >"$work/all.json" <<'END'
import json, sys
text, items, decoder = open(sys.argv[1]).read().strip(), [], json.JSONDecoder()
while text:
    some, end = decoder.raw_decode(text)
    items, text = items + some, text[end:].strip()
json.dump(items, sys.stdout)
END
	said=$(validate "$work/all.json")
	[ -z "$said" ] && [ -s "$work/all.json" ]
	result $? "$target: $(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))))' "$work/all.json") objects, valid" \
		"$(head -n 20 <<<"$said")"
	# A schema that finds nothing would not find these.
	objects "$target" "$top/tests/policies/targets/web.toml" >"$work/web.json"
	case $target in
	networkpolicy) changes=('s/"protocol": "TCP"/"protocol": "TCQ"/' 's/"podSelector"/"podSelectr"/' 's/"endPort"/"endPortt"/') ;;
	cilium) changes=('s/"port": "53"/"port": 53/' 's/"protocol": "TCP"/"protocol": "TCQ"/' 's/"toPorts"/"toPort"/') ;;
	clusternetworkpolicy) changes=('s/"tier": "Admin"/"tier": "admin"/' 's/"priority"/"prioritee"/' 's/"action": "Accept"/"action": "Allow"/') ;;
	sidecar) changes=('s/"allowPrivilegeEscalation": false/"allowPrivilegeEscalation": "no"/' 's/"startupProbe"/"startProbe"/') ;;
	esac
	for change in "${changes[@]}"; do
		python3 -c 'import json, sys; json.dump(json.load(open(sys.argv[1])), sys.stdout)' "$work/web.json" >"$work/right.json"
		sed "$change" "$work/right.json" >"$work/wrong.json"
		! cmp -s "$work/right.json" "$work/wrong.json" && [ -z "$(validate "$work/right.json")" ] &&
			[ -n "$(validate "$work/wrong.json")" ]
		result $? "not with $change" "it is valid, or the same"
	done
done
finish

# SPDX-License-Identifier: GPL-2.0-or-later
"""
What kustomize makes of workloads and a component, by its documentation: as much of it as the
components of `egress-compile --target sidecar` use. Where kustomize 5 is at hand the test has both,
and they must agree.

render.py COMPONENT WORKLOADS  writes the objects, as one JSON array; the ConfigMap keeps its name.
"""
import json
import os
import re
import sys

import yaml

# Lists that are merged by a key of their elements; all others are replaced (strategic merge).
KEYS = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name",
        "volumeMounts": "mountPath"}


def merge(there, patch, name=""):
    if isinstance(there, dict) and isinstance(patch, dict):
        result = dict(there)
        for key, value in patch.items():
            result[key] = merge(there[key], value, key) if key in there else value
        return result
    key = KEYS.get(name)
    if key and isinstance(there, list) and isinstance(patch, list):
        kept = {item[key]: item for item in there}
        first = [merge(kept.pop(item[key]), item) if item[key] in kept else item for item in patch]
        return first + list(kept.values())
    return patch


def selected(item, selector):
    known = {"kind", "namespace", "labelSelector"}
    if set(selector) - known:
        raise ValueError(f"selector: {set(selector) - known}")
    metadata = item["metadata"]
    labels = metadata.get("labels", {})
    wanted = [part.split("=") for part in selector.get("labelSelector", "").split(",") if part]
    return (re.fullmatch(selector["kind"], item["kind"]) is not None
            and selector.get("namespace", metadata.get("namespace")) == metadata.get("namespace")
            and all(labels.get(key) == value for key, value in wanted))


def put(node, path, value):
    """Sets the field, in each element where the path has '*'; what is not there is made."""
    head, rest = path[0], path[1:]
    if head == "*":
        for item in node:
            put(item, rest, value)
    elif not rest:
        node[head] = value
    else:
        put(node.setdefault(head, {}), rest, value)


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def make_config(folder, generator):
    data = {}
    for name in generator["files"]:
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
            data[name] = file.read()
    metadata = {"name": generator["name"]}
    if "namespace" in generator:
        metadata["namespace"] = generator["namespace"]
    metadata.update(generator.get("options", {}))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def render(folder, items):
    (component,) = read(folder, "kustomization.yaml")
    known = {"apiVersion", "kind", "configMapGenerator", "resources", "patches", "replacements"}
    if set(component) != known or component["kind"] != "Component":
        raise ValueError(f"component: {set(component) ^ known}")
    items = items + [item for name in component["resources"] for item in read(folder, name)]
    for patch in component["patches"]:
        (change,) = read(folder, patch["path"])
        change = {key: value for key, value in change.items() if key not in ("apiVersion", "kind")}
        change["metadata"] = {key: value for key, value in change["metadata"].items() if key != "name"}
        items = [merge(item, change) if selected(item, patch["target"]) else item for item in items]
    for replacement in component["replacements"]:
        source = replacement["source"]
        (origin,) = [item for item in items if item["kind"] == source["kind"]]
        value = origin[source["fieldPath"]]
        for target in replacement["targets"]:
            if target["options"] != {"create": True}:
                raise ValueError("options")
            for item in items:
                for path in target["fieldPaths"] if selected(item, target["select"]) else []:
                    put(item, path.split("."), value)
    local = "config.kubernetes.io/local-config"
    items = [item for item in items if local not in item["metadata"].get("annotations", {})]
    return items + [make_config(folder, generator) for generator in component["configMapGenerator"]]


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as workloads:
        start = list(yaml.safe_load_all(workloads))
    json.dump(render(sys.argv[1], start), sys.stdout, indent=1)

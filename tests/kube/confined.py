# SPDX-License-Identifier: GPL-2.0-or-later
"""
confined.py OBJECTS ROOT: what must hold of workloads that a component was applied to (render.py): a
line on standard error for each that does not. Then what a pod has of files, below ROOT, and the
options that its containers give the programs, as lines.
"""
import json
import os
import re
import sys

WAYS = {"Pod": [], "CronJob": ["spec", "jobTemplate", "spec", "template"]}


def template_of(item):
    node = item
    for key in WAYS.get(item["kind"], ["spec", "template"]):
        node = node[key]
    return node


def pods(items):
    return [item for item in items if item["kind"] != "ConfigMap"]


def complaints_of_ours(container, needs_probe):
    security = container["securityContext"]
    expected = {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False, "privileged": False,
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}
    if security != expected:
        yield f"{container['name']} has {security}"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if (probe in container) != needs_probe:
            yield f"{container['name']}: {probe}"
    if needs_probe != (container.get("restartPolicy") == "Always"):
        yield f"{container['name']} restarts as {container.get('restartPolicy')}"


def complaints(item, config):
    spec = template_of(item)["spec"]
    first = [container["name"] for container in spec["initContainers"]][:2]
    if first != ["egress-apply", "egress-resolver"]:
        yield f"the first to run are {first}"
        return
    for container, needs_probe in zip(spec["initContainers"][:2], (False, True)):
        yield from complaints_of_ours(container, needs_probe)
    for container in spec["initContainers"][2:] + spec["containers"]:
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may gain privileges"
        if security.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{container['name']} keeps capabilities"
    if spec.get("hostNetwork") is not False:
        yield "the policy would be the node's"
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    map_of = volumes["egress-policy"]["configMap"]
    if map_of["name"] != config["metadata"]["name"]:
        yield f"the policy is looked for in {map_of['name']}"
    for file in map_of["items"]:
        if file["key"] not in config["data"]:
            yield f"there is no {file['key']}"
    for container in spec["initContainers"][:2]:
        for mount in container["volumeMounts"]:
            if mount["name"] not in volumes:
                yield f"there is no volume {mount['name']}"


def check(items):
    config = next(item for item in items if item["kind"] == "ConfigMap")
    found = []
    for item in pods(items):
        name = f"{item['kind']} {item['metadata']['name']}"
        if item["metadata"]["name"] == "other":
            if "initContainers" in template_of(item)["spec"]:
                found.append(f"{name} was changed")
        else:
            found.extend(f"{name}: {text}" for text in complaints(item, config))
    app = next(item for item in pods(items) if item["metadata"]["name"] == "web")
    containers = {container["name"]: container for container in template_of(app)["spec"]["containers"]}
    if containers["app"]["securityContext"]["capabilities"].get("add") != ["CHOWN"]:
        found.append("what a container needs is gone")
    if "data" not in {volume["name"] for volume in template_of(app)["spec"]["volumes"]}:
        found.append("a volume is gone")
    return found


def unpack(items, root):
    """Puts what a pod has below the folder; what both containers give their program, as lines."""
    config = next(item for item in items if item["kind"] == "ConfigMap")
    spec = template_of(next(item for item in pods(items) if item["metadata"]["name"] == "web"))["spec"]
    volume = next(volume for volume in spec["volumes"] if volume["name"] == "egress-policy")
    paths = {item["path"]: config["data"][item["key"]] for item in volume["configMap"]["items"]}
    files = {}
    for mount in spec["initContainers"][0]["volumeMounts"]:
        if "subPath" in mount:
            files[mount["mountPath"]] = paths[mount["subPath"]]
        else:
            files.update({f"{mount['mountPath']}/{path}": text for path, text in paths.items()})
    for path, text in files.items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with open(root + path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    apply, resolver = (container["command"] for container in spec["initContainers"][:2])
    own = [word for word in apply[1:] if word not in ("--apply", "--prove")]
    if own != [word for word in resolver[1:] if not word.startswith(("--user=", "--state="))]:
        raise ValueError(f"{apply} and {resolver} are about different policies")
    return [re.sub("(?<![^=])/egress/", f"{root}/egress/", word) for word in own]


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as objects:
        loaded = json.load(objects)
    problems = check(loaded)
    if problems:
        sys.exit("\n".join(problems))
    print("\n".join(unpack(loaded, sys.argv[2])))

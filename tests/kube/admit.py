# SPDX-License-Identifier: GPL-2.0-or-later
"""
admit.py SERVER CA TOKEN FILE: creates each object of the file there, reads it back, and deletes it.
What it has not got then that it had is told, and so is what the server says of one that it refuses.
"""
import json
import ssl
import sys
import urllib.error
import urllib.request

import yaml

# Fields that are younger than the server.
YOUNGER = {("NetworkPolicy", "endPort")}

PLURALS = {"NetworkPolicy": "networkpolicies"}


class Server:
    def __init__(self, url, authority, token):
        self.url = url
        self.context = ssl.create_default_context(cafile=authority)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("message")) from None


def path_of(item):
    version = item["apiVersion"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    plural = PLURALS.get(item["kind"], item["kind"].lower() + "s")
    return f"{root}/namespaces/{item['metadata'].get('namespace', 'default')}/{plural}"


def missing(sent, held, where):
    """What is in the first and not in the second, as paths."""
    if isinstance(sent, dict) and isinstance(held, dict):
        for key, value in sent.items():
            if key in held:
                yield from missing(value, held[key], f"{where}.{key}")
            # Empty is nothing.
            elif value not in ({}, [], None, False) and (where.partition(".")[0], key) not in YOUNGER:
                yield f"{where}.{key}"
    elif isinstance(sent, list) and isinstance(held, list) and len(sent) == len(held):
        for index, value in enumerate(sent):
            yield from missing(value, held[index], f"{where}[{index}]")
    elif sent != held:
        yield f"{where}: {sent!r} became {held!r}"


def without_sidecars(node):
    """An init container that goes on, which the server has no idea of, as another of the others."""
    if isinstance(node, list):
        return [without_sidecars(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: without_sidecars(value) for key, value in node.items()}
    first = node.get("initContainers", [])
    going_on = [container for container in first if container.get("restartPolicy") == "Always"]
    if going_on:
        node["initContainers"] = [container for container in first if container not in going_on]
        node["containers"] = node["containers"] + [
            {key: value for key, value in container.items() if key != "restartPolicy"}
            for container in going_on]
    return node


def admit(server, item):
    item = without_sidecars(item)
    if item["kind"] == "CronJob":
        item["apiVersion"] = "batch/v1beta1"
    path = path_of(item)
    name = item["metadata"]["name"]
    try:
        server.ask("POST", path, item)
        held = server.ask("GET", f"{path}/{name}")
        server.ask("DELETE", f"{path}/{name}?gracePeriodSeconds=0&propagationPolicy=Background")
    except ValueError as error:
        yield f"{item['kind']} {name}: {str(error)[:300]}"
        return
    for text in missing(item, held, item["kind"]):
        yield f"{item['kind']} {name}: {text}"


def main():
    server = Server(*sys.argv[1:4])
    with open(sys.argv[4], encoding="utf-8") as file:
        items = list(yaml.safe_load_all(file))
    items = items[0] if isinstance(items[0], list) else items
    said = [text for item in items for text in admit(server, item)]
    print("\n".join(said + [f"{len(items)} objects"]))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())

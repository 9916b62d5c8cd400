#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real project's installation asks mirrors for, made from what the project names.

offer.py HOW TREE LIBRARIES SITE     HOW is npm, pip, cargo, go, maven, composer or meson

The names, versions and addresses are those of the tree's lock file or manifest, and of the registries
that the tools ask if nobody tells them otherwise. What lies there:

npm         Debian's packages of the same libraries (LIBRARIES/PACKAGE, as fetch has them), with
            their own dependencies and versions, and as the very version that somebody needs if
            Debian has another; empty packages for what is for development only
pip         Debian's packages of the same libraries, as they are
maven       Debian's packages of the plugin that resolves dependencies and of what it needs; empty
            archives for the tree's own dependencies
go          Debian's packages where there is one of the module, else an empty module; as the
            versions that the tree names
cargo       empty crates, whose dependencies are those of the lock file
composer    empty packages
meson       empty subprojects

What is made here cannot have the checksums of the lock files, so those of cargo, go and meson are
written anew in TREE, which is a copy, and so is a commit that a wrap of meson names by its hash.
"""
import base64
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as xml
import zipfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../installs"))
import mirror  # noqa: E402


def read(path):
    with open(path, "rb") as file:
        return file.read()


def text_of(path):
    return read(path).decode()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def files_below(top):
    """Each file, by its path within the folder; links that lead elsewhere are left out."""
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                yield os.path.relpath(path, top), read(path)


# --- npm ---

def node_packages(libraries):
    """Name -> folders of packages, those that lie within others among them."""
    found = {}
    for package in glob.glob(f"{libraries}/node-*"):
        for top in glob.glob(f"{package}/usr/share/nodejs") + glob.glob(f"{package}/usr/lib/*/nodejs"):
            for folder, _, names in os.walk(top):
                name = re.sub(r"^.*/node_modules/", "", os.path.relpath(folder, top))
                if "package.json" in names and name.count("/") == name.startswith("@"):
                    found.setdefault(name, []).append(folder)
    return found


def node_archive(folder, about):
    files = {f"package/{path}": data for path, data in files_below(folder)
             if not path.startswith("node_modules/")} if folder else {}
    files["package/package.json"] = json.dumps(about)
    return mirror.tarball(files)


def node_versions(name, folders, named):
    """What there is of a package -> version, folder, description."""
    found = [(folder, json.loads(text_of(f"{folder}/package.json"))) for folder in folders]
    versions = {about["version"]: (folder, about) for folder, about in found}
    folder, about = found[0] if found else (None, {"name": name})
    for version in named - set(versions):
        versions[version] = folder, about | {"version": version}
    return [(version, *of) for version, of in versions.items()]


def named_version(ranges):
    return set(re.findall(r"^[~^]?(\d+\.\d+\.\d+)$", ranges))


def wanted_packages(needed, packages):
    """Name -> versions that are named as such, of all that is needed in the end."""
    wanted = {}
    waiting = [needed]
    while waiting:
        for name, ranges in waiting.pop().items():
            if name not in wanted:
                waiting += [json.loads(text_of(f"{folder}/package.json")).get("dependencies", {})
                            for folder in packages.get(name, ())]
            wanted[name] = wanted.get(name, set()) | named_version(ranges)
    return wanted


def put_versions(site, registry, name, versions):
    host = registry.split("/")[2]
    offered = {}
    for version, folder, about in versions:
        data = node_archive(folder, about)
        path = f"{name}/-/{name.split('/')[-1]}-{version}.tgz"
        digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
        mirror.put(site, f"{host}/{path}", data)
        offered[version] = about | {
            "dist": {"tarball": registry + path, "integrity": f"sha512-{digest}"}}
    mirror.put(site, f"{host}/{name}/index.html", json.dumps(
        {"name": name, "dist-tags": {"latest": max(offered)}, "versions": offered}))


def offer_npm(tree, libraries, site):
    registry = subprocess.run(["npm", "config", "get", "registry"], check=True, text=True, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    packages = node_packages(libraries)
    manifest = json.loads(text_of(f"{tree}/package.json"))
    wanted = wanted_packages(manifest["dependencies"], packages)
    for name, named in wanted.items():
        put_versions(site, registry, name, node_versions(name, packages.get(name, []), named))
    for name, ranges in manifest["devDependencies"].items():
        if name not in wanted:
            put_versions(site, registry, name, node_versions(name, [], named_version(ranges)))


# --- pip ---

# Debian has parts of these in packages of their own.
PARTS = {"setuptools": ["python3-pkg-resources"]}


def requirements(info):
    """Of an old description: what it needs besides what extras do."""
    path = f"{info}/requires.txt"
    lines = text_of(path).split("[")[0].split() if os.path.exists(path) else []
    return "".join(f"Requires-Dist: {line}\n" for line in lines)


def wheel_of(info, libraries):
    """A distribution as Debian has it installed -> name of the file and contents."""
    old = info.endswith(".egg-info")
    base, version = os.path.basename(info).rsplit(".", 1)[0].split("-")[:2]
    about = f"{base}-{version}.dist-info"
    files = {}
    for top in [os.path.dirname(info)] + [f"{libraries}/{part}/usr/lib/python3/dist-packages"
                                          for part in PARTS.get(base, [])]:
        files.update((path, data) for path, data in files_below(top) if "-info/" not in path)
    files.update((f"{about}/{path}", data) for path, data in files_below(info))
    tag = "py3-none-any"
    for path in files:
        native = re.search(r"\.cpython-(\d+)-(\w+)-linux-gnu\.so$", path)
        if native:
            tag = f"cp{native[1]}-cp{native[1]}-linux_{native[2]}"
    if old:
        head, _, rest = files[f"{about}/PKG-INFO"].decode().partition("\n\n")
        files[f"{about}/METADATA"] = f"{head}\n{requirements(info)}\n{rest}"
    files[f"{about}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in files) + f"{about}/RECORD,,\n"
    return f"{base}-{version}-{tag}.whl", mirror.archive(files)


def offer_pip(_, libraries, site):
    for info in glob.glob(f"{libraries}/python3-*/usr/lib/python3/dist-packages/*-info"):
        if not os.path.isdir(info):
            continue
        file, data = wheel_of(info, libraries)
        name = re.sub(r"[-_.]+", "-", file.split("-")[0]).lower()
        digest = hashlib.sha256(data).hexdigest()
        mirror.put(site, f"files.pythonhosted.org/packages/{file}", data)
        mirror.put(site, f"pypi.org/simple/{name}/index.html", "<!DOCTYPE html>"
                   f'<a href="https://files.pythonhosted.org/packages/{file}#sha256={digest}">'
                   f"{file}</a>\n")


# --- cargo ---

def wanted_features(manifest):
    """Name of a dependency -> the features that the project's own manifest asks of it."""
    wanted = {}
    tables = [manifest] + list(manifest.get("target", {}).values())
    for table in tables:
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            for name, value in table.get(kind, {}).items():
                if isinstance(value, dict):
                    wanted.setdefault(value.get("package", name), set()).update(
                        value.get("features", []))
    for features in manifest.get("features", {}).values():
        for feature in features:
            name, _, of = feature.replace("?", "").partition("/")
            if of:
                wanted.setdefault(name, set()).add(of)
    return wanted


def crate_dependencies(package, versions):
    """As the index has them. One that is there in several versions goes by other names."""
    found = []
    for i, line in enumerate(package.get("dependencies", [])):
        name, version = (line.split() + [versions[line.split()[0]]])[:2]
        found.append({"name": f"{name}_{i}", "package": name, "req": f"={version}", "features": [],
                      "optional": False, "default_features": True, "target": None,
                      "kind": "normal"})
    return found


def index_path(name):
    if len(name) <= 3:
        return f"{len(name)}/{name[0] + '/' if len(name) == 3 else ''}{name}"
    return f"{name[:2]}/{name[2:4]}/{name}"


def offer_cargo(tree, _, site):
    text = text_of(f"{tree}/Cargo.lock")
    lock = tomllib.loads(text)
    features = wanted_features(tomllib.loads(text_of(f"{tree}/Cargo.toml")))
    versions = {package["name"]: package["version"] for package in lock["package"]}
    index = {}
    for package in lock["package"]:
        source = package.get("source")
        if not source:
            continue
        name, version = package["name"], package["version"]
        data = mirror.crate(name, version)
        digest = hashlib.sha256(data).hexdigest()
        old = package.get("checksum") or lock["metadata"][f"checksum {name} {version} ({source})"]
        text = text.replace(f'"{old}"', f'"{digest}"')
        mirror.put(site, f"static.crates.io/crates/{name}/{version}/download", data)
        index.setdefault(name.lower(), []).append(json.dumps({
            "name": name, "vers": version, "deps": crate_dependencies(package, versions),
            "features": {feature: [] for feature in features.get(name, ())}, "yanked": False,
            "cksum": digest}))
    for name, lines in index.items():
        mirror.put(site, f"index.crates.io/{index_path(name)}", "\n".join(lines) + "\n")
    mirror.put(site, "index.crates.io/config.json",
               json.dumps({"dl": "https://static.crates.io/crates"}))
    write(f"{tree}/Cargo.lock", text)


# --- go ---

def go_files(module, libraries):
    for folder in glob.glob(f"{libraries}/golang-*/usr/share/gocode/src/{module}"):
        return {path: data for path, data in files_below(folder) if path != "go.mod"}
    return {"empty.go": b"package empty\n"}


def offer_go(tree, libraries, site):
    lines = []
    for line in text_of(f"{tree}/go.sum").splitlines():
        module, version, _ = line.split()
        version, _, what = version.partition("/")
        base = (f"proxy.golang.org/{re.sub('[A-Z]', lambda big: '!' + big[0].lower(), module)}"
                f"/@v/{version}")
        about = f"module {module}\n\ngo 1.17\n"
        mirror.put(site, f"{base}.mod", about)
        if not what:
            mirror.put(site, f"{base}.info", json.dumps({"Version": version,
                                                         "Time": "2020-01-01T00:00:00Z"}))
            files = {f"{module}@{version}/{path}": data
                     for path, data in go_files(module, libraries).items()}
            files[f"{module}@{version}/go.mod"] = about
            mirror.put(site, f"{base}.zip", mirror.archive(files))
        digest = mirror.checksum(os.path.join(site, base + (".mod" if what else ".zip")))
        lines.append(f"{module} {version}{'/' + what if what else ''} h1:{digest}\n")
    write(f"{tree}/go.sum", "".join(lines))


# --- maven ---

CENTRAL = "repo.maven.apache.org/maven2"
POM = "{http://maven.apache.org/POM/4.0.0}"


def put_artifact(site, path, data):
    mirror.put(site, f"{CENTRAL}/{path}", data)
    mirror.put(site, f"{CENTRAL}/{path}.sha1", hashlib.sha1(data).hexdigest())


def installed_artifacts(libraries, site):
    """Debian's repository; its archives are links into other folders, or other packages."""
    tops = glob.glob(f"{libraries}/*/usr/share/maven-repo")
    for top in tops:
        for folder, _, names in os.walk(top):
            for path in (os.path.join(folder, name) for name in names):
                target = os.path.join(folder, os.readlink(path)) if os.path.islink(path) else path
                within = os.path.relpath(os.path.normpath(target), top)
                found = [at for at in (os.path.normpath(f"{other}/{within}") for other in tops)
                         if os.path.isfile(at)]
                if found:
                    put_artifact(site, os.path.relpath(path, top), read(found[0]))


def offer_maven(tree, libraries, site):
    installed_artifacts(libraries, site)
    pom = xml.parse(f"{tree}/pom.xml").getroot()
    properties = {item.tag.removeprefix(POM): item.text
                  for item in pom.find(f"{POM}properties")}
    needed = [("pom", pom.find(f"{POM}parent"))] + \
        [("jar", item) for item in pom.find(f"{POM}dependencies")]
    for kind, item in needed:
        group, name, version = (
            re.sub(r"\$\{(.*?)\}", lambda match: properties[match[1]], item.findtext(POM + tag))
            for tag in ("groupId", "artifactId", "version"))
        base = f"{group.replace('.', '/')}/{name}/{version}/{name}-{version}"
        put_artifact(site, f"{base}.pom", mirror.project(group, name, version, kind).encode())
        if kind == "jar":
            put_artifact(site, f"{base}.jar", mirror.archive(
                {"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n\n"}))


# --- composer ---

def offer_composer(tree, _, site):
    lock = json.loads(text_of(f"{tree}/composer.lock"))
    for package in lock["packages"] + lock["packages-dev"]:
        path = package["dist"]["url"].removeprefix("https://")
        data = mirror.archive({"top/composer.json": json.dumps({"name": package["name"]})})
        # As GitHub does it.
        elsewhere = path.replace("api.github.com/repos", "codeload.github.com").replace(
            "/zipball/", "/legacy.zip/")
        mirror.put(site, elsewhere, data)
        mirror.put(site, path + ".location", f"https://{elsewhere}")


# --- meson ---

SUBPROJECT = "project('empty')\n"


def git(folder, *arguments):
    author = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"]
    return subprocess.run(["git", "-C", folder, *author, *arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def repository(site, path, revision):
    """A repository with one commit, which is the revision unless that is a hash -> what it is."""
    folder = os.path.join(site, path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
        git(folder, "init", "-q", "-b", "main")
        mirror.put(folder, "meson.build", SUBPROJECT)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "empty")
        git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    if re.fullmatch("[0-9a-f]{40}", revision):
        return git(folder, "rev-parse", "HEAD")
    if revision != "main":
        git(folder, "branch", "-f", revision)
    return revision


def put_download(site, url, data):
    """Releases of GitHub lie elsewhere, where a download is led to."""
    path = url.split("://")[1]
    if path.startswith("github.com/"):
        elsewhere = path.replace("github.com", "release-assets.githubusercontent.com", 1)
        mirror.put(site, path + ".location", f"https://{elsewhere}")
        path = elsewhere
    mirror.put(site, path, data)


def offer_meson(tree, _, site):
    for path in glob.glob(f"{tree}/subprojects/*.wrap"):
        text = text_of(path)
        wrap = dict(re.findall(r"^(\w+) *= *(.*?) *$", text, re.MULTILINE))
        if "[wrap-git]" in text:
            commit = repository(site, wrap["url"].split("://")[1], wrap["revision"])
            text = text.replace(wrap["revision"], commit)
        else:
            made = {"source": mirror.tarball({f"{wrap['directory']}/meson.build": SUBPROJECT}),
                    "patch": mirror.archive({f"{wrap['directory']}/meson.options": "\n"})}
            for part, data in made.items():
                if f"{part}_url" in wrap:
                    put_download(site, wrap[f"{part}_url"], data)
                    text = text.replace(wrap[f"{part}_hash"], hashlib.sha256(data).hexdigest())
        write(path, text)


if __name__ == "__main__":
    {"npm": offer_npm, "pip": offer_pip, "cargo": offer_cargo, "go": offer_go,
     "maven": offer_maven, "composer": offer_composer, "meson": offer_meson}[
         sys.argv[1]](*sys.argv[2:5])

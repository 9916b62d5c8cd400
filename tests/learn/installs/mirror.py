#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Package mirrors for the projects beside this file, as small as they can be.

mirror.py build SITE            makes what is served: SITE/HOST/PATH
mirror.py fill SITE PROJECT     puts checksums into a project's files, where they have "@HOST/PATH@"
mirror.py serve SITE PEM LOG    serves it over TLS on 443 and 8443, each host its own folder; a line
                                of LOG for each request
"""
import base64
import hashlib
import http.server
import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import urllib.parse
import zipfile

TIME = (2020, 1, 1, 0, 0, 0)


def tarball(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            data = text if isinstance(text, bytes) else text.encode()
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        for name, text in files.items():
            pack.writestr(zipfile.ZipInfo(name, TIME), text)
    return out.getvalue()


def put(site, path, data):
    path = os.path.join(site, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


# --- What each kind of package is ---

def npm(name, version):
    package = json.dumps({"name": name, "version": version, "main": "index.js"})
    return tarball({"package/package.json": package, "package/index.js": "module.exports = 1\n"})


def wheel(name, version):
    info = f"{name}-{version}.dist-info/"
    return archive({
        f"{name}.py": "count = 1\n",
        info + "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        info + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "RECORD": f"{name}.py,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n"})


def crate(name, version):
    top = f"{name}-{version}/"
    return tarball({
        top + "Cargo.toml": f'[package]\nname = "{name}"\nversion = "{version}"\n',
        top + "src/lib.rs": "pub fn count() -> u32 { 1 }\n"})


def crates(site, host, name, version):
    """A sparse registry with one crate."""
    data = crate(name, version)
    put(site, f"{host}/dl/{name}-{version}.crate", data)
    put(site, f"{host}/index/config.json",
        json.dumps({"dl": f"https://{host}/dl/{{crate}}-{{version}}.crate"}))
    put(site, f"{host}/index/{name[:2]}/{name[2:4]}/{name}", json.dumps({
        "name": name, "vers": version, "deps": [], "features": {}, "yanked": False,
        "cksum": hashlib.sha256(data).hexdigest()}) + "\n")


def module(site, host, path, version):
    text = f"module {path}\n\ngo 1.17\n"
    top = f"{path}@{version}/"
    name = path.split("/")[-1]
    base = f"{host}/{path}/@v/{version}"
    put(site, base + ".mod", text)
    put(site, base + ".info", json.dumps({"Version": version, "Time": "2020-01-01T00:00:00Z"}))
    put(site, base + ".zip", archive({
        top + "go.mod": text,
        top + f"{name}.go": f"package {name}\n\nfunc Count() int {{ return 1 }}\n"}))


def project(group, name, version, kind):
    return (f"<project><modelVersion>4.0.0</modelVersion><groupId>{group}</groupId>"
            f"<artifactId>{name}</artifactId><version>{version}</version>"
            f"<packaging>{kind}</packaging></project>\n")


def artifact(site, repository, name, version, kind):
    base = f"{repository}/example/corp/{name}/{version}/{name}-{version}"
    files = {"pom": project("example.corp", name, version, kind).encode()}
    if kind == "jar":
        files["jar"] = archive({
            "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n\n",
            "META-INF/maven/plugin.xml": (
                f"<plugin><groupId>example.corp</groupId><artifactId>{name}</artifactId>"
                f"<version>{version}</version><goalPrefix>{name}</goalPrefix><mojos/></plugin>")})
    for ending, data in files.items():
        put(site, f"{base}.{ending}", data)
        put(site, f"{base}.{ending}.sha1", hashlib.sha1(data).hexdigest())


def build(site):
    put(site, "npm.corp.example/till/-/till-1.0.0.tgz", npm("till", "1.0.0"))
    put(site, "tarballs.corp.example/drawer-2.0.0.tgz", npm("drawer", "2.0.0"))
    put(site, "pypi.corp.example/files/till-1.0-py3-none-any.whl", wheel("till", "1.0"))
    put(site, "pypi.corp.example/simple/till/index.html", "<!DOCTYPE html>"
        '<a href="../../files/till-1.0-py3-none-any.whl">till-1.0-py3-none-any.whl</a>\n')
    put(site, "wheels.corp.example/drawer-2.0-py3-none-any.whl", wheel("drawer", "2.0"))
    crates(site, "crates.corp.example", "till", "1.0.0")
    crates(site, "shop-crates.corp.example", "drawer", "2.0.0")
    module(site, "goproxy.corp.example", "code.corp.example/till", "v1.0.0")
    module(site, "goproxy.corp.example", "code.corp.example/drawer", "v0.2.0")
    artifact(site, "maven.corp.example/public", "base", "1.0", "pom")
    artifact(site, "shop-maven.corp.example/releases", "drawer", "2.0", "jar")
    # Maven gives this to each plugin and extension that does not name it.
    path = "maven.corp.example/public/org/codehaus/plexus/plexus-utils/1.1/plexus-utils-1.1.jar"
    data = archive({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n\n"})
    put(site, path, data)
    put(site, path + ".sha1", hashlib.sha1(data).hexdigest())


# --- Checksums ---

def go_hash(files):
    """h1: of golang.org/x/mod/sumdb/dirhash."""
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n"
                    for name, data in sorted(files.items()))
    return base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def checksum(path):
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".tgz"):
        return base64.b64encode(hashlib.sha512(data).digest()).decode()
    if path.endswith(".mod"):
        return go_hash({"go.mod": data})
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as pack:
            return go_hash({name: pack.read(name) for name in pack.namelist()})
    return hashlib.sha256(data).hexdigest()


def fill(site, project):
    for folder, _, names in os.walk(project):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            new = re.sub(r"@((?:[a-z-]+\.)+example/\S+?)@(?=[\"\s])",
                         lambda match: checksum(os.path.join(site, match[1])), text)
            if new != text:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(new)


# --- The server ---

def ask_git(site, host, request):
    """Answers what git asks of a repository, by git's own program."""
    path, _, query = request.path.partition("?")
    length = int(request.headers.get("Content-Length", 0))
    said = subprocess.run(["git", "-c", "safe.directory=*", "http-backend"], check=False,
        input=request.rfile.read(length), stdout=subprocess.PIPE, env={
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": f"{site}/{host}",
            "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
            "REQUEST_METHOD": request.command, "REMOTE_USER": "lab", "REMOTE_ADDR": "lab",
            "CONTENT_LENGTH": str(length),
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", "")}).stdout
    head, _, body = said.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
    request.send_response(int(fields.pop("Status", "200").split()[0]))
    for name, value in fields.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    context = None

    def finish_request(self, request, client_address):
        # In the request's own thread: who hangs there holds up nobody.
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request, client_address):
        pass


def handler(site, log):
    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def translate_path(self, path):
            host = self.host()
            path = urllib.parse.unquote(path.split("?")[0]).lstrip("/")
            if ".." in path or "/" in host or not host:
                return site + "/nothing"
            path = os.path.join(site, host, path)
            return path + "/index.html" if os.path.isdir(path.rstrip("/")) else path

        def host(self):
            return self.headers.get("Host", "").split(":")[0]

        def do_GET(self):
            elsewhere = self.translate_path(self.path) + ".location"
            if ".git/" in self.path:
                ask_git(site, self.host(), self)
            elif os.path.isfile(elsewhere):
                with open(elsewhere, encoding="utf-8") as file:
                    self.send_response(302)
                    self.send_header("Location", file.read())
                    self.send_header("Content-Length", "0")
                    self.end_headers()
            else:
                super().do_GET()

        def do_POST(self):
            if ".git/" in self.path:
                ask_git(site, self.host(), self)
            else:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_error(404)

        def log_message(self, format, *args):
            log.write(f"{self.headers.get('Host', '-')} {format % args}\n")
            log.flush()
    return Handler


def serve(site, pem, log):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    site = os.path.abspath(site)
    with open(log, "w", encoding="utf-8") as out:
        servers = [Server(("::", port), handler(site, out)) for port in (443, 8443)]
        for server in servers:
            server.context = context
        threading.Thread(target=servers[1].serve_forever, daemon=True).start()
        print("ready", flush=True)
        servers[0].serve_forever()


if __name__ == "__main__":
    {"build": build, "fill": fill, "serve": serve}[sys.argv[1]](*sys.argv[2:])

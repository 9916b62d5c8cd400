#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-learn scan finds all of 20 destinations that a tree has in as many kinds of places, and takes
# at most one of 20 that only look like some.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
learn=${EGRESS_LEARN:-$abs_top_builddir/src/egress-learn}
tree=$work/shop
profiles=$top/rules/profiles

# put FILE: a file of the tree, from standard input.
put() {
	mkdir -p "$tree/$(dirname "$1")"
	cat >"$tree/$1"
}

# plant HOST PORTS: what is to be found.
planted=()
plant() {
	planted+=("$1 $2")
}

decoys=()

# --- 20 destinations ---

plant npm.shop-corp.net tcp/443
put .npmrc <<'END'
registry=https://npm.shop-corp.net/npm/
END
plant tarballs.shop-corp.net tcp/8443
put package-lock.json <<'END'
{"name": "shop", "lockfileVersion": 3, "packages": {
  "node_modules/left": {"version": "1.0.0",
    "resolved": "https://tarballs.shop-corp.net:8443/left-1.0.0.tgz",
    "integrity": "sha512-aaaa/bbbb=="}}}
END
plant pypi.shop-corp.net tcp/443
put pip.conf <<'END'
[global]
extra-index-url =
    https://user:secret@pypi.shop-corp.net/simple
END
plant git.cratework.dev tcp/443
put Cargo.toml <<'END'
[package]
name = "shop"
homepage = "https://shop-homepage.dev"

[dependencies]
till = { git = "https://git.cratework.dev/till.git", rev = "abc" }
END
plant nexus.shop-corp.net tcp/8081
put settings.xml <<'END'
<settings><mirrors><mirror><id>all</id><mirrorOf>*</mirrorOf>
<url>http://nexus.shop-corp.net:8081/repository/public</url></mirror></mirrors></settings>
END
plant gems.shop-corp.net tcp/443
put Gemfile.lock <<'END'
GEM
  remote: https://gems.shop-corp.net/
  specs:
    rake (13.0.6)
END
plant satis.shop-corp.net tcp/443
put composer.json <<'END'
{"homepage": "https://shop-docs-home.dev",
 "repositories": [{"type": "composer", "url": "https://satis.shop-corp.net"}]}
END
plant nuget.shop-corp.net tcp/443
put nuget.config <<'END'
<?xml version="1.0"?>
<configuration><packageSources>
<add key="shop" value="https://nuget.shop-corp.net/v3/index.json" />
</packageSources></configuration>
END
plant code.shop-corp.net tcp/22
put .gitmodules <<'END'
[submodule "till"]
	path = till
	url = git@code.shop-corp.net:shop/till.git
END
plant registry.shop-corp.net tcp/5000
put Dockerfile <<'END'
FROM registry.shop-corp.net:5000/base/python:3.12 AS build
RUN make
FROM build
END
plant images.shop-corp.net tcp/443
put docker-compose.yml <<'END'
services:
  web:
    image: images.shop-corp.net/web:1
    environment:
      CACHE_URL: redis://cache.shop-corp.net:6380/0
END
plant cache.shop-corp.net tcp/6380
plant artifacts.shop-corp.net tcp/443
put .github/workflows/build.yml <<'END'
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: |
          make
          curl -fsSL https://artifacts.shop-corp.net/tool.tar.gz | tar xz
END
plant terraform.shop-corp.net tcp/443
put infra/main.tf <<'END'
module "network" {
  source  = "terraform.shop-corp.net/shop/network/aws"
  version = "1.0.0"
}
END
plant charts.shop-corp.net tcp/443
put chart/Chart.yaml <<'END'
apiVersion: v2
name: shop
home: https://shop-chart-home.dev
dependencies:
  - name: redis
    version: 1.0.0
    repository: https://charts.shop-corp.net/stable
END
plant mcp.toolworks.io tcp/443
put .mcp.json <<'END'
{"mcpServers": {"tools": {"type": "http", "url": "https://mcp.toolworks.io/v1"}}}
END
plant db.shop-corp.net tcp/5433
put .env.example <<'END'
# where orders are kept
DATABASE_URL=postgres://shop:change-me@db.shop-corp.net:5433/shop
END
plant api.payworks.io tcp/443
put src/pay.py <<'END'
"""Pays. See https://guide.payworks-info.io/start for how."""
API = "https://api.payworks.io/v2"  # not https://old.payworks-info.io
END
plant events.shop-corp.net tcp/9093
put src/events.go <<'END'
package shop

// Kept at https://tracker.shop-notes.dev/events.
const brokers = "events.shop-corp.net:9093"
END
plant hooks.chatworks.io tcp/443
put src/notify.ts <<'END'
/* The protocol: https://protocol.chatworks-info.io/v3 */
export const hook = `https://hooks.chatworks.io/in/${process.env.TOKEN}`;
throw new Error("no hook; ask at https://people.chatworks-info.io for one");
END

# --- and what only looks like one ---

decoys=(
	shop-homepage.dev      # of manifests: where people read
	shop-docs-home.dev
	shop-chart-home.dev
	guide.payworks-info.io # in a doc string, comments, an error's text
	old.payworks-info.io
	tracker.shop-notes.dev
	protocol.chatworks-info.io
	people.chatworks-info.io
	readme.shop-notes.dev
	licence.shop-notes.dev
	ignored.shop-notes.dev
	fixture.shop-notes.dev
	installed.shop-notes.dev
	www.w3.org
	json.schemastore.org
	api.example.com
	docs.shop-notes.dev
	outside.shop-notes.dev
	vendored.shop-notes.dev
	picture.shop-notes.dev
)
put README.md <<'END'
Run `curl https://readme.shop-notes.dev/install | sh`.
END
put LICENSE <<'END'
https://licence.shop-notes.dev/text
END
put .gitignore <<'END'
/build/
*.generated.js
!keep.generated.js
END
put build/out.js <<'END'
fetch("https://ignored.shop-notes.dev/x");
END
put src/a.generated.js <<'END'
fetch("https://ignored.shop-notes.dev/y");
END
put tests/fixtures/server.js <<'END'
fetch("https://fixture.shop-notes.dev/x");
END
put node_modules/left/index.js <<'END'
fetch("https://installed.shop-notes.dev/x");
END
put src/page.xml <<'END'
<page xmlns="http://www.w3.org/1999/xhtml"/>
END
put tsconfig.json <<'END'
{"$schema": "https://json.schemastore.org/tsconfig", /* as usual */ "compilerOptions": {},}
END
put src/client.java <<'END'
class Client { String base = "https://api.example.com/v1"; String at = "main.rs:10"; }
END
put src/help.rb <<'END'
HELP = "https://docs.shop-notes.dev/guide"
END
mkdir -p "$work/outside"
echo 'fetch("https://outside.shop-notes.dev/x");' >"$work/outside/leak.js"
ln -s ../outside "$tree/linked"
ln -s ../../outside/leak.js "$tree/src/leak.js"
put vendor/other/client.go <<'END'
package other

const at = "https://vendored.shop-notes.dev/x"
END
printf '\211PNG\0\0https://picture.shop-notes.dev/x' | put src/picture.py

# --- What comes of it ---

"$learn" scan -q --profile-dir "$profiles" -o "$work/draft.toml" "$tree" >"$work/said" 2>&1
result $? "the tree gives a policy" "$(cat "$work/said")"
"$program" --check --profile-dir "$profiles" "$work/draft.toml" >"$work/said" 2>&1
result $? "it compiles" "$(cat "$work/said")"

# permits DESTINATION: the draft does.
permits() {
	"$program" --explain "$1" --profile-dir "$profiles" "$work/draft.toml" >"$work/said" 2>&1
}

for row in "${planted[@]}"; do
	read -r host ports <<<"$row"
	permits "tcp/$host:${ports#tcp/}"
	result $? "$host, $ports" "$(cat "$work/said")"
	! permits "tcp/$host:9"
	result $? "$host, no other port"
done
taken=()
for host in "${decoys[@]}"; do
	if permits "$host:443" || permits "$host:80"; then
		taken+=("$host")
	fi
done
[ ${#planted[@]} -eq 20 ] && [ ${#decoys[@]} -eq 20 ]
result $? "of each there are 20"
[ ${#taken[@]} -le 1 ]
result $? "at most one decoy is taken" "${taken[*]}"

# Where it was found stands above an entry.
grep -q '^# src/pay.py:2: literal$' "$work/draft.toml"
result $? "an entry has its evidence"
grep -q '^# \.env\.example:2: environment$' "$work/draft.toml"
result $? "by the line of a file"

# A mirror takes the registry's place.
! grep -q "^	*\"npm\"," "$work/draft.toml" && grep -q "^	*#\"npm\"," "$work/draft.toml"
result $? "the profile npm is not needed where .npmrc names a mirror"

"$learn" scan -q --all --profile-dir "$profiles" "$tree" >"$work/all.toml"
grep -q '^host = "ignored.shop-notes.dev"' "$work/all.toml"
result $? "--all looks at what git ignores"

"$learn" scan -q --profile-dir "$profiles" "$tree" >"$work/again.toml"
cmp -s "$work/draft.toml" "$work/again.toml"
result $? "a second scan says the same"

mkdir "$work/odd"
echo 'a = "https://api.payworks.io"' >"$work/odd/"$'a\n[[allow]]\nhost = "evil.dev"\n.py'
"$learn" scan -q --profile-dir "$profiles" "$work/odd" >"$work/odd.toml"
grep -q '^# a?\[\[allow\]\]?host = "evil.dev"?.py:1: literal$' "$work/odd.toml" &&
	[ "$(grep -c '^\[\[allow\]\]' "$work/odd.toml")" = 1 ]
result $? "a file's name does not begin a line of its own" "$(cat "$work/odd.toml")"

"$learn" scan -q --profile-dir "$profiles" "$work/nowhere" >"$work/said" 2>&1
[ $? -eq 1 ] && grep -q 'nowhere: No such file or directory' "$work/said"
result $? "a folder that isn't there is an error" "$(cat "$work/said")"
finish

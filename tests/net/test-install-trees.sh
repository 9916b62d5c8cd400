#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of make check-installs: real projects, as Debian's source packages have them, are installed by their
# own package managers under the very drafts that egress-learn makes of them, from mirrors in the lab
# that have the names of the real registries. Without one entry of the draft, or one profile, a project
# can't be installed, and the summary of egress-run names the host that is missing.
#
# What the mirrors have, and which checksums had to be written anew, is in tests/learn/debian/offer.py.
# The sources and the libraries are fetched by apt-get to the folder SOURCES, if they are not there.
# What Debian's mirror lacks, or has no program here to install it, is passed over; that five projects
# of four kinds are left is a test of its own, and a skip if they are not. TREES="fzf ..." says which to
# take, if not all.

# shellcheck disable=SC2034,SC2317 # variables and functions by name
# shellcheck disable=SC2154 # variables of install.sh

# Source package, how it is installed, how many packages that are there then, and what is taken away:
# an entry, or a profile and the host that is missed then. REGISTRY is npm's own.
trees="
node-express		npm	40	npm=REGISTRY
rich			pip	3	pip=pypi.org
jinja2			pip	1	pip=pypi.org
fzf			go	10	go=proxy.golang.org
javapoet		maven	20	maven=repo.maven.apache.org
composer		composer 28	github=api.github.com
foot			meson	2	codeberg.org
glib2.0			meson	6	gitlab.gnome.org wrapdb.mesonbuild.com
rust-fd-find		cargo	100	cargo=index.crates.io
"
# Debian's packages of what they need.
libraries="node-express python3-rich python3-jinja2 python3-poetry-core python3-setuptools
	python3-wheel golang-github-mattn-go-isatty-dev golang-github-mattn-go-runewidth-dev
	golang-github-mattn-go-shellwords-dev golang-github-rivo-uniseg-dev
	golang-github-saracen-walker-dev golang-golang-x-term-dev libmaven-dependency-plugin-java
	junit4 velocity"
debian=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/learn/debian
export SOURCES=${SOURCES:-sources}
# Before the lab, which has no way to the outside.
if [ -z "${EGRESS_LAB:-}" ]; then
	mkdir -p "$SOURCES" || exit 99
	SOURCES=$(cd "$SOURCES" && pwd)
	# shellcheck disable=SC2086 # words
	"$debian/fetch" --libraries "$SOURCES" $libraries 2>&1 | sed 's/^/# /'
	# shellcheck disable=SC2046
	"$debian/fetch" "$SOURCES" $(awk 'NF { print $1 }' <<<"$trees") 2>&1 | sed 's/^/# /'
fi

# shellcheck source=install.sh
. "$(dirname "$0")/install.sh"
lab_needs git
python3 -c 'import http.server, ssl, tarfile, tomllib, zipfile' 2>/dev/null ||
	skip_all "python3 lacks modules"

has_composer() { command -v composer && php -m | grep -x zip; }
has_meson() { command -v meson; }

# --- How each is installed, and what counts what is there then ---
install_npm="npm install --fetch-retries=0 --logs-max=0"
count_npm="ls node_modules"
install_pip="python3 -m pip install --retries 0 --no-cache-dir --target deps ."
count_pip="ls -d deps/*.dist-info"
install_cargo="PATH=${cargo%/*}:\$PATH CARGO_HOME=\$PWD/.home CARGO_NET_RETRY=0 cargo fetch --locked"
count_cargo="ls -d .home/registry/src/*/*"
install_go="GOPATH=\$PWD/.home GOFLAGS=-modcacherw go mod download"
count_go="find .home/pkg/mod/cache/download -name '*.zip'"
install_maven="$maven org.apache.maven.plugins:maven-dependency-plugin:3.5.0:resolve"
count_maven="find .home -name '*.jar'"
# The code of its packages is none.
install_composer="composer install --no-dev --no-plugins --no-scripts --no-autoloader --no-interaction"
count_composer="ls -d vendor/*/*"
install_meson="meson subprojects download"
count_meson="ls -d subprojects/*/"

declare -A how packages
# A toolchain of rustup is its owner's alone. Such a project comes last: the host's policy stays.
declare -A by=([cargo]=by_host)
installation() {
	local install=install_${how[$1]} counter=count_${how[$1]}

	echo "${!install} && test \$(${!counter} | wc -l) -ge ${packages[$1]}"
}

# A project as it was before anything was installed.
clean() {
	rm -rf "home/$1" && cp -r "trees/$1" home/ && chown -R "$RUN_UID:$RUN_UID" "home/$1"
}

# prepare PROJECT: a copy of its tree, what its mirrors have, and its draft.
prepare() {
	cp -r "$SOURCES/$1" home/ &&
		"$debian/offer.py" "${how[$1]}" "home/$1" "$SOURCES/.libraries" site && draft "$1" &&
		cp -r "home/$1" trees/
}

# --- Which there are ---
mkdir -p home trees site upstream
names=()
while read -r name kind count rest; do
	[[ -n $name && " ${TREES:-$name} " = *" $name "* ]] || continue
	if ! "has_$kind" >/dev/null 2>&1; then
		note "left out, as $kind is not installed: $name"
	elif [ ! -d "$SOURCES/$name" ]; then
		note "left out, as its source can't be had: $name"
	else
		how[$name]=$kind
		packages[$name]=$count
		must prepare "$name"
		names+=("$name $rest")
	fi
done <<<"$trees"

# --- The names of the mirrors ---
i=60
hosts=(site/*)
hosts=("${hosts[@]#site/}")
for host in "${hosts[@]}"; do
	{
		zone_head 300
		both @ $((i++))
	} >"upstream/$host"
done
run_start
start_mirrors "${hosts[@]}"
registry=$(npm config get registry 2>/dev/null | sed -E 's,^https://(.*)/$,\1,')

for row in "${names[@]}"; do
	read -r name rest <<<"$row"
	# shellcheck disable=SC2086
	${by[${how[$name]}]:-by_run} $name ${rest//REGISTRY/$registry}
done
kinds=$(printf '%s\n' "${how[@]}" | sort -u | wc -l)
if [ ${#names[@]} -ge 5 ] && [ "$kinds" -ge 4 ]; then
	ok "${#names[@]} projects of $kinds kinds"
else
	ok "# SKIP only ${#names[@]} projects of $kinds kinds can be installed here"
fi
lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a project's own installation needs is in the draft that egress-learn makes of the project,
# and nothing else: the projects of tests/learn/installs are scanned, and installed from mirrors of the
# lab under their drafts. Without any one of its entries a project can't be installed, and what says
# so names the destination. Some are confined by egress-run, the others by the host's own policy.
#
# INSTALLS="npm pip ..." says which; make check-installs takes all. One whose programs are not
# installed is left out, which is said.

# shellcheck disable=SC2016,SC2034,SC2086,SC2317 # scripts for the shell inside; functions by name
# shellcheck disable=SC2154 # variables of install.sh
# shellcheck source=install.sh
. "$(dirname "$0")/install.sh"
projects=$source/tests/learn/installs
python3 -c 'import http.server, ssl, tarfile, zipfile' 2>/dev/null ||
	skip_all "python3 lacks modules"
INSTALLS=${INSTALLS:-pip go}

# --- The mirrors, each with addresses of its own ---
mirrors="npm tarballs pypi wheels crates shop-crates goproxy maven shop-maven counter"
zone_corp() {
	local mirror i=60

	zone_head 300
	for mirror in $mirrors; do
		both "$mirror" $((i++))
	done
}
mkdir -p upstream
zone_corp >upstream/corp.example
run_start

must "$mirror" build site
start_mirrors '*.corp.example'

# prepare PROJECT: a copy at the user's home, its checksums filled in, its draft beside it.
prepare() {
	rm -rf "home/$1" && cp -r "$projects/$1" home/ && "$mirror" fill site "home/$1" &&
		draft "$1" && chown -R "$RUN_UID:$RUN_UID" "home/$1"
}

# What compiles of the draft: its profiles, and where its entries go.
needs() {
	sed -n '/^profiles = \[/,/^]/s/^\t"\(.*\)",$/profile \1/p' "$1.draft"
	sed -nE '/^host = /{s/.*"(.*)"/\1/;h};/^ports = /{s/.*\["(.*)"\]/\1/;G;s/\n/ /p}' "$1.draft"
}

# --- How each is installed: in its folder, with an empty home ---
install_npm() {
	echo 'npm ci --fetch-retries=0 --logs-max=0 && test -e node_modules/till/index.js &&
		test -e node_modules/drawer/index.js'
}
install_pip() {
	echo 'python3 -m pip install --retries 0 --no-cache-dir --target deps -r requirements.txt &&
		test -e deps/till.py && test -e deps/drawer.py'
}
# What cargo says of a name that has no address it says after its retries only.
install_cargo() {
	echo "PATH=${cargo%/*}:\$PATH CARGO_HOME=\$PWD/.home CARGO_NET_RETRY=0 cargo fetch --locked &&
		find .home/registry/src -name lib.rs | wc -l | grep -qx 2"
}
install_go() {
	echo '. ./.envrc && GOPATH=$PWD/.home GOFLAGS=-modcacherw go mod download &&
		test -e .home/pkg/mod/code.corp.example/till@v1.0.0/till.go'
}
install_maven() {
	echo "$maven validate && test -e .home/example/corp/drawer/2.0/drawer-2.0.jar"
}

installation() {
	"install_$1"
}

# What the tools themselves leave behind; the project's files are as they were.
clean() {
	rm -rf "home/$1/node_modules" "home/$1/deps" "home/$1/.home"
}

# try PROJECT HOW "PORT HOST"...: the hosts are those that its draft must have entries for.
try() {
	local project=$1 how=$2 expected

	shift 2
	[[ " $INSTALLS " = *" $project "* || $INSTALLS = all ]] || return 0
	if ! "has_$project" >/dev/null 2>&1; then
		note "left out, as it is not installed: $project"
		return 0
	fi
	must prepare "$project"
	expected=$(printf '%s\n' "$@")
	is "$project: its draft has its mirrors, and nothing else" "$(needs "$project")" "$expected"
	"$how" "$project" "${@##* }"
}

try npm by_run "tcp/443 npm.corp.example" "tcp/8443 tarballs.corp.example"
try pip by_run "tcp/443 pypi.corp.example" "tcp/443 wheels.corp.example"
try maven by_run "tcp/443 maven.corp.example" "tcp/443 shop-maven.corp.example"
try cargo by_host "tcp/443 crates.corp.example" "tcp/443 shop-crates.corp.example"
try go by_host "tcp/443 goproxy.corp.example"
[ $lab_tests -gt 0 ] || skip_all "none of these is installed: $INSTALLS"
lab_done

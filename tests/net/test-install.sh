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
# shellcheck disable=SC2154 # variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
source=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
projects=$source/tests/learn/installs
learn=$(program src/egress-learn)
ctl=$(program src/egress-ctl)
lab_needs openssl python3 "$learn" "$ctl"
python3 -c 'import http.server, ssl, tarfile, zipfile' 2>/dev/null ||
	skip_all "python3 lacks modules"
INSTALLS=${INSTALLS:-pip go}

# --- The mirrors, each with addresses of its own ---
# The others are the mirrors' own.
WORLD_PORTS="123 853 8000-8010"
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

make_certificate() {
	echo 'subjectAltName=DNS:*.corp.example' >site.ext
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-keyout ca.key -out home/ca.pem -subj /CN=lab &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
			-keyout site.key -out site.csr -subj /CN=site &&
		openssl x509 -req -in site.csr -CA home/ca.pem -CAkey ca.key -CAcreateserial -days 30 \
			-extfile site.ext -out site.crt && cat site.crt site.key >site.pem
}
must make_certificate 2>openssl.log
must "$projects/mirror.py" build site
nsenter --net=/run/netns/world "$projects/mirror.py" serve site site.pem requests.txt \
	>site.out 2>site.err &
must until_true 10 grep -q ready site.out

# --- A project, its draft, and the lab's policy of that ---
# The lab's addresses are reserved ones, and the system's resolver is none of its.
for_lab() {
	sed '/^block = /s/, "reserved"//'
	printf '[dns]\nupstream = ["udp://%s", "udp://[%s]"]\n' $UPSTREAM4 $UPSTREAM6
}

# without HOST: a policy less the entry of that name.
without() {
	awk -v line="host = \"$1\"" '
		/^\[\[/ || /^\[[a-z]/ { flush() }
		{ block = block $0 "\n"; drop = drop || $0 == line }
		END { flush() }
		function flush() { if (!drop) printf "%s", block; block = ""; drop = 0 }'
}

# prepare PROJECT: a copy at the user's home, its checksums filled in, its draft beside it.
prepare() {
	rm -rf "home/$1" && cp -r "$projects/$1" home/ &&
		"$projects/mirror.py" fill site "home/$1" &&
		"$learn" scan -q --profile-dir="$source/rules/profiles" "home/$1" >"$1.draft" &&
		for_lab <"$1.draft" >"home/$1.toml" && chown -R "$RUN_UID:$RUN_UID" "home/$1"
}

# What compiles of the draft: its profiles, and where its entries go.
needs() {
	sed -n '/^profiles = \[/,/^]/s/^\t"\(.*\)",$/profile \1/p' "$1.draft"
	sed -nE '/^host = /{s/.*"(.*)"/\1/;h};/^ports = /{s/.*\["(.*)"\]/\1/;G;s/\n/ /p}' "$1.draft"
}

# --- How each is installed: in its folder, with an empty home ---
# The settings that nothing of the project can have: the lab's authority.
export npm_config_cafile=$RUN_HOME/ca.pem PIP_CERT=$RUN_HOME/ca.pem \
	REQUESTS_CA_BUNDLE=$RUN_HOME/ca.pem CURL_CA_BUNDLE=$RUN_HOME/ca.pem \
	CARGO_HTTP_CAINFO=$RUN_HOME/ca.pem SSL_CERT_FILE=$RUN_HOME/ca.pem
unset GOPROXY GOFLAGS GOPRIVATE PIP_INDEX_URL
rustup=${RUSTUP_HOME:-${HOME:-/root}/.rustup}
cargo=$(command -v cargo)
[ ! -d "$rustup" ] || cargo=$(rustup which cargo 2>/dev/null || echo "$cargo")

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
# Java has its own store of authorities.
install_maven() {
	echo "mvn -B -Dstyle.color=never -Dmaven.repo.local=\$PWD/.home \
		-Djavax.net.ssl.trustStore=$RUN_HOME/ca.jks \
		-Djavax.net.ssl.trustStorePassword=public validate &&
		test -e .home/example/corp/drawer/2.0/drawer-2.0.jar"
}

# Whether a project's programs are there.
has_npm() { command -v npm; }
has_pip() { user python3 -m pip --version; }
has_go() { command -v go; }
# Sparse registries are from 1.68 on.
has_cargo() {
	[ -n "$cargo" ] && "$cargo" --version | awk '{ split($2, v, "."); exit !(v[2] >= 68 || v[1] > 1) }'
}
has_maven() { command -v mvn && command -v keytool; }

# What the tools themselves leave behind; the project's files are as they were.
clean() {
	rm -rf "home/$1/node_modules" "home/$1/deps" "home/$1/.home"
}

# installed PROJECT STATUS: the status is that of success; what was said is shown if it isn't.
installed() {
	is "$1: is installed under its draft" "$2" 0
	[ "$2" = 0 ] || note "$(tail -n 30 "said.$1")"
}

# --- Under egress-run ---
# confined PROJECT POLICY: its installation under the policy; everything is said to said.PROJECT.
confined() {
	clean "$1"
	user env -C "$RUN_HOME/$1" HOME="$RUN_HOME/$1/.home" timeout 120 "$run" -p "$2" -- \
		sh -c "mkdir -p .home && $("install_$1")" >"said.$1" 2>&1
}

# by_run PROJECT HOST...: with all entries it is installed; without that of any host it is not.
by_run() {
	local project=$1 host

	shift
	confined "$project" "$RUN_HOME/$project.toml"
	installed "$project" $?
	like "$project: and needs nothing else" "$(cat "said.$project")" 'egress-run: .*refused 0'
	for host; do
		without "$host" <"home/$project.toml" >"home/$project-less.toml"
		confined "$project" "$RUN_HOME/$project-less.toml"
		is "$project: without $host it is not" "$(($? != 0))" 1
		like "$project: and the summary says why" "$(sed -n '/egress-run:/,$p' "said.$project")" \
			" $host +name +default-deny"
	done
}

# --- Under the host's policy ---
# hosted PROJECT: the same by root in the client's namespace, under whatever is loaded there.
hosted() {
	clean "$1"
	env -C "home/$1" HOME="$RUN_HOME/$1/.home" nsenter --net=/run/netns/client timeout 120 \
		sh -c "mkdir -p .home && $("install_$1")" >"said.$1" 2>&1
}

# of_host FILE: the policy as the host's, recorded.
of_host() {
	sed -e 's/^name = .*/name = "lab"/' -e "s,^#path = .*,path = \"$LAB/events.jsonl\"," \
		"$1" >host.toml
}

by_host() {
	local project=$1 host

	shift
	of_host "home/$project.toml"
	: >events.jsonl
	if [ -n "${resolver_pid:-}" ]; then
		must lab_resolver_stop
	fi
	lab_up host --profile-dir "$source/rules/profiles"
	hosted "$project"
	installed "$project" $?
	is "$project: and needs nothing else" "$(grep -c '"default-deny"' events.jsonl)" 0
	for host; do
		without "$host" <"home/$project.toml" >less.toml
		of_host less.toml
		must lab_resolver_stop
		lab_up host --profile-dir "$source/rules/profiles"
		hosted "$project"
		is "$project: without $host it is not" "$(($? != 0))" 1
		like "$project: egress-ctl says why" "$("$ctl" why "$host" 2>&1)" \
			"$host.*default-deny|default-deny.*$host"
		check "$project: and so does the record" until_true 10 grep -q \
			"\"name\":\"$host\".*\"default-deny\"\|\"default-deny\".*\"name\":\"$host\"" \
			events.jsonl
	done
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
if [[ " $INSTALLS " = *" maven "* || $INSTALLS = all ]] && has_maven >/dev/null; then
	must keytool -importcert -noprompt -file home/ca.pem -keystore home/ca.jks \
		-storepass public 2>keytool.txt
	chmod a+r home/ca.jks
fi
try maven by_run "tcp/443 maven.corp.example" "tcp/443 shop-maven.corp.example"
try cargo by_host "tcp/443 crates.corp.example" "tcp/443 shop-crates.corp.example"
try go by_host "tcp/443 goproxy.corp.example"
[ $lab_tests -gt 0 ] || skip_all "none of these is installed: $INSTALLS"
lab_done

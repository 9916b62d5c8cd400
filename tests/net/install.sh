# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the tests of installations under drafted policies: the lab of run.sh, with mirrors in its world
# that package managers believe, and one project after the other in the user's home.

# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
source=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
mirror=$source/tests/learn/installs/mirror.py
learn=$(program src/egress-learn)
lab_needs openssl python3 "$learn" "$ctl"
# shellcheck disable=SC2034 # the mirrors have the other ports
WORLD_PORTS="123 853 8000-8010"

# Where a user may read them.
cp -r "$source/rules/profiles" profiles

# --- The mirrors ---
# start_mirrors NAME...: serves the folder site, by these names.
start_mirrors() {
	must make_certificate "$@" 2>openssl.log
	if command -v keytool >/dev/null; then
		must keytool -importcert -noprompt -file home/ca.pem -keystore home/ca.jks \
			-storepass public 2>keytool.txt
		chmod a+r home/ca.jks
	fi
	nsenter --net=/run/netns/world "$mirror" serve site site.pem requests.txt \
		>site.out 2>site.err &
	must until_true 10 grep -q ready site.out
}

# The settings that nothing of a project can have: the lab's authority.
# shellcheck disable=SC2154 # RUN_HOME is of run.sh
export npm_config_cafile=$RUN_HOME/ca.pem PIP_CERT=$RUN_HOME/ca.pem \
	REQUESTS_CA_BUNDLE=$RUN_HOME/ca.pem CURL_CA_BUNDLE=$RUN_HOME/ca.pem \
	CARGO_HTTP_CAINFO=$RUN_HOME/ca.pem SSL_CERT_FILE=$RUN_HOME/ca.pem \
	GIT_SSL_CAINFO=$RUN_HOME/ca.pem
unset GOPROXY GOFLAGS GOPRIVATE PIP_INDEX_URL
rustup=${RUSTUP_HOME:-${HOME:-/root}/.rustup}
cargo=$(command -v cargo)
[ ! -d "$rustup" ] || cargo=$(rustup which cargo 2>/dev/null || echo "$cargo")
# Java has its own store of authorities.
# shellcheck disable=SC2034 # for the tests
maven="mvn -B -Dstyle.color=never -Dmaven.repo.local=\$PWD/.home \
	-Djavax.net.ssl.trustStore=$RUN_HOME/ca.jks -Djavax.net.ssl.trustStorePassword=public"

# --- Whether the programs are there ---
has_npm() { command -v npm; }
# The user's.
has_pip() { PATH=/usr/bin:/bin python3 -m pip --version; }
has_go() { command -v go; }
# Sparse registries are from 1.68 on.
has_cargo() {
	[ -n "$cargo" ] && "$cargo" --version | awk '{ split($2, v, "."); exit !(v[2] >= 68 || v[1] > 1) }'
}
has_maven() { command -v mvn && command -v keytool; }

# --- A project, its draft, and the lab's policy of that ---
# The lab's addresses are reserved ones, and the system's resolver is none of its.
for_lab() {
	sed '/^block = /s/, "reserved"//'
	# shellcheck disable=SC2154 # of lab.sh
	printf '[dns]\nupstream = ["udp://%s", "udp://[%s]"]\n' "$UPSTREAM4" "$UPSTREAM6"
}

# draft PROJECT: of the project in the user's home, beside it; the lab's policy of that.
draft() {
	"$learn" scan -q --profile-dir=profiles "home/$1" >"$1.draft" &&
		for_lab <"$1.draft" >"home/$1.toml"
}

# without ENTRY: a policy less the entry of that name, or less the profile.
without() {
	awk -v line="host = \"$1\"" -v profile="	\"$1\"," '
		/^\[\[/ || /^\[[a-z]/ { flush() }
		$0 == profile { next }
		{ block = block $0 "\n"; drop = drop || $0 == line }
		END { flush() }
		function flush() { if (!drop) printf "%s", block; block = ""; drop = 0 }'
}

# installed PROJECT STATUS: the status is that of success; what was said is shown if it isn't.
installed() {
	is "$1: is installed under its draft" "$2" 0
	[ "$2" = 0 ] || note "$(tail -n 30 "said.$1")"
}

# --- Under egress-run ---
# confined PROJECT POLICY: its installation under the policy; everything is said to said.PROJECT.
# A test says what clean and installation are.
confined() {
	clean "$1"
	# shellcheck disable=SC2154 # of run.sh
	user env -C "$RUN_HOME/$1" HOME="$RUN_HOME/$1/.home" timeout 120 "$run" -p "$2" \
		--profile-dir "$LAB/profiles" -- \
		sh -c "mkdir -p .home && $(installation "$1")" >"said.$1" 2>&1
}

# by_run PROJECT ENTRY[=HOST]...: with all entries it is installed; without any one of these it is
# not, and the summary has the host, which is the entry's if the entry is no profile.
by_run() {
	local project=$1 lost

	shift
	confined "$project" "$RUN_HOME/$project.toml"
	installed "$project" $?
	like "$project: and needs nothing else" "$(cat "said.$project")" 'egress-run: .*refused 0'
	for lost; do
		without "${lost%=*}" <"home/$project.toml" >"home/$project-less.toml"
		confined "$project" "$RUN_HOME/$project-less.toml"
		is "$project: without ${lost%=*} it is not" "$(($? != 0))" 1
		like "$project: and the summary says why" "$(sed -n '/egress-run:/,$p' "said.$project")" \
			" ${lost#*=} +name +default-deny"
	done
}

# --- Under the host's policy ---
# hosted PROJECT: the same by root in the client's namespace, under whatever is loaded there.
hosted() {
	clean "$1"
	env -C "home/$1" HOME="$RUN_HOME/$1/.home" nsenter --net=/run/netns/client timeout 120 \
		sh -c "mkdir -p .home && $(installation "$1")" >"said.$1" 2>&1
}

# of_host FILE: the policy as the host's, recorded.
of_host() {
	sed -e 's/^name = .*/name = "lab"/' -e "s,^#path = .*,path = \"$LAB/events.jsonl\"," \
		"$1" >host.toml
}

host_up() {
	# shellcheck disable=SC2154 # of lab.sh
	"$compiler" --profile-dir profiles host.toml >host.nft && in_client nft -f - <host.nft &&
		lab_resolver host --profile-dir profiles
}

# by_host PROJECT ENTRY[=HOST]...: the same as by_run, and egress-ctl and the record say why.
by_host() {
	local project=$1 lost host

	shift
	of_host "home/$project.toml"
	: >events.jsonl
	if [ -n "${resolver_pid:-}" ]; then
		must lab_resolver_stop
	fi
	must host_up
	hosted "$project"
	installed "$project" $?
	is "$project: and needs nothing else" "$(grep -c '"default-deny"' events.jsonl)" 0
	for lost; do
		host=${lost#*=}
		without "${lost%=*}" <"home/$project.toml" >less.toml
		of_host less.toml
		must lab_resolver_stop
		must host_up
		hosted "$project"
		is "$project: without ${lost%=*} it is not" "$(($? != 0))" 1
		like "$project: egress-ctl says why" "$("$ctl" why "$host" 2>&1)" \
			"$host.*default-deny|default-deny.*$host"
		check "$project: and so does the record" until_true 10 grep -q \
			"\"name\":\"$host\".*\"default-deny\"\|\"default-deny\".*\"name\":\"$host\"" \
			events.jsonl
	done
}

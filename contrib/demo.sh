#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh [BUILD-DIRECTORY]: the shipped example policy at work, with no network but its own. Two
# network namespaces are made, a confined host and a world of servers around it, in mount and
# process namespaces that end with this script: the machine's own network is not touched.
# Exit status: 0 all went as told, 1 something didn't, 77 namespaces are not to be had here.

PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-.}" && pwd) || exit 1
policy=example.toml

give_up() {
	echo "demo: $*" >&2
	exit 77
}

# The outer process: makes the namespaces, waits, cleans up.
if [ -z "${EGRESS_DEMO:-}" ] || [ $$ -ne 1 ]; then
	[ "$(id -u)" -eq 0 ] || give_up "needs root, for network namespaces"
	for tool in curl ip nft nsenter setpriv unshare; do
		command -v $tool >/dev/null || give_up "$tool is not installed"
	done
	unshare --mount --pid --fork true 2>/dev/null || give_up "namespaces are not permitted here"
	folder=$(mktemp -d "${TMPDIR:-/tmp}/egress-demo.XXXXXX") || exit 1
	EGRESS_DEMO=$folder setpriv --pdeathsig KILL \
		unshare --mount --pid --fork --kill-child --mount-proc bash "$0" "$build" &
	child=$!
	trap 'kill -KILL $child 2>/dev/null' INT TERM HUP
	wait $child
	status=$?
	wait $child 2>/dev/null
	rmdir "$folder"
	exit $status
fi

# What else curl and the C library would listen to.
unset http_proxy all_proxy ALL_PROXY RES_OPTIONS LOCALDOMAIN
export CURL_HOME=$EGRESS_DEMO

failures=0
table=egress-example

fail() {
	failures=$((failures + 1))
	printf '\n** This is not what was expected: %s\n' "$*"
}

need() {
	"$@" >"$EGRESS_DEMO/step.log" 2>&1 && return
	echo "demo: failed: $*" >&2
	cat "$EGRESS_DEMO/step.log" >&2
	exit 1
}

confined() {
	nsenter --net=/run/netns/confined "$@"
}

# say TEXT: a paragraph of the story.
say() {
	echo
	fold -s -w 79 <<<"$*" | sed 's/ *$//'
}

# show COMMAND...: what is typed in the confined namespace, and what comes of it. Nothing waits
# for long.
show() {
	printf '\n    $ %s\n' "${1##*/} ${*:2}"
	confined timeout 20 "$@" >shown 2>&1
	status=$?
	expand -t 2 shown | fold -s -w 75 | sed 's/^/    /; s/ *$//'
	return $status
}

# --- Two namespaces, a cable between them, servers at its other end ---

namespace() {
	need ip netns add "$1"
	need ip -n "$1" link set lo up
	# Without duplicate address detection addresses work at once.
	need nsenter --net="/run/netns/$1" \
		sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
}

setup() {
	mount -t tmpfs -o mode=755 demo "$EGRESS_DEMO" || exit 1
	need mkdir -p /run/netns
	need mount -t tmpfs -o mode=755 demo /run/netns
	cd "$EGRESS_DEMO" || exit 1
	need cp "$here/$policy" .
	# A server that doesn't exist: the ruleset sends its DNS to the resolver.
	echo "nameserver 192.0.2.53" >resolv.conf
	echo "hosts: files dns" >nsswitch.conf
	need mount --bind resolv.conf /etc/resolv.conf
	need mount --bind nsswitch.conf /etc/nsswitch.conf

	namespace world
	namespace confined
	need ip -n world link add cable type veth peer name cable netns confined
	need ip -n world address add 192.168.77.1/24 dev cable
	need ip -n confined address add 192.168.77.2/24 dev cable
	need ip -n world address add fd77::1/64 dev cable
	need ip -n confined address add fd77::2/64 dev cable
	need ip -n world link set cable up
	need ip -n confined link set cable up
	need ip -n confined route add default via 192.168.77.1
	need ip -n confined route add default via fd77::1
	for prefix in 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24; do
		need ip -n world route add local $prefix dev lo
	done
	need ip -n world route add local 2001:db8::/32 dev lo
	nsenter --net=/run/netns/world "$build/tests/net/world" 80 443 5432 >world.log 2>&1 &
	await world.log
}

# await FILE: until it says "ready", for ten seconds at most.
await() {
	local left=100

	until grep -qwE "ready|serving" "$1"; do
		left=$((left - 1))
		if [ $left -eq 0 ]; then
			echo "demo: failed to start:" >&2
			cat "$1" >&2
			exit 1
		fi
		sleep 0.1
	done
}

# refused RULE: packets that the rule has refused so far.
refused() {
	confined nft list counter inet $table "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# --- The story ---

confine() {
	say "Two network namespaces, a confined host and a world of servers around it. The policy" \
		"contrib/$policy goes into the kernel of the confined one, and the resolver starts:"
	printf '\n    $ egress-compile %s | nft -f -\n' $policy
	need "$build/src/egress-compile" $policy -o ruleset
	need confined nft -f ruleset
	printf '    $ egress-resolver %s &\n' $policy
	nsenter --net=/run/netns/confined "$build/src/egress-resolver" $policy --user nobody \
		>resolver.log 2>&1 &
	resolver_pid=$!
	await resolver.log
}

permitted() {
	say "1. A permitted name connects. The resolver answers from the policy's own table, and opens" \
		"the address for as long as the answer lives:"
	show curl -sS http://api.example.com:443/ || fail "it doesn't connect"
	show "$build/src/egress-compile" $policy --explain api.example.com:443 ||
		fail "--explain refuses it"
	grep -q allow-1 shown || fail "the rule is not allow-1"
	show nft list map inet $table tcp-443-leases6
	grep -q '2001:db8::10 .*expires' shown || show nft list map inet $table tcp-443-leases4
	grep -Eq '(2001:db8::10|192.0.2.10) .*expires' shown || fail "no address is open"
	show curl -sS http://debian.packages.example.com/ ||
		fail "a name under the wildcard doesn't connect"
}

unlisted() {
	say "2. An unlisted name is refused. The answer names the rule (RFC 8914), whatever server" \
		"was asked:"
	show curl -sS http://www.example.net/ && fail "it connects"
	show "$build/tests/net/probe" dns 203.0.113.53 www.example.net A
	grep -q 'NXDOMAIN (EDE 15: .*default-deny' shown || fail "the answer is no refusal"
	show "$build/src/egress-compile" $policy --explain www.example.net:80 &&
		fail "--explain permits it"
}

bare() {
	local before after

	say "3. A bare address is rejected at once, and the rule that did it counts:"
	before=$(refused block-reserved)
	show curl -sS http://203.0.113.7/ && fail "it connects"
	[ $status -eq 7 ] || fail "curl failed with status $status, not 7"
	show "$build/src/egress-compile" $policy --explain tcp/203.0.113.7:80 &&
		fail "--explain permits it"
	after=$(refused block-reserved)
	printf '\n    counter of block-reserved: %d packets before, %d now\n' "$before" "$after"
	[ "${after:-0}" -gt "${before:-0}" ] || fail "no rule counted it"
}

ending() {
	say "4. When the resolver ends, nothing more is opened:"
	need kill -TERM $resolver_pid
	wait $resolver_pid || fail "the resolver ended with status $?"
	show curl -sS http://python.packages.example.com/ && fail "it connects"
}

setup
confine
permitted
unlisted
bare
ending
if [ $failures -gt 0 ]; then
	say "$failures of these went wrong. The resolver said:"
	cat resolver.log
	exit 1
fi
say "All went as told, in namespaces that are gone now."

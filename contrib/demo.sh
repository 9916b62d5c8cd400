#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh [BUILD-DIRECTORY]: the shipped example policy at work, in contrib/playground.
# Exit status: 0 all went as told, 1 something didn't, 77 namespaces are not to be had here.

if [ -z "${EGRESS_PLAYGROUND:-}" ]; then
	exec "$(dirname "$0")/playground" "${1:-.}" bash "$(realpath "$0")"
fi

policy=example.toml
failures=0
table=egress-example

fail() {
	failures=$((failures + 1))
	printf '\n** This is not what was expected: %s\n' "$*"
}

# say TEXT: a paragraph of the story.
say() {
	echo
	fold -s -w 79 <<<"$*" | sed 's/ *$//'
}

# show COMMAND...: what is typed, and what comes of it. Nothing waits for long.
show() {
	printf '\n    $ %s\n' "$*"
	timeout 20 "$@" >shown 2>&1
	status=$?
	expand -t 2 shown | fold -s -w 75 | sed 's/^/    /; s/ *$//'
	return $status
}

# refused RULE: packets that the rule has refused so far.
refused() {
	nft list counter inet $table "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# --- The story ---

confine() {
	say "Two network namespaces, a confined host and a world of servers around it. The policy" \
		"contrib/$policy goes into the kernel of the confined one, and the resolver starts:"
	printf '\n    $ egress-compile %s | nft -f -\n' $policy
	egress-compile $policy | nft -f - || fail "the ruleset doesn't load"
	printf '    $ egress-resolver %s &\n' $policy
	: >resolver.log
	egress-resolver $policy --user nobody >resolver.log 2>&1 &
	resolver_pid=$!
	for _ in {1..100}; do
		grep -q serving resolver.log && return
		sleep 0.1
	done
	fail "the resolver doesn't start"
}

permitted() {
	say "1. A permitted name connects. The resolver answers from the policy's own table, and opens" \
		"the address for as long as the answer lives:"
	show curl -sS http://api.example.com:443/ || fail "it doesn't connect"
	show egress-compile $policy --explain api.example.com:443 ||
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
	show probe dns 203.0.113.53 www.example.net A
	grep -q 'NXDOMAIN (EDE 15: .*default-deny' shown || fail "the answer is no refusal"
	show egress-compile $policy --explain www.example.net:80 &&
		fail "--explain permits it"
}

bare() {
	local before after

	say "3. A bare address is rejected at once, and the rule that did it counts:"
	before=$(refused block-reserved)
	show curl -sS http://203.0.113.7/ && fail "it connects"
	[ $status -eq 7 ] || fail "curl failed with status $status, not 7"
	show egress-compile $policy --explain tcp/203.0.113.7:80 &&
		fail "--explain permits it"
	after=$(refused block-reserved)
	printf '\n    counter of block-reserved: %d packets before, %d now\n' "$before" "$after"
	[ "${after:-0}" -gt "${before:-0}" ] || fail "no rule counted it"
}

ending() {
	say "4. When the resolver ends, nothing more is opened:"
	kill -TERM $resolver_pid
	wait $resolver_pid || fail "the resolver ended with status $?"
	show curl -sS http://python.packages.example.com/ && fail "it connects"
}

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

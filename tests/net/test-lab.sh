#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The lab itself, with no ruleset at all: everything that other tests see refused can be reached.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"

lab_start
lab_start_inner

for address in 198.18.1.1 198.19.255.254 2001:db8:1::1 2001:db8:ffff::1; do
	for port in 22 443 853 8010; do
		for protocol in tcp udp; do
			reaches "$protocol/$port of $address" $protocol $address $port
		done
	done
	is "echo of $address" "$(probe echo $address)" echo
done
for address in 198.18.1.1 2001:db8:1::1; do
	is "a closed port of $address" "$(probe tcp $address 9)" ECONNREFUSED
	like "from behind the client to $address" \
		"$(in_inner "$(program tests/net/probe)" tcp $address 443)" "^$address 443 from .*78"
done

for transport in udp tcp; do
	for server in $UPSTREAM4 "[$UPSTREAM6]"; do
		is "the upstream at $server, $transport" \
			"$(probe dns "$server" whoami.lab.example A $transport)" "NOERROR 198.18.55.1"
	done
	for server in $SECOND4 "[$SECOND6]"; do
		is "the second server at $server, $transport" \
			"$(probe dns "$server" whoami.lab.example A $transport)" "NOERROR 198.18.66.1"
	done
done
like "no server at $NOSERVER4" "$(probe dns $NOSERVER4 www.lab.example A)" ECONNREFUSED
like "no server at $NOSERVER6" "$(probe dns "[$NOSERVER6]" www.lab.example A)" ECONNREFUSED

is "an alias chain comes whole" "$(probe dns $UPSTREAM4 chain8.lab.example A)" \
	"NOERROR 198.18.1.30"
is "an alias into another zone" "$(probe dns $UPSTREAM4 hop.lab.example A)" "NOERROR 198.18.1.31"
like "a large answer is cut over UDP" "$(probe dns $UPSTREAM4 big.lab.example AAAA)" \
	"^NOERROR truncated"
is "and whole over TCP" \
	"$(probe dns $UPSTREAM4 big.lab.example AAAA tcp | grep -o '2001:db8:2::' | wc -l)" 60
is "a name that doesn't exist" "$(probe dns $UPSTREAM4 nothing.lab.example A)" NXDOMAIN
is "a name without addresses" "$(probe dns $UPSTREAM4 nodata.lab.example A)" NOERROR

must hold long 198.18.1.1 443
alive "a connection that stays open" long

lab_done

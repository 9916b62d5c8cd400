#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What isn't permitted is refused at once and says by which rule: names in the DNS answer, addresses
# by an error of the socket. Lessons L6, L11, L12.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
END
lab_start
lab_up lab

# Counts what comes to the upstream.
must in_world nft -f - <<-'END'
	table inet watch {
		counter questions { }
		chain input {
			type filter hook input priority filter; policy accept;
			meta l4proto { tcp, udp } th dport 53 counter name questions
		}
	}
END
questions() {
	in_world nft list counter inet watch questions | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

is "the permitted name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
before=$(questions)
for server in $NOSERVER4 "[$NOSERVER6]"; do
	for transport in udp tcp; do
		for type in A AAAA; do
			for name in other.lab.example below.www.lab.example lab.example \
				ww.lab.example 198.18.1.3; do
				like "$name $type over $transport to $server" \
					"$(probe dns "$server" $name $type $transport)" \
					'^NXDOMAIN \(EDE 15: .*default-deny'
			done
		done
	done
done
is "no refused name was asked of the upstream" "$(questions)" "$before"

if command -v dig >/dev/null; then
	said=$(in_client dig +tries=1 @$NOSERVER4 other.lab.example)
	like "dig shows the status" "$said" 'status: NXDOMAIN'
	like "dig shows the Extended Error" "$said" 'EDE: 15'
	like "dig shows the rule" "$said" 'default-deny'
	said=$(in_client dig +noedns +tries=1 @$NOSERVER4 other.lab.example)
	like "without EDNS" "$said" 'status: NXDOMAIN'
	unlike "an Extended Error needs EDNS" "$said" 'EDE'
	said=$(in_client dig +tries=1 @$NOSERVER4 www.lab.example TXT)
	unlike "no data travels in another type" "$said" 'ANSWER: [1-9]'
fi

# Addresses that no answer opened.
for address in 198.18.1.3 198.18.1.4 2001:db8:1::1 2001:db8:1::3; do
	for port in 22 80 443 853 8000; do
		rejected "tcp/$port of $address" tcp $address $port
		rejected "udp/$port of $address" udp $address $port
	done
	rejected "echo of $address" echo $address
done
for protocol in tcp udp; do
	rejected "a port of no service, $protocol" $protocol 198.18.1.1 9
done
# A reset names itself, so that programs fail as if nothing listened there.
is "tcp is reset, IPv4" "$(probe tcp 198.18.1.3 443)" ECONNREFUSED
is "tcp is reset, IPv6" "$(probe tcp 2001:db8:1::3 443)" ECONNREFUSED

if command -v curl >/dev/null; then
	like "curl to a bare address" \
		"$(in_client curl -sS --max-time 60 http://198.18.1.3:443/ 2>&1)" \
		'Failed to connect|Could.t connect'
	like "curl to an unlisted name" \
		"$(in_client curl -sS --max-time 60 http://other.lab.example:443/ 2>&1)" \
		'Could not resolve'
fi

# The names that a search list makes up don't stand in the way of the one that is meant.
cat >resolv.conf <<-END
	nameserver $NOSERVER4
	search svc.cluster.local cluster.local lab.example
	options ndots:5
END
like "a full name behind a search list" "$(in_client getent ahostsv4 www.lab.example)" '^198.18.1.1 '
like "a short name" "$(in_client getent ahostsv4 www)" '^198.18.1.1 '
is "a short name that isn't permitted" "$(in_client getent ahostsv4 other)" ""

# Every refusal was counted under its rule.
like "the ruleset counts refusals" "$(in_client nft list counter inet egress-lab default-deny)" \
	'packets [1-9][0-9]* bytes [0-9]+'

lab_done

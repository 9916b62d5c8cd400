#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an upstream may answer, and what of it opens an address: alias chains, rebinding, answers
# too large for a datagram, upstreams that are broken. Lessons L5, L10, L17.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start
# Inside addresses are reachable as far as the network goes.
for prefix in 10.0.0.0/8 169.254.169.254/32; do
	must ip -n world route add local $prefix dev lo
done

policy() {
	{
		lab_head | grep -v ^upstream
		cat <<-END
			upstream = [$1]
			[dns.hosts]
			"db.internal" = ["198.18.50.1", "198.18.50.2", "2001:db8:50::1"]
			[[allow]]
			host = ["alias.lab.example", "hop.lab.example", "dangling.lab.example",
				"self.lab.example", "loop1.lab.example", "empty.lab.example",
				"nothing.lab.example", "nodata.lab.example", "big.lab.example",
				"mixed.lab.example", "inside.lab.example", "db.internal",
				"*.fresh.lab.example"]
			ports = ["tcp/443"]
			[[allow]]
			host = [$(printf '"chain%d.lab.example", ' 1 2 3 4 5 6 7 8 9 10 11 12)]
			ports = ["tcp/80"]
		END
	} >lab.toml
}
policy "\"udp://$UPSTREAM4\", \"udp://[$UPSTREAM6]\""
lab_up lab

# --- Aliases ---
for name in chain9 chain12; do
	unlike "$name is longer than is followed" "$(ask $name.lab.example)" 198.18
	unlike "$name AAAA is longer than is followed" "$(ask $name.lab.example AAAA)" 2001:
done
rejected "nothing at its end was opened" tcp 198.18.1.30 80
rejected "over IPv6 neither" tcp 2001:db8:1::30 80
for name in chain8 chain4 chain1; do
	is "$name" "$(ask $name.lab.example)" "NOERROR 198.18.1.30"
	is "$name AAAA" "$(ask $name.lab.example AAAA)" "NOERROR 2001:db8:1::30"
done
reaches "the chain's end is open" tcp 198.18.1.30 80
reaches "over IPv6 too" tcp 2001:db8:1::30 80
is "an alias into a zone that no entry names" "$(ask hop.lab.example)" "NOERROR 198.18.1.31"
reaches "is open" tcp 198.18.1.31 443
like "its target by its own name is refused" "$(ask target.far.example)" '^NXDOMAIN \(EDE 15'
is "an alias to a name of no entry" "$(ask alias.lab.example)" "NOERROR 198.18.1.1"
reaches "is open" tcp 198.18.1.1 443
like "its target by its own name is refused" "$(ask www.lab.example)" '^NXDOMAIN \(EDE 15'
for name in self loop1; do
	like "$name: an alias loop ends" "$(ask $name.lab.example)" '^(SERVFAIL|NXDOMAIN|NOERROR$)'
done
is "an alias to nothing" "$(ask dangling.lab.example)" NXDOMAIN
is "an alias to a name without addresses" "$(ask empty.lab.example)" NOERROR

# --- No answer, and no blame on a rule ---
is "a permitted name that doesn't exist" "$(ask nothing.lab.example)" NXDOMAIN
is "again, from the cache" "$(ask nothing.lab.example)" NXDOMAIN
is "a permitted name without addresses" "$(ask nodata.lab.example)" NOERROR
is "again, from the cache" "$(ask nodata.lab.example)" NOERROR

# --- Rebinding ---
is "only the outside address is answered" "$(ask mixed.lab.example)" "NOERROR 198.18.1.40"
is "over IPv6 too, embedded IPv4 included" "$(ask mixed.lab.example AAAA)" "NOERROR 2001:db8:1::40"
for type in A AAAA; do
	unlike "a name with inside addresses only has none, $type" "$(ask inside.lab.example $type)" \
		'[0-9]\.[0-9]|::'
done
for address in 10.0.0.1 169.254.169.254 192.168.77.1 fd77::1; do
	rejected "$address stays closed" tcp $address 443
done
for map in tcp-443-leases4 tcp-443-leases6; do
	unlike "no inside address is in $map" "$(set_of $map)" \
		'[ {](10\.|127\.|169\.254|192\.168|224\.|::1 |fe80|fd77|64:ff9b|ff02)'
done

# --- Large answers ---
addresses() {
	wc -w <<<"${1#NOERROR}"
}
like "sixty AAAA records are too many for a datagram" "$(ask big.lab.example AAAA)" \
	'^NOERROR truncated$'
is "over TCP all of them come" "$(addresses "$(ask big.lab.example AAAA tcp)")" 60
is "sixty A records fit" "$(addresses "$(ask big.lab.example A)")" 60
for n in 1 30 60; do
	reaches "address $n of them is open" tcp 198.18.2.$n 443
	reaches "address $n of them is open over IPv6" tcp 2001:db8:2::$n 443
done
if command -v dig >/dev/null; then
	is "dig turns to TCP by itself" \
		"$(in_client dig +short +tries=1 @$NOSERVER4 big.lab.example AAAA | wc -l)" 60
	is "also without EDNS" \
		"$(in_client dig +noedns +short +tries=1 @$NOSERVER4 big.lab.example | wc -l)" 60
	like "the datagram says that it is cut" \
		"$(in_client dig +noedns +ignore +tries=1 @$NOSERVER4 big.lab.example)" 'flags:[a-z ]* tc'
fi

# --- The policy's own table ---
is "a name of the policy's own table" "$(ask db.internal | tr ' ' '\n' | sort | tr '\n' ' ')" \
	"198.18.50.1 198.18.50.2 NOERROR "
is "over IPv6" "$(ask db.internal AAAA)" "NOERROR 2001:db8:50::1"
reaches "is open" tcp 198.18.50.2 443
reaches "over IPv6 too" tcp 2001:db8:50::1 443

# --- Broken upstreams ---
lab_nsd_kill upstream
upstream_gone() {
	! lab_serves "$UPSTREAM4"
}
must until_true 10 upstream_gone
like "with all upstreams gone a fresh name fails" "$(ask t1.fresh.lab.example)" \
	'^SERVFAIL \(EDE (22|23|14|0): '
is "the policy's own table is served" "$(ask db.internal AAAA)" "NOERROR 2001:db8:50::1"
like "a refused name is refused" "$(ask other.lab.example)" '^NXDOMAIN \(EDE 15'
lab_nsd upstream $UPSTREAM4 $UPSTREAM6
must until_true 20 lab_serves $UPSTREAM4
back() {
	[ "$(ask t2.fresh.lab.example)" = "NOERROR 198.18.1.102" ]
}
check "when they are back, so are the names" until_true 60 back
reaches "and open" tcp 198.18.1.102 443
lab_resolver_stop

# The first is closed, the second silent, the third works.
must ip -n world route add blackhole 198.18.0.61 table local
policy "\"udp://198.18.0.60\", \"udp://198.18.0.61\", \"udp://$UPSTREAM4\""
lab_up lab
for n in 3 4 5; do
	is "a broken upstream is passed over, name $n" "$(ask t$n.fresh.lab.example)" \
		"NOERROR 198.18.1.10$n"
	reaches "and its address is open" tcp 198.18.1.10$n 443
done
like "a large answer, too" "$(ask big.lab.example A tcp)" '^NOERROR 198'

lab_done

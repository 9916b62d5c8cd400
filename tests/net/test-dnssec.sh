#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# DNSSEC: a signed root and zones below it, served by nsd, asked of unbound, which believes
# everything. Where the policy requires it only what validates is answered, and opened.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs unbound ldns-keygen ldns-signzone ldns-key2ds dig

SIGNED=198.18.0.71
RECURSIVE=198.18.0.70

lab_start

mkdir signed keys

# zone NAME [LINE...]: a zone without signatures, from standard input, with its usual head.
zone() {
	{
		echo "\$ORIGIN $1."
		echo "\$TTL 300"
		echo "@ SOA ns.test. host.test. 1 3600 600 86400 60"
		echo "@ NS ns.test."
		cat
	} >"signed/$1"
}

# key NAME ALGORITHM [OPTION...]: makes a key and says its file's name.
key() {
	(cd keys && ldns-keygen -a "$2" "${@:3}" "$1")
}

# delegate NAME KEY: the DS record for the parent.
delegate() {
	ldns-key2ds -f -n -2 "keys/$2.key" >>"delegations"
}

# sign NAME OPTIONS KEY...: a zone and its keys become the signed zone.
sign() {
	local name=$1 options=$2

	shift 2
	# shellcheck disable=SC2086
	must ldns-signzone $options -o "$name" -f "signed/$name.signed" "signed/$name" \
		"${@/#/keys/}"
	mv "signed/$name.signed" "signed/$name"
}

# usual NAME [LINE...]: what most zones have, and more.
usual() {
	printf '%s\n' "www A 198.18.1.1" "www AAAA 2001:db8:1::1" "alias CNAME www" \
		"*.wild A 198.18.1.7" "${@:2}" | zone "$1"
}

# signed_zone NAME ALGORITHM [OPTIONS]: with a key of its own, that its parent has.
signed_zone() {
	local one

	one=$(key "$1" "$2" -b 2048)
	usual "$1"
	sign "$1" "${3:-}" "$one"
	delegate "$1" "$one"
}

make_zones() {
	local old new

	: >delegations
	signed_zone rsa.test RSASHA256
	signed_zone nsec3.test RSASHA256 "-n -t 1 -s abcd"
	signed_zone ecdsa.test ECDSAP256SHA256
	signed_zone ed.test ED25519
	signed_zone expired.test ECDSAP256SHA256 "-i 20200101000000 -e 20200201000000"
	signed_zone early.test ECDSAP256SHA256 "-i 20900101000000 -e 20910201000000"
	# The parent has another key's.
	new=$(key wrong.test ECDSAP256SHA256)
	old=$(key wrong.test ECDSAP256SHA256)
	usual wrong.test
	sign wrong.test "" "$new"
	delegate wrong.test "$old"
	# The key is being changed: the parent has the old one, the new one signs.
	old=$(key roll.test ECDSAP256SHA256 -k)
	new=$(key roll.test ED25519)
	usual roll.test
	sign roll.test "" "$old" "$new"
	delegate roll.test "$old"
	# What somebody on the way did to zones that are in order.
	signed_zone added.test ECDSAP256SHA256
	echo "www.added.test. 300 IN A 198.18.66.6" >>signed/added.test
	signed_zone stripped.test ECDSAP256SHA256
	sed -i /RRSIG/d signed/stripped.test
	usual plain.test
	usual hop.test "far CNAME www.ed.test." "bad CNAME www.added.test." \
		"plain CNAME www.plain.test." "two A 198.18.1.1" "two A 10.1.1.1"
	new=$(key hop.test ECDSAP256SHA256)
	sign hop.test "" "$new"
	delegate hop.test "$new"
}

make_parents() {
	local name one

	one=$(key test ECDSAP256SHA256)
	{
		echo "ns A $SIGNED"
		for name in signed/*.test; do
			echo "$(basename "$name"). NS ns.test."
		done
		cat delegations
	} | zone test
	sign test "" "$one"
	: >delegations
	delegate test "$one"
	one=$(key . ECDSAP256SHA256)
	{
		echo "\$TTL 300"
		echo ". SOA ns.test. host.test. 1 3600 600 86400 60"
		echo ". NS ns.test."
		echo "ns.test. A $SIGNED"
		echo "test. NS ns.test."
		cat delegations
	} >signed/root
	must ldns-signzone -o . -f signed/root.signed signed/root "keys/$one"
	mv signed/root.signed signed/root
	ldns-key2ds -f -n -2 "keys/$one.key" >anchor.ds
}

serve_signed() {
	local zone

	{
		echo "server:"
		echo "	ip-address: $SIGNED"
		echo "	server-count: 1"
		echo "	username: \"\""
		echo "	chroot: \"\""
		echo "	zonesdir: $LAB/signed"
		echo "	zonelistfile: $LAB/signed.list"
		echo "	pidfile: \"\""
		echo "	database: \"\""
		echo "	xfrdfile: \"\""
		echo "	xfrdir: $LAB"
		echo "	rrl-ratelimit: 0"
		echo "remote-control:"
		echo "	control-enable: no"
		for zone in signed/*; do
			zone=${zone##*/}
			echo "zone:"
			echo "	name: \"${zone/#root/.}\""
			echo "	zonefile: $zone"
		done
	} >signed.conf
	nsenter --net=/run/netns/world nsd -d -c "$LAB/signed.conf" >signed.log 2>&1 &
	cat >unbound.conf <<-END
		server:
			interface: $RECURSIVE
			access-control: 0.0.0.0/0 allow
			module-config: "iterator"
			do-ip6: no
			do-daemonize: no
			username: ""
			chroot: ""
			directory: "$LAB"
			pidfile: ""
			use-syslog: no
			local-zone: "test." transparent
		remote-control:
			control-enable: no
		stub-zone:
			name: "."
			stub-addr: $SIGNED
	END
	nsenter --net=/run/netns/world unbound -d -c "$LAB/unbound.conf" >unbound.log 2>&1 &
	must until_true 10 serves $RECURSIVE
}

serves() {
	[[ $(in_world "$(program tests/net/probe)" --wait 1 dns "$1" www.ecdsa.test A) = NOERROR* ]]
}

# policy LINE...: the lines follow [dns].
policy() {
	{
		lab_head_alone
		echo "upstream = [\"udp://$RECURSIVE\"]"
		echo 'trust_anchor = "anchor.ds"'
		printf '%s\n' "$@"
	} >lab.toml
}

# flags NAME [OPTION...]: those of the reply.
flags() {
	in_client dig "@$NOSERVER4" +tries=1 +time=8 "$@" | sed -n 's/^;; flags: \([a-z ]*\);.*/\1/p'
}

make_zones
make_parents
serve_signed

# --- Required of all names ---------------------------------------------------------------------

policy 'dnssec = "require"' '[[allow]]' 'host = ["**.test"]' 'broad = true'
lab_up lab

for name in rsa nsec3 ecdsa ed roll hop; do
	is "$name.test validates" "$(ask www.$name.test)" "NOERROR 198.18.1.1"
done
reaches "and is open" tcp 198.18.1.1 443
is "an address of IPv6 too" "$(ask www.ecdsa.test AAAA)" "NOERROR 2001:db8:1::1"
is "an alias" "$(ask alias.ecdsa.test)" "NOERROR 198.18.1.1"
is "an alias into another zone" "$(ask far.hop.test)" "NOERROR 198.18.1.1"
for name in ecdsa nsec3; do
	is "a wildcard of $name.test" "$(ask a.wild.$name.test)" "NOERROR 198.18.1.7"
	is "no name in $name.test" "$(ask nothing.$name.test)" "NXDOMAIN"
	is "no such record in $name.test" "$(ask a.wild.$name.test AAAA)" "NOERROR"
done
is "a key that the parent does not know" "$(ask www.wrong.test)" "SERVFAIL (EDE 9: dnssec)"
is "signatures that have expired" "$(ask www.expired.test)" "SERVFAIL (EDE 7: dnssec)"
is "signatures of the future" "$(ask www.early.test)" "SERVFAIL (EDE 8: dnssec)"
is "an added record" "$(ask www.added.test)" "SERVFAIL (EDE 6: dnssec)"
is "signatures taken away" "$(ask www.stripped.test)" "SERVFAIL (EDE 10: dnssec)"
is "a zone without signatures" "$(ask www.plain.test)" "SERVFAIL (EDE 10: dnssec:unsigned)"
is "no name in it" "$(ask nothing.plain.test)" "SERVFAIL (EDE 10: dnssec:unsigned)"
is "an alias to what is forged" "$(ask bad.hop.test)" "SERVFAIL (EDE 6: dnssec)"
is "an alias to what is unsigned" "$(ask plain.hop.test)" "SERVFAIL (EDE 10: dnssec:unsigned)"
unlike "nothing of what is forged is open" "$(in_client nft list ruleset)" "198\.18\.66\.6"
like "a client that asks is told" "$(flags www.ecdsa.test +adflag)" " ad"
like "and one that knows DNSSEC" "$(flags www.ecdsa.test +noadflag +dnssec)" " ad"
unlike "others are not" "$(flags www.ecdsa.test +noadflag)" " ad"
is "an address that is not permitted is missing" "$(ask two.hop.test)" "NOERROR 198.18.1.1"
unlike "and the rest is not said to be as it was signed" "$(flags two.hop.test +adflag)" " ad"
unlike "no records of DNSSEC are passed on" \
	"$(in_client dig @$NOSERVER4 +dnssec www.ecdsa.test)" "RRSIG.*13"
like "a client can't switch it off" "$(in_client dig @$NOSERVER4 +cd www.added.test)" \
	"status: SERVFAIL"
lab_resolver_stop

# --- Of one entry ------------------------------------------------------------------------------

policy '[[allow]]' 'host = ["www.added.test", "www.plain.test"]' '[[allow]]' \
	'host = ["www.ed.test", "www.expired.test"]' 'dnssec = "require"'
lab_up lab
is "not required: as ever" "$(ask www.plain.test)" "NOERROR 198.18.1.1"
is "required: it validates" "$(ask www.ed.test)" "NOERROR 198.18.1.1"
is "or is refused" "$(ask www.expired.test)" "SERVFAIL (EDE 7: dnssec)"
unlike "what was not validated isn't said to be" "$(flags www.plain.test +adflag)" " ad"
lab_resolver_stop

printf '%s\n' 'version = 1' '[[allow]]' 'host = ["www.plain.test", "www.ed.test"]' \
	'dnssec = "require"' >narrow.toml
policy '[[allow]]' 'host = ["www.plain.test", "www.ed.test"]' 'dnssec = "off"'
must lab_load lab
must lab_resolver lab --override narrow.toml
is "an override requires it" "$(ask www.plain.test)" "SERVFAIL (EDE 10: dnssec:unsigned)"
is "and what validates is answered" "$(ask www.ed.test)" "NOERROR 198.18.1.1"
lab_resolver_stop

echo "no record" >anchor.ds
policy 'dnssec = "require"' '[[allow]]' 'host = "www.ed.test"'
"$resolver" lab.toml --user $LAB_USER >anchor.log 2>&1
is "without an anchor it does not begin" $? 3
like "and says why" "$(cat anchor.log)" "anchor.ds:1: not a DS or DNSKEY record"

lab_done

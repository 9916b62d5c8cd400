#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What odd queries get: those of ISC's DNS compliance testing and of RFC 8906 section 8, as far as
# they are a forwarder's business, asked by dig of the real resolver.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs dig

lab_start
lab_policy lab <<-END
	[[allow]]
	host = ["www.lab.example", "big.lab.example"]
	ports = ["tcp/443"]
END
lab_up lab

# query OPTION...: dig's answer for www.lab.example.
query() {
	in_client dig @$NOSERVER4 -p 53 +tries=1 +timeout=5 +norec +nocookie www.lab.example "$@"
}

# answers DESCRIPTION PATTERN OPTION...
answers() {
	like "$1" "$(query "${@:3}")" "$2"
}

# says_nothing DESCRIPTION PATTERN OPTION...
says_nothing() {
	unlike "$1" "$(query "${@:3}")" "$2"
}

# Options that are known here or elsewhere: nsid, expire, padding, chain, key tag, and one that is not.
options="nsid:3 subnet:8:000118000a0000 expire:9 padding:12:00000000 chain:13:00 keytag:14:4444 unknown:100
	unknown:100:616263 experimental:65001:00 last:65534"

for transport in +notcp +tcp; do
	for flag in aa ad ra z cd tc; do
		shown="qr ra;"
		[ $flag != cd ] || shown="qr ra cd;"
		answers "$flag alone $transport" "flags: $shown" $transport +noedns +noadflag \
			+${flag}flag
		answers "and the answer is there $transport" '198\.18\.1\.1' $transport +noedns \
			+noadflag +${flag}flag
	done
	answers "RD $transport" 'flags: qr rd ra;' $transport +noedns +noadflag +rec
	for opcode in 1 2 3 4 5 6 7 15; do
		answers "opcode $opcode $transport" 'status: NOTIMP' $transport +noedns \
			+opcode=$opcode
		answers "with all flags $transport" 'status: NOTIMP' $transport +noedns \
			+opcode=$opcode +aaflag +adflag +cdflag +raflag +zflag +tcflag +rec
	done
	for option in $options; do
		name=${option%%:*}
		answers "option $option $transport" 'status: NOERROR' $transport \
			+ednsopt="${option#*:}"
		answers "is answered $transport" '198\.18\.1\.1' $transport \
			+ednsopt="${option#*:}"
		says_nothing "and not repeated $transport" 'OPT=|NSID|EXPIRE|CLIENT-SUBNET|PAD|CHAIN' \
			$transport +ednsopt="${option#*:}"
		answers "version 1 with option $name $transport" 'status: BADVERS' $transport \
			+edns=1 +noednsneg +ednsopt="${option#*:}"
	done
	answers "all at once $transport" 'status: NOERROR' $transport +nsid +expire +padding=128 \
		+subnet=192.0.2.0/24 +ednsopt=13:00 +ednsopt=100 +cookie=0102030405060708
	answers "version 1 with an unknown flag $transport" 'status: BADVERS' $transport +edns=1 \
		+noednsneg +ednsflags=0x40
	answers "which is not repeated $transport" 'version: 0, flags:; udp' $transport +edns=1 \
		+noednsneg +ednsflags=0x40
	answers "version 1 with DO $transport" 'status: BADVERS' $transport +edns=1 +noednsneg \
		+dnssec
	answers "version 255 $transport" 'status: BADVERS' $transport +edns=255 +noednsneg
	says_nothing "a wrong version has no answer $transport" 'ANSWER SECTION' $transport +edns=1 \
		+noednsneg
	for flags in 0x1 0x4000 0x7fff; do
		answers "unknown flags $flags $transport" 'version: 0, flags:; udp' $transport \
			+ednsflags=$flags
	done
	answers "DO and a cookie $transport" 'flags: do; udp' $transport +dnssec \
		+cookie=0102030405060708
	answers "a cookie of a server $transport" 'COOKIE: 0102030405060708[0-9a-f]{32} ' $transport \
		+cookie=01020304050607080102030405060708
	answers "a cookie without a question $transport" 'COOKIE: 0102030405060708[0-9a-f]{32} ' \
		$transport +header-only +cookie=0102030405060708
	answers "is an answer $transport" 'status: NOERROR' $transport +header-only \
		+cookie=0102030405060708
	answers "neither a question nor a cookie $transport" 'status: FORMERR' $transport \
		+header-only
	answers "plain $transport" 'status: NOERROR' $transport +noedns
	says_nothing "without an OPT record $transport" 'OPT PSEUDOSECTION' $transport +noedns
	answers "AA, AD, CD, RA, Z set $transport" 'flags: qr ra cd;' $transport +noedns +aaflag \
		+adflag +cdflag +raflag +zflag
	answers "TC set $transport" 'flags: qr ra;' $transport +noedns +noadflag +tcflag
	answers "another opcode $transport" 'status: NOTIMP' $transport +noedns +opcode=15 \
		+header-only
	answers "an unknown type $transport" 'status: NOERROR' $transport +noedns -t TYPE666
	answers "another class $transport" 'status: REFUSED' $transport +noedns -c CH
	answers "EDNS $transport" 'EDNS: version: 0, flags:; udp: 1232' $transport +edns=0
	answers "EDNS version 1 $transport" 'status: BADVERS' $transport +edns=1 +noednsneg
	answers "it says which version $transport" 'EDNS: version: 0' $transport +edns=1 +noednsneg
	answers "an unknown option $transport" 'status: NOERROR' $transport +ednsopt=100
	says_nothing "is not repeated $transport" 'OPT=100' $transport +ednsopt=100
	answers "version 1, and an option $transport" 'status: BADVERS' $transport +edns=1 \
		+noednsneg +ednsopt=100
	answers "unknown EDNS flags $transport" 'flags:; udp' $transport +ednsflags=0x40
	answers "DO $transport" 'flags: do; udp' $transport +dnssec
	answers "NSID, subnet, expire $transport" 'status: NOERROR' $transport +nsid \
		+subnet=192.0.2.0/24 +expire
	answers "a cookie $transport" 'COOKIE: 0102030405060708[0-9a-f]{32} \(good\)' $transport \
		+cookie=0102030405060708
	answers "a cookie of the wrong length $transport" 'status: FORMERR' $transport \
		+ednsopt=10:0102
done
# The answer is longer than the client takes: it says so, and by TCP it is whole.
big() {
	in_client dig @$NOSERVER4 -p 53 +tries=1 +timeout=5 +norec +nocookie big.lab.example "$@"
}
for size in 0 256 512; do
	got=$(big +notcp +ignore +bufsize=$size)
	like "TC with a buffer of $size" "$got" 'flags: qr tc ra;'
	like "and the OPT record is there" "$got" 'EDNS: version: 0, flags:; udp: 1232'
	size=$(sed -n 's/.*MSG SIZE *rcvd: //p' <<<"$got")
	check "in $size bytes" test "$size" -le 512
done
like "TC without EDNS" "$(big +notcp +ignore +noedns)" 'flags: qr tc ra;'
for option in +bufsize=512 +noedns; do
	is "whole by TCP, $option" "$(big +tcp +short $option | grep -c 198.18.2)" 60
	is "and when dig asks there by itself, $option" "$(big +short $option | grep -c 198.18.2)" 60
done
answers "a small buffer" 'status: NOERROR' +bufsize=512
answers "a buffer smaller than any" 'status: NOERROR' +bufsize=1
answers "how long a connection may be idle" 'TCP.KEEPALIVE' +tcp +keepalive
says_nothing "which is of no meaning in a datagram" 'TCP.KEEPALIVE' +notcp +keepalive

lab_done

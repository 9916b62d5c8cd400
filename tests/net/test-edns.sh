#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What odd queries get: those of ISC's DNS compliance testing, as far as they are a forwarder's
# business, asked by dig of the real resolver.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs dig

lab_start
lab_policy lab <<-END
	[[allow]]
	host = "www.lab.example"
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

for transport in +notcp +tcp; do
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
answers "a small buffer" 'status: NOERROR' +bufsize=512
answers "a buffer smaller than any" 'status: NOERROR' +bufsize=1
answers "how long a connection may be idle" 'TCP.KEEPALIVE' +tcp +keepalive
says_nothing "which is of no meaning in a datagram" 'TCP.KEEPALIVE' +notcp +keepalive

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bytes that are no question, over real sockets: the resolver's processes live on and answer.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "*.fresh.lab.example"]
END
lab_start
lab_up lab --workers 2
processes=$(resolver_processes)
fresh=0

# The same processes as before, and they work.
unmoved() {
	fresh=$((fresh + 1))
	is "$1: UDP is answered" "$(ask t$fresh.fresh.lab.example)" "NOERROR 198.18.1.$((100 + fresh))"
	is "$1: the processes live" "$(resolver_processes)" "$processes"
}

datagram() {
	# shellcheck disable=SC2016
	in_client bash -c 'cat >/dev/udp/$0/53' $NOSERVER4 2>/dev/null
}

stream() {
	# shellcheck disable=SC2016
	in_client timeout 10 bash -c 'cat >/dev/tcp/$0/53' $NOSERVER4 2>/dev/null
}

while IFS='|' read -r what bytes; do
	[ -n "$what" ] || continue
	printf '%b' "$bytes" | datagram
	unmoved "$what, UDP"
	{
		length=$(printf '%b' "$bytes" | wc -c)
		printf '%b' "\\x$(printf %02x $((length / 256)))\\x$(printf %02x $((length % 256)))$bytes"
	} | stream
	unmoved "$what, TCP"
done <<END
nothing|
one byte|\x00
half a header|\x00\x01\x01\x00\x00\x01
a header alone|\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00
a name without an end|\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www
a pointer to itself|\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01
a pointer forwards|\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\xff\x00\x01\x00\x01
a response|\x00\x01\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x03lab\x07example\x00\x00\x01\x00\x01
two questions|\x00\x01\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01\x01b\x00\x00\x01\x00\x01
no question|\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00
sixty thousand records|\x00\x01\x01\x00\x00\x01\xff\xff\xff\xff\xff\xff\x01a\x00\x00\x01\x00\x01
class CHAOS|\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x03lab\x07example\x00\x00\x01\x00\x03
an update|\x00\x01\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x06\x00\x01
END

head -c 65000 /dev/urandom | datagram
unmoved "64 KiB of noise, UDP"
head -c 200000 /dev/urandom | stream
unmoved "200 KB of noise, TCP"
{
	printf '\xff\xff'
	head -c 65535 /dev/zero
} | stream
unmoved "the longest frame, TCP"
printf '\x00' | stream
unmoved "half a length, TCP"

# Connections that say nothing don't keep others out.
# shellcheck disable=SC2016
nsenter --net=/run/netns/client bash -c '
	for ((i = 0; i < 300; i++)); do
		exec {fd}<>/dev/tcp/$0/53 || break
	done 2>/dev/null
	echo open >idle
	exec sleep 1000' $NOSERVER4 &
idle=$!
must until_true 30 test -s idle
unmoved "silent connections"
kill $idle
wait $idle 2>/dev/null
tcp_answers() {
	[ "$(ask www.lab.example A tcp)" = "NOERROR 198.18.1.1" ]
}
check "TCP is answered after them" until_true 60 tcp_answers
unmoved "in the end"

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What passes through the namespace is judged as what leaves it: the inner namespace gets no further
# than its gateway may.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start
lab_start_inner
policy() {
	{
		lab_head
		echo 'listen = ["127.0.0.1:5300", "[::1]:5300", "192.168.78.1:53", "[fd78::1]:53"]'
		cat
	} >lab.toml
}
policy <<-'END'
	[[allow]]
	host = "www.lab.example"
	ports = ["tcp/443", "udp/443"]
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
	ports = ["tcp/443", "icmp/echo"]
END
lab_up lab

refused() {
	like "$1" "$(probe_inner "${@:2}")" "$REJECTED"
}

passes() {
	like "$1" "$(probe_inner "${@:2}")" "^$3 $4 from .*78.*: hello\$"
}

for address in 198.18.1.1 2001:db8:1::1; do
	refused "$address before the name is asked for, tcp" tcp $address 443
	refused "$address before the name is asked for, udp" udp $address 443
	refused "echo of $address" echo $address
done
for address in 198.18.40.1 2001:db8:40::1; do
	passes "$address, which the policy names" tcp $address 443
	refused "on another port" tcp $address 80
	is "its echo" "$(probe_inner echo $address)" echo
done

# DNS to servers of its own choice is rejected; the gateway's resolver serves it.
for server in $UPSTREAM4 "[$UPSTREAM6]" $SECOND4 "[$SECOND6]" $NOSERVER4; do
	for transport in udp tcp; do
		refused "DNS to $server over $transport" dns "$server" www.lab.example A $transport
	done
done
like "the gateway's resolver refuses" "$(probe_inner dns 192.168.78.1 other.lab.example A)" \
	'^NXDOMAIN \(EDE 15'
is "and answers over UDP" "$(probe_inner dns 192.168.78.1 www.lab.example A)" "NOERROR 198.18.1.1"
is "and over TCP and IPv6" "$(probe_inner dns '[fd78::1]' www.lab.example AAAA tcp)" \
	"NOERROR 2001:db8:1::1"
for address in 198.18.1.1 2001:db8:1::1; do
	passes "$address after that, tcp" tcp $address 443
	passes "$address after that, udp" udp $address 443
	refused "$address on another port" tcp $address 80
	refused "$address, DNS over TLS" tcp $address 853
done

# Who comes from outside doesn't get through either, and answers do.
must serve inner 7000
like "a stranger's connection to the inside" \
	"$(in_world "$(program tests/net/probe)" tcp 192.168.78.2 7000)" "$REJECTED"
like "over IPv6" "$(in_world "$(program tests/net/probe)" tcp fd78::2 7000)" "$REJECTED"

# A live flow through the gateway ends with its entry.
must hold name 198.18.1.1 443 inner
must hold address 198.18.40.1 443 inner
alive "a flow to the name" name
alive "a flow to the address" address
policy <<-'END'
	[[allow]]
	host = "www.lab.example"
	ports = ["tcp/443", "udp/443"]
END
must lab_reload lab
cut_off "the address's flow ends with its entry" address
alive "the name's goes on" name

# --- What claims to be from elsewhere: refused, it would be sent there as a part of an error ---
must in_client sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.to-inner.rp_filter=0
in_world "$(program tests/container/escape)" watch to-client >watched.out 2>watched.log &
must until_true 10 grep -q ready watched.out
for way in "raw4 198.18.1.3 198.18.41.1" "raw6 2001:db8:1::3 2001:db8:41::1"; do
	# shellcheck disable=SC2086 # words
	is "it is sent: $way" "$(in_inner "$(program tests/container/escape)" $way)" sent
done
in_world "$(program tests/container/escape)" fence to-client >fence.out
must until_true 10 grep -qx fence watched.out
is "and comes nowhere" "$(grep -c raw watched.out)" 0

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Addresses that the policy names itself, classes of addresses that it blocks, and echo. For each
# destination --explain says what the kernel does. Lesson L22.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

# explained PROTOCOL ADDRESS [PORT]: the exit status of --explain.
explained() {
	local address=$2

	[ $# -lt 3 ] || [[ $2 != *:* ]] || address="[$2]"
	"$compiler" lab.toml --explain "$1/$address${3:+:$3}" >explained.out 2>&1
}

# opens PROTOCOL ADDRESS [PORT]
opens() {
	local what=$1/${3:-echo}

	if [ "$1" = icmp ]; then
		is "$2 answers an echo" "$(probe echo "$2")" echo
	else
		reaches "$2 is open for $what" "$@"
	fi
	explained "$@"
	is "--explain permits $2 $what" $? 0
}

closed() {
	local what=$1/${3:-echo}

	if [ "$1" = icmp ]; then
		rejected "$2 is closed for an echo" echo "$2"
	else
		rejected "$2 is closed for $what" "$@"
	fi
	explained "$@"
	is "--explain refuses $2 $what" $? 4
}

# Addresses of the world beyond the documentation prefixes: public ones, private ones, and some
# that the blocked classes know.
lab_start
for prefix in 93.184.216.0/24 10.0.0.0/8 100.64.0.0/10 169.254.169.254/32 1.1.1.1/32; do
	must ip -n world route add local $prefix dev lo
done
for prefix in 2606:2800:220:1::/64 fd00:ec2::/32 2606:4700:4700::1111/128; do
	must ip -n world -6 route add local $prefix dev lo
done

lab_policy lab <<-'END'
	[[allow]]
	ip = ["198.18.40.0/24", "198.18.41.10-198.18.41.20", "2001:db8:40::/48"]
	ports = ["tcp/443", "udp/443"]
	[[allow]]
	ip = ["198.18.40.128/25", "198.18.42.1", "2001:db8:42::1"]
	ports = ["tcp/5432"]
	[[allow]]
	ip = ["198.18.43.0/24", "2001:db8:43::/64"]
	ports = ["icmp/echo"]
	[[allow]]
	host = "www.lab.example"
	ports = ["icmp/echo", "tcp/80"]
END
must lab_load lab

note "no resolver is needed"
for address in 198.18.40.0 198.18.40.255 198.18.41.10 198.18.41.20 2001:db8:40:: \
	2001:db8:40:ffff::1; do
	opens tcp $address 443
	opens udp $address 443
	closed tcp $address 80
	closed icmp $address
done
for address in 198.18.39.255 198.18.41.0 198.18.41.9 198.18.41.21 198.18.42.0 198.18.42.2 \
	2001:db8:41::1 2001:db8:42::2; do
	closed tcp $address 443
	closed udp $address 443
	closed tcp $address 5432
done
opens tcp 198.18.42.1 5432
opens tcp 2001:db8:42::1 5432
opens tcp 198.18.40.128 5432
closed tcp 198.18.40.127 5432
closed tcp 198.18.42.1 443
opens icmp 198.18.43.7
opens icmp 2001:db8:43::7
closed tcp 198.18.43.7 443
closed icmp 198.18.42.1
closed icmp 198.18.1.1

must lab_resolver lab
is "a name with echo" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
is "over IPv6" "$(ask www.lab.example AAAA)" "NOERROR 2001:db8:1::1"
is "its address answers an echo" "$(probe echo 198.18.1.1)" echo
is "over IPv6" "$(probe echo 2001:db8:1::1)" echo
reaches "and its other port" tcp 198.18.1.1 80
rejected "another address doesn't" echo 198.18.1.3

note "what stays on the machine is its own business, and answers to who came in are let out"
must serve client 7000
for address in 127.0.0.1 ::1; do
	reaches "a service on $address" tcp $address 7000
	reaches "the same over UDP" udp $address 7000
done
for address in 192.168.77.2 fd77::2; do
	like "a client from outside reaches the service at $address" \
		"$(in_world "$(program tests/net/probe)" tcp $address 7000)" ': hello$'
	like "the same over UDP" \
		"$(in_world "$(program tests/net/probe)" udp $address 7000)" ': hello$'
	is "and $address answers an echo" "$(in_world "$(program tests/net/probe)" echo $address)" echo
done
rejected "the link's other end is no exception" tcp 192.168.77.1 443
lab_resolver_stop

note "everything but the blocked classes"
cat >lab.toml <<-END
	version = 1
	name = "lab"
	[dns]
	upstream = ["udp://$UPSTREAM4"]
	[[allow]]
	ip = ["0.0.0.0/0", "::/0"]
	[[allow]]
	ip = ["10.1.0.0/16", "198.18.40.0/24", "2001:db8:40::/48"]
END
must lab_load lab
for address in 93.184.216.34 2606:2800:220:1::34; do
	opens tcp $address 443
	closed tcp $address 80
	closed icmp $address
done
for address in 10.2.0.1 100.64.0.1 169.254.169.254 198.18.1.1 1.1.1.1 fd00:ec2::254 \
	2001:db8:1::1 2606:4700:4700::1111; do
	closed tcp $address 443
done
for address in 10.1.2.3 198.18.40.1 2001:db8:40::1; do
	opens tcp $address 443
done

lab_done

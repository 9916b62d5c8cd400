#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A program without privileges that sends from an address which isn't the host's (IPV6_FREEBIND), so
# that what it sends to that address then would pass for an answer.

# shellcheck disable=SC2016,SC2119 # Perl; not this function's arguments
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs perl setpriv
lab_needs_programs
lab_start
lab_policy foreign <<-'END'
	[[allow]]
	ip = "2001:db8:1::2"
	ports = "udp/8001"
END
lab_up foreign

# foreign ASKED PORT: a datagram from the refused address to ASKED, which is received here or not;
# then one the other way. What came back of the second one, or why nothing did.
foreign() {
	in_client setpriv --reuid 12345 --clear-groups perl -MSocket=:all -e '
		my ($refused, $asked, $port) = @ARGV;
		sub at { pack_sockaddr_in6($_[1], inet_pton(AF_INET6, $_[0])) }
		socket(A, AF_INET6, SOCK_DGRAM, 0) && setsockopt(A, 41, 78, pack("I", 1)) &&
			bind(A, at($refused, 8001)) or die $!;
		socket(B, AF_INET6, SOCK_DGRAM, 0) && setsockopt(B, 41, 78, pack("I", 1)) &&
			bind(B, at($asked, $port)) or die $!;
		send(A, "forged", 0, at($asked, $port)) or print "forged: ", $!+0, " ";
		select(undef, undef, undef, 0.2);
		close A;
		$SIG{ALRM} = sub { print "nothing\n"; exit };
		alarm 3;
		send(B, "secret", 0, at($refused, 8001)) or print("secret: ", $!+0, "\n"), exit;
		while (my $who = recv(B, my $said, 500, 0)) { print "$said\n" if $said ne "forged"; exit if $said ne "forged" }' \
		2001:db8:1::3 "$1" "$2" 2>&1
}

rejected "an address that nothing permits" udp 2001:db8:1::3 8001
reaches "one that is permitted" udp 2001:db8:1::2 8001
# What is refused must not come there as a part of an error.
in_world "$(program tests/container/escape)" watch to-client >watched.out 2>watched.log &
must until_true 10 grep -q ready watched.out
in_client setpriv --reuid 12345 --clear-groups perl -MSocket=:all -e '
	socket(A, AF_INET6, SOCK_DGRAM, 0) && setsockopt(A, 41, 78, pack("I", 1)) &&
		bind(A, pack_sockaddr_in6(8001, inet_pton(AF_INET6, "2001:db8:1::3"))) or die $!;
	send(A, "egress-escape:error", 0, pack_sockaddr_in6(9, inet_pton(AF_INET6, "fd77::1")))'
in_world "$(program tests/container/escape)" fence to-client >fence.out
must until_true 10 grep -qx fence watched.out
is "nor is what is refused sent to the address it claims to be from" \
	"$(grep -cx error watched.out)" 0
is "a datagram to this host from the former is none, nor has it an answer" \
	"$(foreign fd77::2 5555)" "forged: 1 secret: 1"
is "nor one to itself" "$(foreign ::1 5555)" "forged: 1 secret: 1"
is "nor one to who is permitted" "$(foreign 2001:db8:1::2 8001)" "forged: 1 secret: 1"
lab_done

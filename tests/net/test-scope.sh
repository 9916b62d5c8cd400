#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whose traffic a policy is about: users of the client, and what comes in
# from the inner namespace, for others or for the client itself. Everything else goes as if there
# were no policy.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start
lab_start_inner
must serve client 7000
must serve inner 7000
policy() {
	{
		cat
		cat <<-END
			[[allow]]
			host = "www.lab.example"
			[[allow]]
			ip = ["198.18.40.0/24", "2001:db8:40::/48"]
			[network]
			block = []
			[dns]
			upstream = ["udp://$UPSTREAM4"]
			listen = ["127.0.0.1:5300", "[::1]:5300", "192.168.78.1:5300"]
		END
	} >lab.toml
}

# as WHO PROTOCOL ADDRESS PORT
as() {
	probe --uid "$1" tcp "$2" "$3"
}

refused() {
	like "$1" "$2" "$REJECTED"
}

reached() {
	like "$1" "$2" ': hello$'
}

# --- Users ---

policy <<-END
	version = 1
	name = "lab"
	[scope]
	users = [1000]
END
must lab_up lab
for address in 198.18.40.1 2001:db8:40::1; do
	reached "$address, of a user in scope" "$(as 1000 $address 443)"
	reached "of another user" "$(as 1001 $address 443)"
done
for address in 198.18.41.1 2001:db8:41::1; do
	refused "$address, of a user in scope" "$(as 1000 $address 443)"
	reached "of another user" "$(as 1001 $address 443)"
	reached "of what passes through" "$(probe_inner tcp $address 443)"
done
is "DNS of a user in scope" "$(probe --uid 1000 dns $NOSERVER4 www.lab.example A)" \
	"NOERROR 198.18.1.1"
like "is refused by name" "$(probe --uid 1000 dns $UPSTREAM4 other.lab.example A)" '^NXDOMAIN'
reached "a name's address" "$(as 1000 198.18.1.1 443)"
like "that of others goes where it is sent" \
	"$(probe --uid 1001 dns $SECOND4 www.lab.example A)" '^NOERROR 198.18.66.1'
reached "others of the client serve" "$(probe_inner tcp 192.168.78.1 7000)"
must lab_resolver_stop

# --- What comes in by an interface, or from addresses ---

for scope in 'interfaces = ["to-inner"]' 'sources = ["192.168.78.2", "fd78::/64"]'; do
	policy <<-END
		version = 1
		name = "lab"
		[scope]
		$scope
	END
	must lab_up lab
	for address in 198.18.40.1 2001:db8:40::1; do
		reached "$scope: $address" "$(probe_inner tcp $address 443)"
	done
	for address in 198.18.41.1 2001:db8:41::1; do
		refused "$address" "$(probe_inner tcp $address 443)"
		reached "of the client's own" "$(probe tcp $address 443)"
	done
	is "DNS to nobody" "$(probe_inner dns $NOSERVER4 www.lab.example A)" "NOERROR 198.18.1.1"
	is "over TCP" "$(probe_inner dns $SECOND4 www.lab.example A tcp)" "NOERROR 198.18.1.1"
	is "to the resolver itself" "$(probe_inner dns 192.168.78.1:5300 www.lab.example A)" \
		"NOERROR 198.18.1.1"
	refused "where the resolver isn't" "$(probe_inner dns '[2001:db8:99::99]' www.lab.example A)"
	reached "a name's address" "$(probe_inner tcp 198.18.1.1 443)"
	refused "the client's own services" "$(probe_inner tcp 192.168.78.1 7000)"
	refused "over IPv6" "$(probe_inner tcp fd78::1 7000)"
	reached "are there for itself" "$(probe tcp 192.168.78.1 7000)"
	like "and for the world" \
		"$(in_world "$(program tests/net/probe)" tcp 192.168.77.2 7000)" ': hello$'
	reached "services of the inner one, for the client" "$(probe tcp 192.168.78.2 7000)"
	like "and for the world" \
		"$(in_world "$(program tests/net/probe)" tcp 192.168.78.2 7000)" ': hello$'
	must lab_resolver_stop
done

# --- Back to everything ---

policy <<-END
	version = 1
	name = "lab"
END
must lab_load lab
refused "without a scope: what passes through" "$(probe_inner tcp 198.18.41.1 443)"
refused "everybody's" "$(as 1001 198.18.41.1 443)"
reached "the client's own services" "$(probe_inner tcp 192.168.78.1 7000)"

lab_done

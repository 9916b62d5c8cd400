#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a policy limits: new connections, bytes, distinct destinations, time. A flow that nobody
# answers counts once; what was spent stays spent when the ruleset is loaded again.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start
policy() {
	{
		lab_head
		cat
	} >lab.toml
}

# refused PROTOCOL ADDRESS TIMES: how many of as many new connections to port 443 were refused.
# A port that an earlier flow had would be that flow again, which is permitted.
echo 20000 >port
refused() {
	local i port

	if [ "$1" = udp ]; then
		port=$(cat port)
		echo $((port + $3)) >port
		probe --from "$port" flood "$2" 443 "$3"
		return
	fi
	for ((i = 0; i < $3; i++)); do
		probe tcp "$2" 443
	done | grep -cE "$REJECTED"
}

# over_budget: new connections beyond [budget] destinations.
over_budget() {
	counter_of budget-destinations
}

# destinations: how many were counted.
destinations() {
	in_client nft -j list set inet egress-lab destinations-3 |
		grep -o '"elem": \[.*\]' | tr , '\n' | grep -c '[0-9]'
}

# --- New connections ---

policy <<-'END'
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
	ports = ["tcp/443", "udp/443"]
	connections = "5/day"
	[[allow]]
	ip = ["198.18.41.0/24", "2001:db8:41::/48"]
	ports = ["tcp/443", "udp/443"]
	[limits]
	connections_per_destination = "10/day"
	connections = "40/day"
END
must lab_load lab
is "an entry's connections" "$(refused tcp 198.18.40.1 8)" 3
is "in the other family, too" "$(refused udp 2001:db8:40::1 2)" "2 refused"
is "counted under the entry" "$(counter_of allow-1:connections)" 5
is "connections to one destination" "$(refused udp 198.18.41.1 13)" "3 refused"
is "to another one" "$(refused tcp 2001:db8:41::1 12)" 2
is "counted" "$(counter_of limit-destination)" 5
must lab_load lab
is "the entry has none left after a reload" "$(refused tcp 198.18.40.1 1)" 1
is "nor the destination" "$(refused tcp 198.18.41.1 1)" 1
is "connections in all" "$(refused udp 198.18.41.3 10) $(refused udp 198.18.41.4 10)" \
	"0 refused 5 refused"
is "counted as such" "$(counter_of limit-connections)" 5

# --- A live connection is none of the new ones, nor are datagrams of one flow ---

must in_client nft delete table inet egress-lab
policy <<-'END'
	[[allow]]
	ip = ["198.18.42.0/24"]
	ports = ["tcp/443", "udp/443"]
	[limits]
	connections = "1/day"
END
must lab_load lab
must hold live 198.18.42.1 443
alive "a connection" live
is "no other" "$(refused tcp 198.18.42.1 1)" 1
alive "goes on" live
must lab_load lab
alive "goes on after a reload" live

# --- Bytes ---

must in_client nft delete table inet egress-lab
policy <<-'END'
	[[allow]]
	ip = ["198.18.43.0/24"]
	ports = ["tcp/443", "udp/443"]
	bytes = "1 KiB"
	[[allow]]
	ip = ["198.18.44.0/24"]
	ports = ["tcp/443", "udp/443"]
	[limits]
	bytes = "4 KiB"
END
must lab_load lab
must hold spender 198.18.43.1 443
alive "a connection" spender
# 33 bytes each, with their headers
is "an entry's bytes" "$(probe flood 198.18.43.2 443 60 | grep -c '^[34][0-9] refused')" 1
cut_off "end its connection" spender
must lab_load lab
is "and stay spent" "$(refused udp 198.18.43.2 1)" "1 refused"
is "another entry has its own" "$(refused udp 198.18.44.1 10)" "0 refused"
is "up to what there is for all" "$(probe flood 198.18.44.1 443 200 | grep -c '^1[0-9]* refused')" 1
like "counted" "$(counter_of limit-bytes)" '^[1-9]'
sed -i 's/4 KiB/64 KiB/' lab.toml
must lab_load lab
is "more of them" "$(refused udp 198.18.44.1 10)" "0 refused"

# --- An override's limits ---

must in_client nft delete table inet egress-lab
policy <<-'END'
	[[allow]]
	ip = ["198.18.43.0/24", "2001:db8:43::/48"]
	ports = ["tcp/443", "udp/443"]
	[[allow]]
	ip = "198.18.44.0/24"
	ports = ["tcp/443", "udp/443"]
	connections = "8/day"
END
cat >operator.toml <<-'END'
	version = 1
	[[allow]]
	ip = ["198.18.43.0/24", "2001:db8:43::/48", "198.18.44.0/24"]
	ports = ["tcp/443", "udp/443"]
	connections = "10/day"
	bytes = "1 KiB"
END
narrowed() {
	"$compiler" lab.toml --override operator.toml >lab.nft && in_client nft -f - <lab.nft
}
must narrowed
is "hold for the policy's rules" "$(refused udp 198.18.43.1 4) $(refused udp 2001:db8:43::1 3)" \
	"0 refused 0 refused"
is "and for them together" "$(refused udp 198.18.44.1 5)" "2 refused"
is "counted under the override's entry" "$(counter_of o1:allow-1:connections)" 2
is "the policy's own as well" "$(refused udp 198.18.44.2 6) $(counter_of allow-2:connections)" \
	"6 refused 3"
must narrowed
is "spent after a reload" "$(refused udp 2001:db8:43::1 1)" "1 refused"
must in_client nft delete table inet egress-lab
sed -i '/connections/d' operator.toml
must narrowed
must hold narrow 198.18.43.1 443
alive "a connection" narrow
is "the override's bytes" "$(probe flood 198.18.43.2 443 60 | grep -c '^[34][0-9] refused')" 1
cut_off "end a connection" narrow
is "of its other rule, too" "$(refused udp 198.18.44.1 1)" "1 refused"

# --- Destinations ---

must in_client nft delete table inet egress-lab
policy <<-'END'
	[[allow]]
	ip = ["198.18.44.0/24", "2001:db8:44::/48"]
	ports = ["udp/443"]
	[budget]
	destinations = 3
	on_exceed = "refuse"
END
must lab_load lab
for address in 198.18.44.1 2001:db8:44::1 198.18.44.2; do
	is "$address takes a place" "$(refused udp $address 3)" "0 refused"
done
is "there are no more" "$(refused udp 198.18.44.3 2)" "2 refused"
is "in no family" "$(refused udp 2001:db8:44::3 2)" "2 refused"
is "counted" "$(over_budget)" 4
is "who has one goes on" "$(refused udp 198.18.44.1 3)" "0 refused"
must lab_load lab
is "after a reload" "$(refused udp 2001:db8:44::1 3)" "0 refused"
is "and nobody else" "$(refused udp 198.18.44.3 2)" "2 refused"
is "counted on" "$(over_budget)" 6

# --- Destinations that are only reported ---

must in_client nft delete table inet egress-lab
sed -i '/on_exceed/d' lab.toml
must lab_load lab
for address in 198.18.44.1 2001:db8:44::1 198.18.44.2 198.18.44.1; do
	is "$address takes a place" "$(refused udp $address 3)" "0 refused"
done
is "none is over" "$(destinations) $(over_budget)" "3 0"
is "more are permitted" "$(refused udp 198.18.44.3 2)" "0 refused"
is "in the other family" "$(refused udp 2001:db8:44::3 2)" "0 refused"
is "and counted, each connection" "$(destinations) $(over_budget)" "3 4"
must lab_load lab
is "who has a place goes on" "$(refused udp 198.18.44.2 3)" "0 refused"
is "others are counted on after a reload" "$(refused udp 198.18.44.3 2) $(over_budget)" \
	"0 refused 6"

# --- Time ---

must in_client nft delete table inet egress-lab
policy <<-END
	[[allow]]
	ip = ["198.18.44.0/24"]
	expires = $(date -u -d '+3 seconds' +%Y-%m-%dT%H:%M:%SZ)
END
must lab_load lab
must hold late 198.18.44.1 443
alive "before its time" late
expired() {
	[ "$(refused tcp 198.18.44.1 1)" = 1 ]
}
check "new connections end" until_true 20 expired
cut_off "as do those that are there" late
like "counted" "$(counter_of allow-1:expired)" '^[1-9]'

# --- Whoever only observes limits nobody ---

must in_client nft delete table inet egress-lab
{
	echo 'enforcement = "observe"'
	lab_head
	cat <<-'END'
		[[allow]]
		ip = ["198.18.44.0/24"]
		ports = ["udp/443"]
		[limits]
		connections = "1/day"
		bytes = "1 KiB"
	END
} >lab.toml
must lab_load lab
is "permitted" "$(refused udp 198.18.44.1 50)" "0 refused"
is "counted" "$(counter_of limit-connections)" 49
is "what nothing permits" "$(refused udp 198.18.45.1 5)" "0 refused"
is "counted once a flow" "$(counter_of default-deny)" 5

lab_done

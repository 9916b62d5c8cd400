#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real DNS tunnels, iodine and dns2tcp, against a policy that permits a wildcard over the very domain
# that the tunnel's server is asked for. Lesson L14.
#
#	TUNNEL_SECONDS=600 tests/net/test-tunnels.sh
#
# gives each of the tunnels ten minutes; by default they get a few seconds each.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs iodine iodined dns2tcpc dns2tcpd timeout awk
[ -c /dev/net/tun ] || skip_all "there is no /dev/net/tun"

seconds=${TUNNEL_SECONDS:-8}
relay=$(program tests/net/relay)
lab_needs "$relay"

# What each tunnel's server is asked by way of the relay, which counts.
IODINE=198.18.0.60
DNS2TCP=198.18.0.62
ALL_TYPES='"A", "AAAA", "HTTPS", "SVCB", "TXT", "SRV", "MX", "CNAME", "NS", "CAA", "NAPTR", "HINFO"'

lab_start
must lab_namespace outside
must lab_link world outside 192.168.79 fd79
cat >dns2tcpd.conf <<-END
	listen = 198.18.0.63
	port = 53
	user = nobody
	chroot = /
	domain = d.tunnel.example
	resources = web:198.18.0.1:80
END

# start NAME COMMAND...: in the world, in the background.
start() {
	nsenter --net=/run/netns/world "${@:2}" >"$1.out" 2>"$1.log" &
}

start iodined iodined -f -c -l 198.18.0.61 -P secret 10.99.0.1/24 t.tunnel.example
start dns2tcpd dns2tcpd -F -f "$LAB/dns2tcpd.conf"
start relay-iodine "$relay" $IODINE:53 198.18.0.61:53 tunnel.example
start relay-dns2tcp "$relay" $DNS2TCP:53 198.18.0.63:53 tunnel.example
must until_true 10 grep -q ready relay-iodine.out
must until_true 10 grep -q ready relay-dns2tcp.out

# iodine_in NAMESPACE SERVER TYPE SECONDS: what the client says.
iodine_in() {
	in_namespace "$1" timeout -k 1 "$4" iodine -f -r -T "$3" -P secret -d "by$3" "$2" \
		t.tunnel.example 2>&1
}

# dns2tcp_in NAMESPACE SERVER TYPE SECONDS: without a resource it lists those of the server.
dns2tcp_in() {
	in_namespace "$1" timeout -k 1 "$4" dns2tcpc -z d.tunnel.example -T "$3" "$2" 2>&1
}

CONNECTED='Connection setup complete|Available connection'

# --- What the tools do where nobody keeps them -------------------------------------------------
outside=()
for type in NULL TXT A; do
	nsenter --net=/run/netns/outside timeout 60 iodine -f -r -T $type -P secret -d "by$type" \
		$IODINE t.tunnel.example >outside-$type.out 2>&1 &
	outside+=($!)
done
for type in NULL TXT A; do
	check "outside, iodine connects by $type" until_true 20 grep -E "$CONNECTED" outside-$type.out
done
kill "${outside[@]}"
wait "${outside[@]}"
like "outside, dns2tcp connects" "$(dns2tcp_in outside $DNS2TCP TXT 15)" "$CONNECTED"
like "and the relay counts" "$(tail -n 3 relay-iodine.out)" "query [0-9]+ [0-9]+"

# --- Counting ----------------------------------------------------------------------------------
begin_counting() {
	asked_before=$(wc -l <"$1.out")
}

# The queries since then, and the bytes by which they can tell something: a name and its type; of a
# name that is known another type. What the resolver sends again because it had no answer tells
# nothing more.
counted() {
	tail -n +$((asked_before + 1)) "$1.out" | awk '
		$1 != "query" { next }
		{ queries++ }
		!seen[$2, $4]++ { bytes += known[$4]++ || $3 < 0 ? 2 : $3 + 1 }
		END { print queries + 0, bytes + 0 }'
}

# What lint says, in bytes.
bound() {
	"$compiler" --lint "$1.toml" 2>&1 |
		sed -nE 's/.*lets at most ([0-9]+) bits leave.*/\1/p' | awk '{ print $1 / 8; exit }'
}

# policy NAME UPSTREAM: the entry follows on standard input.
policy() {
	{
		cat <<-END
			version = 1
			name = "lab"
			[network]
			block = []
			[dns]
			upstream = ["udp://$2"]
		END
		cat
	} >"$1.toml"
}

# tunnels POLICY: all of them against the policy that is in force; nobody connects.
tunnels() {
	local type types="NULL PRIVATE TXT SRV MX CNAME A" pids=

	for type in $types; do
		iodine_in client $NOSERVER4 "$type" "$seconds" >"iodine-$type.out" &
		pids+=" $!"
	done
	# shellcheck disable=SC2086 # a list
	wait $pids
	for type in $types; do
		unlike "$1: iodine does not connect by $type" "$(cat "iodine-$type.out")" "$CONNECTED"
	done
}

within() {
	local queries bytes

	read -r queries bytes < <(counted "$1")
	note "$queries queries, $bytes bytes of names of $2"
	check "$3" test "$bytes" -le "$2"
}

# --- A domain that the policy doesn't name -----------------------------------------------------
policy closed $IODINE <<-'END'
	[[allow]]
	host = "www.lab.example"
END
lab_up closed
begin_counting relay-iodine
tunnels "a policy without the domain"
unlike "nor does dns2tcp" "$(dns2tcp_in client $NOSERVER4 TXT "$seconds")" "$CONNECTED"
is "and no query of theirs has left" "$(counted relay-iodine)" "0 0"
must lab_resolver_stop

# --- A wildcard over it, everything else as it is by default ------------------------------------
policy open $IODINE <<-'END'
	[[allow]]
	host = "**.tunnel.example"
END
lab_up open
begin_counting relay-iodine
tunnels "a wildcard"
is "lint's bound is a full bucket and an hour's filling" "$(bound open)" 122000
within relay-iodine "$(bound open)" "what left is within it"
must lab_resolver_stop

# --- All types, whatever the names look like, few bytes ----------------------------------------------------------------------
policy typed $IODINE <<-END
	types = [$ALL_TYPES]
	[[allow]]
	host = "**.tunnel.example"
	score = -9.0
	wildcard_bytes = "300/hour"
	wildcard_answer_bytes = "2000/hour"
END
lab_up typed
begin_counting relay-iodine
tunnels "all types that can be named"
is "lint's bound is small" "$(bound typed)" 600
# Half of it is there from the beginning; in this time not much is added.
within relay-iodine $((305 + seconds / 12)) "what left is within what there is of it"
check "and it was used up" test "$(counted relay-iodine | cut -d ' ' -f 2)" -gt 150
must lab_resolver_stop

policy dns2tcp $DNS2TCP <<-END
	types = [$ALL_TYPES]
	[[allow]]
	host = "**.tunnel.example"
	score = -9.0
	wildcard_bytes = "300/hour"
	wildcard_answer_bytes = "2000/hour"
END
lab_up dns2tcp
begin_counting relay-dns2tcp
dns2tcp_in client $NOSERVER4 TXT "$seconds" >dns2tcp.said
check "dns2tcp was heard" test "$(counted relay-dns2tcp | cut -d ' ' -f 2)" -gt 0
within relay-dns2tcp "$(bound dns2tcp)" "what left by dns2tcp is within lint's bound"

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real DNS tunnels, iodine and dns2tcp, against a policy that permits a wildcard over the very domain
# that the tunnel's server is asked for. Lesson L14.
#
#	TUNNEL_SECONDS=120 tests/net/test-tunnels.sh
#
# has the tunnels try again and again for so long under each policy, ten minutes and more in all; by
# default they have a few seconds.

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
must until_true 20 grep -q "Listening to dns" iodined.log
must until_true 10 grep -q ready relay-iodine.out
must until_true 10 grep -q ready relay-dns2tcp.out

# again_and_again SECONDS COMMAND...: they give up long before; what all of them say.
again_and_again() {
	local end=$((SECONDS + $1)) left=$1

	shift
	while [ "$left" -gt 0 ]; do
		timeout -k 1 "$left" "$@" 2>&1
		sleep 0.2
		left=$((end - SECONDS))
	done
}

# iodine_in NAMESPACE SERVER TYPE SECONDS
iodine_in() {
	again_and_again "$4" nsenter --net="/run/netns/$1" \
		iodine -f -r -T "$3" -P secret -d "by$3" "$2" t.tunnel.example
}

# dns2tcp_in NAMESPACE SERVER TYPE SECONDS: without a resource it lists those of the server.
dns2tcp_in() {
	again_and_again "$4" nsenter --net="/run/netns/$1" \
		dns2tcpc -z d.tunnel.example -T "$3" "$2"
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
for type in TXT KEY; do
	like "outside, dns2tcp connects by $type" "$(in_namespace outside timeout 15 \
		dns2tcpc -z d.tunnel.example -T $type $DNS2TCP 2>&1)" "$CONNECTED"
done
like "and the relay counts" "$(tail -n 3 relay-iodine.out)" "query [0-9]+ [0-9]+"

# --- Counting ----------------------------------------------------------------------------------
begin_counting() {
	asked_before=$(wc -l <"$1.out")
	began=$SECONDS
}

# The queries since then, and the bytes by which they can tell something: a name, of which letter
# case is no part, and its type; of a name that is known another type. What the resolver sends again
# because it had no answer tells nothing more.
counted() {
	tail -n +$((asked_before + 1)) "$1.out" | awk '
		$1 != "query" { next }
		{ queries++; name = tolower($4) }
		!seen[$2, name]++ { bytes += known[name]++ || $3 < 0 ? 2 : $3 + 1 }
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

# All ways of each of them, side by side, against the policy that is in force; nobody connects. The
# last ones ask the tunnel's own server.
iodine_tries() {
	local type types="NULL PRIVATE TXT SRV MX CNAME A" pids=

	for type in $types; do
		iodine_in client $NOSERVER4 "$type" "$seconds" >"iodine-$type.out" &
		pids+=" $!"
	done
	iodine_in client $IODINE NULL "$seconds" >iodine-direct.out &
	# shellcheck disable=SC2086 # a list
	wait $pids $!
	for type in $types direct; do
		unlike "$1: iodine does not connect by $type" "$(cat "iodine-$type.out")" "$CONNECTED"
	done
}

dns2tcp_tries() {
	local type pids=

	for type in TXT KEY; do
		dns2tcp_in client $NOSERVER4 $type "$seconds" >"dns2tcp-$type.out" &
		pids+=" $!"
	done
	dns2tcp_in client $DNS2TCP TXT "$seconds" >dns2tcp-direct.out &
	# shellcheck disable=SC2086 # a list
	wait $pids $!
	for type in TXT KEY direct; do
		unlike "$1: dns2tcp does not connect by $type" "$(cat "dns2tcp-$type.out")" \
			"$CONNECTED"
	done
}

# within RELAY POLICY RATE SECONDS: RATE bytes, and as many more each SECONDS since counting began,
# of which two for what is begun, and never more than lint says of an hour.
within() {
	local queries bytes most=$(($3 + $3 * (SECONDS - began + 2) / $4)) hour

	hour=$(bound "$2")
	[ $most -le "$hour" ] || most=$hour
	read -r queries bytes < <(counted "$1")
	note "$queries queries, $bytes bytes of names, of $most in $((SECONDS - began)) s," \
		"$hour in an hour"
	check "$2: what left by $1 is within the budget" test "$bytes" -le "$most"
	check "$2: and some of it was used" test "$bytes" -gt 0
}

# --- A domain that the policy doesn't name -----------------------------------------------------
policy closed $IODINE <<-'END'
	[[allow]]
	host = "www.lab.example"
END
lab_up closed
begin_counting relay-dns2tcp
asked_dns2tcp=$asked_before
begin_counting relay-iodine
iodine_tries "a policy without the domain"
dns2tcp_tries "a policy without the domain"
is "and no query of theirs has left" "$(counted relay-iodine)" "0 0"
asked_before=$asked_dns2tcp
is "nor to the other server" "$(counted relay-dns2tcp)" "0 0"
must lab_resolver_stop

# --- A wildcard over it, everything else as it is by default ------------------------------------
policy open $IODINE <<-'END'
	[[allow]]
	host = "**.tunnel.example"
END
lab_up open
begin_counting relay-iodine
iodine_tries "a wildcard"
is "lint's bound is a full bucket and an hour's filling" "$(bound open)" 122000
within relay-iodine open 2000 60
must lab_resolver_stop

# --- All types, whatever the names look like, few bytes -----------------------------------------
all_types() {
	policy "$1" "$2" <<-END
		types = [$ALL_TYPES]
		[[allow]]
		host = "**.tunnel.example"
		score = -9.0
		wildcard_bytes = "300/hour"
		wildcard_answer_bytes = "2000/hour"
	END
}

all_types typed $IODINE
lab_up typed
begin_counting relay-iodine
iodine_tries "all types that can be named"
is "lint's bound is small" "$(bound typed)" 600
within relay-iodine typed 300 3600
check "and it was used up" test "$(counted relay-iodine | cut -d ' ' -f 2)" -gt 150
must lab_resolver_stop

all_types dns2tcp $DNS2TCP
lab_up dns2tcp
begin_counting relay-dns2tcp
dns2tcp_tries "all types that can be named"
within relay-dns2tcp dns2tcp 300 3600
must lab_resolver_stop

# --- Policies that permit what they do not name --------------------------------------------------
policy limited $IODINE <<-END
	[limits]
	wildcard_bytes = "300/hour"
	wildcard_answer_bytes = "2000/hour"
END
sed -i '1i mode = "denylist"' limited.toml
lab_up limited
begin_counting relay-iodine
iodine_tries "a denylist with limits"
is "lint's bound of what no entry matches is small" "$(bound limited)" 600
within relay-iodine limited 300 3600
must lab_resolver_stop

# browse: what becomes of many names of one domain, longer together than the usual limit.
browse() {
	local i

	for ((i = 0; i < 40; i++)); do
		ask "one-of-the-long-names-that-a-page-may-well-have-in-it-$i.lab.example"
	done | cut -d ' ' -f 1 | sort | uniq -c | tr -s ' '
}
policy browsing $UPSTREAM4 </dev/null
sed -i '1i mode = "denylist"' browsing.toml
lab_up browsing
is "a denylist without limits: many names of one domain" "$(browse)" " 40 NXDOMAIN"
must lab_resolver_stop
policy wildcard $UPSTREAM4 <<-'END'
	[[allow]]
	host = "**.lab.example"
END
lab_up wildcard
like "under a wildcard there is a limit" "$(browse)" " [1-9][0-9]* SERVFAIL"
browse >/dev/null
is "the log names the first" \
	"$(grep -c "allow-1 wildcard_bytes: more than the wildcards" "$resolver_log")" 1
kill -HUP "$resolver_pid"
check "and says at a reload how many came after it" until_true 30 \
	grep -q "allow-1 wildcard_bytes: [1-9][0-9]* more after that" "$resolver_log"

lab_done

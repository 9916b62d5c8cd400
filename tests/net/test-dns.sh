#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# DNS goes to the resolver or nowhere. Nobody else reaches the upstream: not root, not the holder of
# half of the resolver's credentials, and nobody at all before the resolver runs. Lessons L10, L19.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = "whoami.lab.example"
	ports = ["tcp/443"]
END
lab_start
must lab_load lab

# Over each transport to each server: what a question yields.
everywhere() {
	local server transport

	for server in $UPSTREAM4 "[$UPSTREAM6]" $SECOND4 "[$SECOND6]" $NOSERVER4 "[$NOSERVER6]" \
		192.168.77.1 127.0.0.53 "[::1]"; do
		for transport in udp tcp; do
			"$@" "$server" $transport
		done
	done
}

silent() {
	like "$1: nobody answers at $2 over $3" \
		"$(probe dns "$2" whoami.lab.example A "$3")" "$REJECTED"
}

# --- Before the resolver runs ---
everywhere silent "no resolver yet"
unlike "no credentials are in force" "$(set_of resolver)" elements
like "a mark drawn from thin air, as the resolver's user" \
	"$(probe --mark 0x1234567 --uid "$LAB_UID" dns $UPSTREAM4 whoami.lab.example A)" "$REJECTED"
like "no mark, as the resolver's user" \
	"$(probe --uid "$LAB_UID" dns $UPSTREAM4 whoami.lab.example A)" "$REJECTED"

# --- While it runs ---
must lab_resolver lab
credentials=$(set_of resolver)
mark=$(grep -Eo '0x[0-9a-f]{8}' <<<"$credentials" | head -n 1)
like "the resolver's credentials are in force" "$credentials" "0x[0-9a-f]+ \. $LAB_UID"
is "they are one pair" "$(grep -o ' \. [0-9]' <<<"$credentials" | wc -l)" 1

ours() {
	is "the resolver answers for $1 over $2" \
		"$(probe dns "$1" whoami.lab.example A "$2")" "NOERROR 198.18.55.1"
	like "and refuses" "$(probe dns "$1" other.lab.example A "$2")" \
		'^NXDOMAIN \(EDE 15: .*default-deny'
}
everywhere ours

# A name that the policy refuses tells who answered: refuses WHAT SERVER TRANSPORT OPTION...
refuses() {
	local what=$1 server=$2 transport=$3

	shift 3
	like "$what: not the upstream at $server over $transport" \
		"$(probe "$@" dns "$server" other.lab.example A "$transport")" '^NXDOMAIN \(EDE 15: '
}
for server in $UPSTREAM4 "[$UPSTREAM6]"; do
	for transport in udp tcp; do
		is "mark and user: the upstream at $server answers over $transport" \
			"$(probe --mark "$mark" --uid "$LAB_UID" \
				dns "$server" other.lab.example A $transport)" "NOERROR 198.18.1.3"
		refuses "root without a mark" "$server" $transport
		refuses "root with the mark" "$server" $transport --mark "$mark"
		refuses "another user with the mark" "$server" $transport --mark "$mark" --uid 1
		refuses "the user without the mark" "$server" $transport --uid "$LAB_UID"
		refuses "the user with another mark" "$server" $transport --mark $((mark ^ 1)) \
			--uid "$LAB_UID"
	done
done
for transport in udp tcp; do
	refuses "mark and user" $SECOND4 $transport --mark "$mark" --uid "$LAB_UID"
	refuses "mark and user" "[$SECOND6]" $transport --mark "$mark" --uid "$LAB_UID"
done
for address in $UPSTREAM4 $UPSTREAM6; do
	for port in 22 443 853; do
		like "mark and user open no tcp/$port of $address" \
			"$(probe --mark "$mark" --uid "$LAB_UID" tcp "$address" $port)" "$REJECTED"
		like "mark and user open no udp/$port of $address" \
			"$(probe --mark "$mark" --uid "$LAB_UID" udp "$address" $port)" "$REJECTED"
	done
done

# DNS in other clothes.
for address in $UPSTREAM4 $UPSTREAM6 $SECOND4 $SECOND6 $NOSERVER4; do
	rejected "DNS over TLS to $address" tcp "$address" 853
	rejected "DNS over QUIC to $address" udp "$address" 853
	rejected "DNS over HTTPS to $address" tcp "$address" 443
done

# --- After it ended ---
lab_resolver_stop
is "SIGTERM ends it with status 0" $? 0
everywhere silent "no resolver any more"
for transport in udp tcp; do
	for server in $UPSTREAM4 "[$UPSTREAM6]"; do
		like "its user has no way to $server over $transport any more" \
			"$(probe --uid "$LAB_UID" dns "$server" other.lab.example A $transport)" \
			"$REJECTED"
	done
done
must lab_resolver lab
is "a restarted resolver answers" "$(ask whoami.lab.example)" "NOERROR 198.18.55.1"
again=$(set_of resolver | grep -Eo '0x[0-9a-f]{8}' | head -n 1)
unlike "under another mark" "$again" "^$mark\$"
is "and its credentials are one pair" "$(set_of resolver | grep -o ' \. [0-9]' | wc -l)" 1

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whatever is killed: default-deny stays, connections go on, and what is started again works.
# Lesson L9.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "*.fresh.lab.example"]
	ports = ["tcp/443"]
END
lab_start
lab_up lab --workers 2

is "the name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
must ask www.lab.example AAAA
must hold long4 198.18.1.1 443
must hold long6 2001:db8:1::1 443

# The rules without what changes by itself: counters, leases and the resolver's credentials.
rules() {
	in_client nft --stateless list table inet egress-lab |
		sed -e '/^\t\(set resolver\|map .*-leases[46]\) {/,/^\t}/d'
}
before=$(rules)
fresh=0

denied() {
	rejected "$1: an address never resolved" tcp 198.18.1.3 443
	rejected "$1: the same over IPv6" tcp 2001:db8:1::3 443
	rejected "$1: another port of an open address" tcp 198.18.1.1 80
	unlike "$1: the upstream serves nobody" "$(probe --wait 5 dns $UPSTREAM4 other.lab.example A)" \
		NOERROR
	unlike "$1: nor does the second server" "$(probe --wait 5 dns $SECOND4 other.lab.example A)" \
		NOERROR
	is "$1: the rules are what they were" "$(rules)" "$before"
}

unharmed() {
	alive "$1: the connection over IPv4 goes on" long4
	alive "$1: the connection over IPv6 goes on" long6
	reaches "$1: a lease outlives the resolver" tcp 198.18.1.1 443
}

# A name that nothing remembers is resolved and open.
serves() {
	[[ $(probe --wait 2 dns "$NOSERVER4" t"$fresh".fresh.lab.example A) = \
		"NOERROR 198.18.1.$((100 + fresh))" ]] &&
		[[ $(probe tcp 198.18.1.$((100 + fresh)) 443) = *hello ]]
}

works() {
	fresh=$((fresh + 1))
	check "$1: fresh names are resolved and open" until_true 30 serves
	like "$1: refused ones are refused" "$(ask other.lab.example)" '^NXDOMAIN \(EDE 15'
}

works "at first"
check "it is several processes" test "$(resolver_processes | wc -l)" -ge 3

# --- Each process but the first: that one starts anew what is missing ---
children=$(pgrep -P "$resolver_pid" | wc -l)
complete() {
	[ "$(pgrep -P "$resolver_pid" | wc -l)" -eq "$children" ]
}
for ((n = 1; n <= children; n++)); do
	what="child $n of $children killed"
	check "$what: all are there before" until_true 30 complete
	pid=$(pgrep -P "$resolver_pid" | sed -n ${n}p)
	must kill -KILL "$pid"
	check "$what: it is gone" until_true 10 lab_gone "$pid"
	denied "$what"
	unharmed "$what"
	works "$what"
	denied "$what, then"
	check "$what: the first process is the same" kill -0 "$resolver_pid"
done

# --- Any of them, again and again, while names are asked for ---
kills=${LAB_KILLS:-12}
RANDOM=${LAB_SEED:-$$}
note "LAB_SEED=${LAB_SEED:-$$}"
ask_and_connect() {
	local i

	while [ ! -e enough ]; do
		for i in 1 2 3; do
			[ "$(ask t$i.fresh.lab.example)" = "NOERROR 198.18.1.$((100 + i))" ] || continue
			[[ $(probe tcp 198.18.1.$((100 + i)) 443) = *hello ]] || echo t$i >>closed
			echo >>answered
		done
	done
}
: >closed
: >answered
ask_and_connect >/dev/null 2>&1 &
asker=$!
for ((n = 0; n < kills; n++)); do
	pid=$(pgrep -P "$resolver_pid" | shuf -n 1 --random-source=<(yes "$RANDOM"))
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	sleep 0.$((RANDOM % 9))
done
: >enough
wait $asker
note "$(wc -l <answered) answers while processes were killed"
is "killed at random: each answer's address is open" "$(sort closed | uniq -c)" ""
check "killed at random: all are there again" until_true 30 complete
works "killed at random"
denied "killed at random"
unharmed "killed at random"

# --- The first one: the others go with it ---
family=$(resolver_processes)
must kill -KILL "$resolver_pid"
wait "$resolver_pid" 2>/dev/null
for pid in $family; do
	check "all killed: process $pid is gone" until_true 10 lab_gone "$pid"
done
like "all killed: no name is answered" "$(ask www.lab.example)" "$REJECTED"
like "all killed: not over TCP either" "$(ask www.lab.example A tcp)" "$REJECTED"
denied "all killed"
unharmed "all killed"

must lab_resolver lab --workers 2
works "started again"
denied "started again"
unharmed "started again"

# --- Everything at once, also the ruleset's loader: it starts from the text ---
lab_resolver_kill
must lab_load lab
unharmed "killed, and the ruleset loaded again"
must lab_resolver lab
works "started once more"
unharmed "started once more"

lab_done

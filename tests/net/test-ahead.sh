#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A name that clients ask for all the time is asked of the upstream before its answer ends: no client
# waits, and the address stays open.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs dig

# Answers live for 20 seconds: the last two are the time to ask in.
lab_start
lab_policy lab <<-'END'
	min_lease = "20s"
	max_lease = "20s"
	grace = "5s"
	[[allow]]
	host = "long.lab.example"
	ports = ["tcp/443"]
END
lab_up lab

# The TTL that a client gets, or nothing.
ttl() {
	in_client dig @$NOSERVER4 -p 53 +tries=1 +timeout=5 +noall +answer long.lab.example A |
		awk '$4 == "A" { print $2; exit }'
}

# Asks until the TTL rises again; what it was before is left in `last`. 60 s at most.
wait_for_next() {
	local now i

	for ((i = 0; i < 300; i++)); do
		now=$(ttl)
		[ -n "$now" ] || return 1
		[ "$now" -le "$last" ] || return 0
		last=$now
		sleep 0.2
	done
	return 1
}

last=$(ttl)
like "the first answer" "$last" '^(19|20)$'
reaches "opens the address" tcp 198.18.1.22 443
# A machine that does nothing for seconds may miss the time: there is another.
for ((life = 0; life < 3; life++)); do
	last=20
	check "a client is answered all the time" wait_for_next
	[ "$last" -lt 1 ] || break
done
check "an answer was replaced before its end" test "$last" -ge 1
reaches "the address is still open" tcp 198.18.1.22 443

lab_done

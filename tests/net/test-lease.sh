#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A lease opens an address for as long as the answer lives and connections to it do, and then ends by
# itself. Lessons L1, L2, L3.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs dig

lab_policy short <<-'END'
	min_lease = "3s"
	max_lease = "3s"
	grace = "2s"
	[[allow]]
	host = ["ttl0.lab.example", "ttl1.lab.example", "long.lab.example"]
	ports = ["tcp/443"]
END
lab_policy lab <<-'END'
	min_lease = "60s"
	max_lease = "1h"
	grace = "30s"
	[[allow]]
	host = ["ttl0.lab.example", "ttl1.lab.example", "long.lab.example", "www.lab.example"]
	ports = ["tcp/443"]
END
lab_start
lab_up short

refused_now() {
	[[ $(probe tcp "$1" 443) =~ $REJECTED ]]
}

# --- Leases that live on with a connection, and end when it does ---
leased() {
	for name in ttl1:21 long:22; do
		"$@" ${name%:*} A 198.18.1.${name#*:}
		"$@" ${name%:*} AAAA 2001:db8:1::${name#*:}
	done
}
opens() {
	is "$1 $2" "$(ask "$1.lab.example" "$2")" "NOERROR $3"
	check "a connection to $3" hold "$1$2" "$3" 443
}
lives_on() {
	alive "the connection outlives its lease's time" "$1$2"
	reaches "$3 is still open beside it" tcp "$3" 443
}
# Later connections' processes have its descriptors too: it ends with the last of them.
release() {
	local in=hold_in_$1$2 out=hold_out_$1$2

	eval "exec ${!in}>&- ${!out}<&-"
}
ends() {
	check "the lease of $3 ends" until_true 60 refused_now "$3"
}
opens_again() {
	is "$1 $2 again" "$(ask "$1.lab.example" "$2")" "NOERROR $3"
	reaches "opens the address again" tcp "$3" 443
}
# One that nothing keeps open, to tell when the others' time is over.
must ask ttl0.lab.example
leased opens
check "a lease without a connection ends" until_true 60 refused_now 198.18.1.20
# The others are of the same length, and a little later.
sleep 5
leased lives_on
leased release
leased ends
leased opens_again
map_is_empty() {
	[[ $(set_of tcp-443-leases4) != *elements* ]]
}
check "the map is empty in the end" until_true 60 map_is_empty

# --- Every answer is good, the cached ones too: the time that a name is asked for again and again is
# longer than any lease ---
failures=0
for ((i = 0; i < 40; i++)); do
	for name in ttl0:20 ttl1:21 long:22; do
		[ "$(ask ${name%:*}.lab.example)" = "NOERROR 198.18.1.${name#*:}" ] || failures=$((failures + 1))
		[[ $(probe tcp 198.18.1.${name#*:} 443) = *hello ]] || failures=$((failures + 1))
	done
	sleep 0.2
done
is "an address is open after each of its answers" $failures 0
lab_resolver_stop

# --- The client's time ends before the lease ---
lab_up lab

# left MAP ADDRESS: milliseconds until the kernel ends the lease.
left() {
	set_of "$1" | awk -v address="$2" '
		function ms(text,  n, total) {
			while (match(text, /^[0-9]+(ms|d|h|m|s)/)) {
				n = substr(text, 1, RLENGTH) + 0
				unit = substr(text, 1, RLENGTH)
				sub(/^[0-9]+/, "", unit)
				total += n * scale[unit]
				text = substr(text, RLENGTH + 1)
			}
			return total
		}
		BEGIN {
			scale["ms"] = 1; scale["s"] = 1000; scale["m"] = 60000
			scale["h"] = 3600000; scale["d"] = 86400000
		}
		{
			gsub(/[{},=]/, " ")
			for (i = 1; i <= NF; i++) {
				if ($i == "expires" && seen)
					print ms($(i + 1))
				if ($i ~ /[.:].*[.:]/)
					seen = $i == address
			}
		}'
}

# ttl NAME TYPE: what the client is told, in seconds.
ttl() {
	in_client dig +tries=1 +noall +answer @$NOSERVER4 "$1" "$2" | awk '{ print $2; exit }'
}

# covers NAME TYPE MAP ADDRESS LEAST MOST: the TTL told lies in the bounds, and the lease beyond it.
covers() {
	local told lease

	told=$(ttl "$1" "$2")
	lease=$(left "$3" "$4")
	check "$1 $2: told ${told:-nothing}, from $5 to $6" test "${told:--1}" -ge "$5" -a \
		"${told:--1}" -le "$6"
	check "$1 $2: the lease, ${lease:-none} ms, lasts longer" \
		test "${lease:-0}" -gt $((${told:-0} * 1000))
}

for round in first again; do
	note "$round"
	covers ttl0.lab.example A tcp-443-leases4 198.18.1.20 0 60
	covers ttl0.lab.example AAAA tcp-443-leases6 2001:db8:1::20 0 60
	covers ttl1.lab.example A tcp-443-leases4 198.18.1.21 0 60
	covers www.lab.example A tcp-443-leases4 198.18.1.1 1 300
	covers www.lab.example AAAA tcp-443-leases6 2001:db8:1::1 1 300
	covers long.lab.example A tcp-443-leases4 198.18.1.22 1 3600
	covers long.lab.example AAAA tcp-443-leases6 2001:db8:1::22 1 3600
done
check "a lease has a bound of its own" test "$(left tcp-443-leases4 198.18.1.22)" -le 3630000
check "and a least length" test "$(left tcp-443-leases4 198.18.1.20)" -gt 60000

# --- What others close is opened again, within some seconds, also for who has the address already ---
open_now() {
	[[ $(probe tcp "$1" 443) = *hello ]]
}
for name in www:1 long:22; do
	must ask "${name%:*}.lab.example"
done
must in_client nft flush map inet egress-lab tcp-443-leases4
check "an emptied map is filled again" until_true 5 open_now 198.18.1.1
check "altogether" until_true 5 open_now 198.18.1.22
must in_client nft delete element inet egress-lab tcp-443-leases4 '{ 198.18.1.1 }'
check "an element that was deleted comes back" until_true 5 open_now 198.18.1.1

# While names are asked for all the time: no answer is wrong for long.
ask_and_connect() {
	local name

	while [ ! -e enough ]; do
		for name in www:1 ttl1:21 long:22; do
			[ "$(ask ${name%:*}.lab.example)" = "NOERROR 198.18.1.${name#*:}" ] || continue
			open_now 198.18.1.${name#*:} || echo "$name" >>closed
		done
	done
}
: >closed
ask_and_connect >/dev/null 2>&1 &
asker=$!
for ((i = 0; i < 5; i++)); do
	must in_client nft flush map inet egress-lab tcp-443-leases4
	sleep 2
	before=$(wc -l <closed)
	sleep 1
	is "emptied under load: two seconds later all answers are good ($i)" "$(wc -l <closed)" "$before"
done
: >enough
wait $asker
note "$(wc -l <closed) answers were given for an address that was closed by others"
check "the resolver never started over" test -z "$(grep starting "$resolver_log")"

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A burst of refusals: few lines, none of them twice, and every connection is counted: records of
# connections and of what is not recorded come to exactly as many as were refused, by rule.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs jq python3

lab_start

# burst ADDRESS PORT COUNT: as many connections, each of which is refused at once; how many were.
burst() {
	nsenter --net=/run/netns/client python3 - "$@" <<-'END'
		import errno, socket, sys
		refused = 0
		for i in range(int(sys.argv[3])):
		    family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
		    with socket.socket(family, socket.SOCK_STREAM) as s:
		        refused += s.connect_ex((sys.argv[1], int(sys.argv[2]))) == errno.ECONNREFUSED
		print(refused)
	END
}

# told RULE: what the records say of it.
told() {
	jq -s --arg rule "$1" 'map(select(.rule == $rule and .verdict == "refuse")) |
		[map(select(.kind == "connection") | 1),
		 map(select(.kind == "lost" and .what == "connections") | .count)] |
		flatten | add // 0' audit
}

# all_told RULE NUMBER
all_told() {
	[ "$(told "$1")" -eq "$2" ]
}

lab_policy lab <<-END
	[[allow]]
	host = "www.lab.example"
	ports = ["tcp/80"]
	[[deny]]
	ip = ["198.18.9.0/24", "2001:db8:9::/48"]
	[audit]
	path = "$PWD/audit"
END
lab_up lab

is "10,000 connections are refused" "$(burst 198.18.9.1 443 10000)" 10000
is "as the kernel counts them" "$(counter_of deny-1)" 10000
check "and each is told of" until_true 10 all_told deny-1 10000
lines=$(jq -c 'select(.kind == "connection" or .kind == "lost")' audit | wc -l)
note "$lines lines"
check "in at most 200 lines" [ "$lines" -le 200 ]

# Of several rules at once, by both families.
burst 198.18.1.9 443 3000 >burst.1 &
first=$!
burst 2001:db8:9::1 443 2000 >burst.2 &
second=$!
wait $first $second
is "two rules refuse at once" "$(cat burst.1 burst.2)" $'3000\n2000'
check "each of the first" until_true 10 all_told deny-1 12000
check "and of the second" until_true 10 all_told default-deny 3000

# The ruleset is loaded again, and the policy changed, while connections are refused.
burst 198.18.9.1 443 20000 >burst.3 &
first=$!
for _ in 1 2 3; do
	must lab_load lab
	sleep 0.3
done
must lab_reload lab
wait $first
is "a ruleset that is loaded again lets none through" "$(cat burst.3)" 20000
check "and forgets none" until_true 10 all_told deny-1 32000

# The process that writes is stopped and killed while connections are refused: what waits in its
# socket, and what comes before there is another, is told of by the next one.
watcher() {
	local child

	for child in $(pgrep -P "$resolver_pid"); do
		[ -z "$(find "/proc/$child/fd" -lname "$LAB/audit" 2>/dev/null)" ] || echo "$child"
	done
}
victim=$(watcher)
must kill -STOP "$victim"
is "connections are refused while nobody writes" "$(burst 198.18.9.1 443 1000)" 1000
must kill -KILL "$victim"
is "and while nobody reads" "$(burst 198.18.9.1 443 1000)" 1000
check "each is told of" until_true 10 all_told deny-1 34000
burst 198.18.9.1 443 5000 >burst.4

# At the end nothing is left untold.
must lab_resolver_stop
is "the last burst, right before the end" "$(cat burst.4)" 5000
is "is told of, too" "$(told deny-1)" 39000
is "and nothing else is missing" "$(jq -c 'select(.kind == "lost" and .rule == null)' audit)" ""

lab_done

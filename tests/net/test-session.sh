#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The session as a whole: one alert for each part of a budget that is passed, its record, and that
# it goes on whoever is killed.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs jq dig nft "$ctl"

lab_start
mkdir log
chmod 777 log

# The same without loading the ruleset anew.
session_again() {
	exec {events_fd}>>events
	must lab_resolver "$@" --events-fd $events_fd
	exec {events_fd}>&-
}

# some FILTER: whether a record is such a one.
some() {
	[ -n "$(jq -c "select($1)" events)" ]
}

# recorded DESCRIPTION FILTER: those that are still to come are waited for.
recorded() {
	if until_true 15 some "$2"; then
		ok "$1"
	else
		not_ok "$1"
		note "expected: $2"
		note "$(grep -E '"kind":"(alert|session)"' events | tail -n 12)"
	fi
}

# alerts RULE: how many there are.
alerts() {
	jq -c "select(.kind == \"alert\" and .rule == \"$1\")" events | wc -l
}

# last FIELD: of the last record of a session.
last() {
	jq -r "select(.kind == \"session\") | $1" events | tail -n 1
}

watcher() {
	local pid

	for pid in $(pgrep -P "$resolver_pid"); do
		# It alone has this file open.
		[ -z "$(find "/proc/$pid/fd" -lname "$LAB/events" 2>/dev/null)" ] || echo "$pid"
	done
}

# kept FILTER: of the file of the running session.
kept() {
	jq -r "$1" state/lab.session.json 2>/dev/null
}

kept_is() {
	[ "$(kept "$1")" = "$2" ]
}

# --- One alert for each part of a budget ---

lab_policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "api.lab.example"]
	ports = ["tcp/80"]
	category = "docs"
	[[allow]]
	host = ["*.fresh.lab.example"]
	ports = ["tcp/80"]
	[budget]
	destinations = 5
	unknown_share = 0.5
	wildcard_names = 6
	bytes = "40 KiB"
	connections = 5
END
lab_up_recorded lab --state state

recorded "a session begins" '.kind == "session" and .phase == "start" and .destinations == 0 and
	.alerts == 0 and .baseline.state == "cold" and .budget.destinations == {"used": 0, "of": 5}'
id=$(last .session)
ask www.lab.example >/dev/null
ask www.lab.example AAAA >/dev/null
ask api.lab.example >/dev/null
for i in 1 2 3; do
	ask t$i.fresh.lab.example >/dev/null
done
for i in 1 2 3 4; do
	probe tcp 198.18.1.1 80 >/dev/null
done
within() {
	kept_is '[.end.destinations, .end.connections] | join(" ")' "5 4"
}
until_true 10 within
is "five destinations are within the budget" "$(kept '[.end.destinations, .end.unknown,
	.end.connections, .end.categories.docs, .end.alerts] | join(" ")')" "5 3 4 2 0"
is "and no alert" "$(grep -c '"kind":"alert"' events)" 0

for i in 4 5 6 7 8 9 10; do
	ask t$i.fresh.lab.example >/dev/null
	probe tcp 198.18.1.$((100 + i)) 80 >/dev/null
done
recorded "more destinations" '.kind == "alert" and .rule == "budget-destinations" and
	.verdict == "flag" and .threshold == 5 and .value == 6 and
	.name == "t4.fresh.lab.example" and (.evidence[0] | startswith("last: "))'
recorded "more connections" '.kind == "alert" and .rule == "budget-connections" and
	.threshold == 5 and .value > 5'
recorded "too many without a category" '.kind == "alert" and
	.rule == "budget-unknown-share" and .value >= 0.5 and .threshold == 0.5'
recorded "more names under wildcards" '.kind == "alert" and
	.rule == "budget-wildcard-names" and .threshold == 6'
# 80 KB by a connection that stays open: it is seen before it ends.
hold upload 198.18.1.1 80
for ((i = 0; i < 80; i++)); do
	say upload "$(printf '%01000d' $i)" >/dev/null
done
carried() {
	[ "$(kept .end.bytes_out)" -gt 80000 ]
}
check "what a flow carries is seen while it goes on" until_true 30 carried
recorded "more bytes" '.kind == "alert" and .rule == "budget-bytes" and
	.value >= 40960 and .threshold == 40960'
for rule in destinations connections unknown-share wildcard-names bytes; do
	is "budget-$rule: one alert" "$(alerts budget-$rule)" 1
done

# --- A burst of refusals ---

for ((i = 1; i <= 60; i++)); do
	ask x$i.refused.example >/dev/null
done
recorded "a burst of refusals" '.kind == "alert" and .rule == "refusals" and .value >= 50 and
	.threshold == 50 and (.evidence | any(startswith("rule default-deny: ")))'
is "is one alert" "$(alerts refusals)" 1

# --- The watcher is killed ---

is_steady() {
	kept_is '[.end.refused, .end.alerts] | join(" ")' "60 6"
}
until_true 10 is_steady
figures='[.destinations, .unknown, .connections, .refused, .alerts, .since] | map(tostring) | join(" ")'
before=$(kept ".end | $figures")
summaries=$(grep -c '"phase":"summary"' events)
must kill -KILL "$(watcher)"
more_summaries() {
	[ "$(grep -c '"phase":"summary"' events)" -gt "$summaries" ]
}
check "another watcher says what the session is" until_true 20 more_summaries
is "the same session" "$(last .session)" "$id"
is "with the same figures" "$(last "$figures")" "$before"
ask t11.fresh.lab.example >/dev/null
until_true 10 kept_is .end.destinations 13
is "and it goes on" "$(kept .end.destinations)" 13
is "without telling again what was told" "$(alerts budget-destinations)" 1

# --- The whole resolver is killed ---

before=$(kept ".end | $figures")
saved=$(kept .session)
is "the file has the session" "$saved" "$id"
is "for nobody else to read" "$(stat -c %a state/lab.session.json)" 600
lab_resolver_kill
summaries=$(grep -c '"phase":"summary"' events)
session_again lab --state state
check "the next resolver says what the session is" until_true 20 more_summaries
is "the same session" "$(last .session)" "$id"
is "with the same figures" "$(last "$figures")" "$before"
ask t12.fresh.lab.example >/dev/null
until_true 10 kept_is .end.destinations 14
is "and it goes on" "$(kept .end.destinations)" 14
is "without telling again what was told" "$(alerts budget-destinations)" 1
second=$(nsenter --net=/run/netns/client timeout 10 "$resolver" lab.toml --user $LAB_USER \
	--control none --state state 2>&1 >/dev/null)
like "another resolver leaves it alone" "$second" "another resolver has it|in use"

# --- A new session: the system was started anew ---

lab_resolver_stop
is "the resolver ends with status 0" $? 0
is "its session does not" "$(kept .session)" "$id"
sed -i '1s/"boot":"[^"]*"/"boot":"01234567-89ab-cdef-0123-456789abcdef"/' state/lab.session.json
session_again lab --state state
recorded "the next one begins" ".kind == \"session\" and .phase == \"start\" and .session != \"$id\" and
	.destinations == 0"
is "what was is one of the earlier ones" "$(jq -r '[.session, .phase, .destinations, .alerts] |
	map(tostring) | join(" ")' state/lab.baseline.jsonl)" "$id end 14 6"
lab_resolver_stop

# --- Files that are none ---

# spoil DESCRIPTION LOG: starts the resolver with the file that is there.
spoil() {
	session_again lab --state state
	like "$1: said, and passed over" "$(cat "$resolver_log")" "$2"
	like "$1: names are answered" "$(ask www.lab.example)" "^NOERROR"
	lab_resolver_stop
}
cp state/lab.session.json good
head -c 100 good >state/lab.session.json
spoil "a torn file" "lab.session.json is no session of this program"
sed '4s/.*/[[[[[[/' good >state/lab.session.json
spoil "a text that is none" "what the session was is not known any more"
truncate -s 3M state/lab.session.json
spoil "a huge file" "lab.session.json is not read: File too large"
rm state/lab.session.json
ln -s /etc/passwd state/lab.session.json
spoil "a link" "lab.session.json is not read: "
rm -f state/lab.session.json
{ cat state/lab.baseline.jsonl; printf 'nonsense\n{"kind":"session"}\n{"a":'; } >lines
cp lines state/lab.baseline.jsonl
spoil "lines that are none" "earlier sessions: [0-9]+ lines are no records"
truncate -s 3M state/lab.baseline.jsonl
spoil "a huge file of earlier sessions" "lab.baseline.jsonl is not read"
rm -f state/lab.baseline.jsonl

# --- Sessions of their own, as those of egress-run: they end with the resolver ---

for name in first second; do
	rm -f state/lab.session.json
	lab_up_recorded lab --state state --session $name
	ask www.lab.example >/dev/null
	ask api.lab.example >/dev/null
	until_true 10 some '.kind == "lease" and .session == "'$name'" and
		.name == "api.lab.example"'
	lab_resolver_stop
	recorded "session $name ends" '.kind == "session" and .session == "'$name'" and
		.phase == "end" and .destinations == 2'
done
is "and is kept for later ones" "$(jq -r '[.session, .phase, .destinations] | map(tostring) |
	join(" ")' state/lab.baseline.jsonl)" "$(printf '%s end 2\n' first second)"
check "no running session is" test ! -e state/lab.session.json

# --- A ceiling that refuses ---

lab_policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "*.fresh.lab.example"]
	ports = ["tcp/80"]
	[budget]
	destinations = 3
	on_exceed = "refuse"
END
in_client nft delete table inet egress-lab
: >events
lab_up_recorded lab --state state
for i in 1 2 3; do
	like "name $i is within the budget" "$(ask t$i.fresh.lab.example)" "^NOERROR"
done
like "name 4 is not" "$(ask t4.fresh.lab.example)" "^NXDOMAIN"
recorded "an alert says that it is refused" '.kind == "alert" and
	.rule == "budget-destinations" and .verdict == "refuse" and .threshold == 3 and
	.name == "t4.fresh.lab.example"'
until_true 10 kept_is .end.destinations 3
lab_resolver_kill
session_again lab --state state
reaches "what was within it is reached" tcp 198.18.1.101 80
for i in 4 5; do
	like "name $i is still refused" "$(ask t$i.fresh.lab.example)" "^NXDOMAIN"
done
for i in 1 2 3; do
	like "name $i is still permitted" "$(ask t$i.fresh.lab.example)" "^NOERROR"
done
is "one alert" "$(alerts budget-destinations)" 1
lab_resolver_stop

# --- Others raise a ceiling, and begin a session ---

in_client nft delete table inet egress-lab
rm -f state/lab.session.json
mkdir -m 700 control
: >events
lab_up_recorded lab --state state --control control/lab.sock
ask t1.fresh.lab.example >/dev/null
until_true 10 kept_is .end.destinations 1
id=$(last .session)
check "a ceiling is raised" in_client "$ctl" --socket control/lab.sock session extend destinations 2
recorded "which is recorded" '.kind == "session" and .phase == "extend" and
	.budget.destinations == {"used": 1, "of": 5}'
check "the next session begins" in_client "$ctl" --socket control/lab.sock session new
recorded "the one before ends" ".kind == \"session\" and .phase == \"end\" and
	.session == \"$id\" and .destinations == 1"
recorded "the next one begins, without what was raised" ".kind == \"session\" and
	.phase == \"new\" and .session != \"$id\" and .destinations == 0 and
	.budget.destinations.of == 3"
is "what was is one of the earlier ones" "$(tail -n 1 state/lab.baseline.jsonl | jq -r .session)" \
	"$id"
lab_resolver_stop

# --- A denylist: addresses need no lease, and have the names that led to them ---

lab_head >deny.toml
cat >>deny.toml <<-'END'
	[[deny]]
	host = "other.lab.example"
END
sed -i 's/^version = 1$/version = 1\nmode = "denylist"/; s/^block = .*/block = ["private"]/' deny.toml
in_client nft delete table inet egress-lab
rm -f state/lab.session.json
lab_up_recorded deny --state state
ask www.lab.example >/dev/null
reaches "what nothing refuses is reached" tcp 198.18.1.1 80
reaches "without a name, too" tcp 198.18.1.3 80
open() {
	kept_is '[.end.destinations, .end.connections] | join(" ")' "2 2"
}
until_true 10 open
is "two destinations: a name, and an address" \
	"$(kept '[.end.destinations, .end.connections] | join(" ")')" "2 2"
like "of which one has its name" "$(kept '[.saved.kept[] | .[2]] | join(" ")')" "www.lab.example"
lab_resolver_stop
is "each line is JSON" "$(jq -c . events | wc -l)" "$(wc -l <events)"
lab_done

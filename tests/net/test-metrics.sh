#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# [metrics] listen: what a resolver tells, held against the text format's own rules and against what
# has happened; who may ask, and that nobody who does stands in anybody's way.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs curl jq python3

lab_start

# Reads the text format 0.0.4 strictly: each family once, with help and type, its samples behind it,
# none twice; prints each as NAME{LABELS} VALUE.
cat >strict.py <<-'END'
	import re, sys
	sample = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? ([0-9]+(\.[0-9]+)?|\+Inf|NaN)')
	label = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
	types, helps, seen, closed, family = {}, {}, set(), set(), None
	text = sys.stdin.buffer.read().decode("utf-8")
	assert text.endswith("\n"), "the last line ends"
	for line in text[:-1].split("\n"):
	    if line.startswith("# HELP "):
	        name, what = line[7:].split(" ", 1)
	        assert name not in helps and what, line
	        helps[name] = what
	        if family: closed.add(family)
	        family = name
	        continue
	    if line.startswith("# TYPE "):
	        name, kind = line[7:].split(" ")
	        assert name == family and name not in types, line
	        assert kind in ("counter", "gauge", "histogram"), line
	        assert (kind == "counter") == name.endswith("_total"), line
	        types[name] = kind
	        continue
	    match = sample.fullmatch(line)
	    assert match, line
	    name, rest = match[1], match[3] or ""
	    labels = {}
	    while rest:
	        one = label.match(rest)
	        assert one and one[1] not in labels, line
	        labels[one[1]] = one[2]
	        rest = rest[one.end():]
	    base = re.sub("_(bucket|sum|count)$", "", name) if types[family] == "histogram" else name
	    assert base == family and family not in closed and name.startswith("egress_"), line
	    assert ("le" in labels) == name.endswith("_bucket"), line
	    key = (name, tuple(sorted(labels.items())))
	    assert key not in seen, line
	    seen.add(key)
	    print(line)
END

# scrape: what is told at 127.0.0.1:9533, or at the unix socket; its samples in `samples`.
scrape() {
	if [ "${at:-}" = unix ]; then
		curl -sS --max-time 5 --unix-socket metrics http://egress/metrics >text
	else
		in_client curl -sS --max-time 5 http://127.0.0.1:9533/metrics >text
	fi && python3 strict.py <text >samples
}

# value SAMPLE: its number.
value() {
	scrape && awk -v name="$1" '{ number = $NF; sub(/ [^ ]*$/, "") } $0 == name { print number }' samples
}

# reads SAMPLE NUMBER: it becomes that within a few seconds.
reads() {
	until_true 10 value_is "$1" "$2"
	is "$1" "$(value "$1")" "$2"
}
value_is() {
	[ "$(value "$1")" = "$2" ]
}

# burst ADDRESS COUNT: as many connections that are refused.
burst() {
	nsenter --net=/run/netns/client python3 - "$@" <<-'END'
		import socket, sys
		for i in range(int(sys.argv[2])):
		    with socket.socket() as s:
		        s.connect_ex((sys.argv[1], 443))
	END
}

policy() {
	lab_policy lab <<-END
		[[allow]]
		host = ["www.lab.example", "api.lab.example"]
		ports = ["tcp/80"]
		[[allow]]
		ip = "198.18.7.0/24"
		ports = ["tcp/80"]
		score = 0.7
		[[deny]]
		ip = "198.18.9.0/24"
		[budget]
		destinations = 10
		$2
		[metrics]
		listen = "$1"
	END
}
policy 127.0.0.1:9533 ""
lab_up lab

# --- Numbers ---

check "a strict reader takes all of it" scrape
like "which policy" "$(grep policy_info samples)" \
	'^egress_policy_info\{policy="lab",session="[^"]+",version="[^"]+"\} 1$'
for name in www api; do
	ask $name.lab.example >/dev/null
	ask $name.lab.example >/dev/null
done
ask other.lab.example >/dev/null
reads 'egress_queries_received_total' 5
reads 'egress_queries_total{result="fresh"}' 2
reads 'egress_queries_total{result="cached"}' 2
reads 'egress_queries_total{result="refused"}' 1
reads 'egress_leases' 2
reads 'egress_leases_total' 2
reads "egress_upstream_up{server=\"$UPSTREAM4:53\"}" 1
like "the upstream servers' answers" "$(grep latency_seconds_count samples | awk '{ sum += $NF } END { print sum }')" '^2$'
probe tcp 198.18.1.1 80 >/dev/null
probe tcp 198.18.1.2 80 >/dev/null
probe tcp 198.18.7.1 80 >/dev/null
burst 198.18.9.1 1000
burst 198.18.1.3 10
reads 'egress_connections_total{verdict="refuse"}' 1010
reads 'egress_connections_total{verdict="permit"}' 2
reads 'egress_connections_total{verdict="flag"}' 1
reads 'egress_refusals_total{rule="deny-1"}' 1000
reads 'egress_refusals_total{rule="default-deny"}' 10
reads 'egress_budget_limit{budget="destinations"}' 10
reads 'egress_budget_used{budget="destinations"}' 3
reads 'egress_reloads_total{result="done"}' 0

# What the kernel tells of a connection that is over.
must in_client sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=1 \
	net.netfilter.nf_conntrack_tcp_timeout_close=1
in_client conntrack -F >/dev/null 2>&1
carried() {
	in_client cat /proc/net/nf_conntrack >/dev/null 2>&1
	[ "$(value egress_flows_total)" -ge 3 ] && [ "$(value 'egress_flow_bytes_total{direction="out"}')" -gt 0 ]
}
if command -v conntrack >/dev/null; then
	check "and what those that are over have carried" until_true 10 carried
fi

# Names, addresses and users of strangers are no labels, whatever is asked for.
for ((i = 0; i < 50; i++)); do
	ask "x$i.stranger.example" >/dev/null
done
scrape
is "no name of a stranger is told" "$(grep -c stranger text)" 0
is "and no address" "$(grep -cE '198\.18\.(1|7|9)\.' text)" 0

# --- Who asks ---

# status ARGUMENT...: of HTTP.
status() {
	in_client curl -s --max-time 5 -o /dev/null -w '%{http_code}' "$@"
}
is "nothing else is served" "$(status http://127.0.0.1:9533/)" 404
is "GET alone" "$(status -X POST -d x http://127.0.0.1:9533/metrics)" 405
is "no reading of what is no HTTP" "$(in_client curl -s --max-time 5 telnet://127.0.0.1:9533 <<<x)" ""
is "nobody listens elsewhere" "$(in_world curl -s --max-time 2 -o /dev/null -w '%{http_code}' \
	http://192.168.77.2:9533/metrics)" 000

# Who never sends anything, or reads nothing, holds up neither records nor those that come later.
nsenter --net=/run/netns/client python3 - >slow.out <<-'END' &
	import socket, time
	held = []
	for i in range(100):
	    s = socket.socket()
	    s.setblocking(False)
	    s.connect_ex(("127.0.0.1", 9533))
	    try:
	        s.send(b"GET /metrics HTTP/1.1\r\n" if i % 2 else b"GET /metrics HTTP/1.1\r\n\r\n")
	    except OSError:
	        pass
	    held.append(s)
	print("held", flush=True)
	time.sleep(60)
END
slow=$!
must until_true 10 grep -q held slow.out
probe tcp 198.18.9.7 443 >/dev/null
like "names are answered meanwhile" "$(ask www.lab.example)" '^NOERROR'
kill $slow
wait $slow 2>/dev/null
check "others are served when they are gone" until_true 15 scrape
reads 'egress_refusals_total{rule="deny-1"}' 1001

# --- Reload, and processes that are killed ---

started=$(value egress_start_time_seconds)
policy "127.0.0.1:9533" 'on_exceed = "refuse"'
must lab_reload lab
reads 'egress_reloads_total{result="done"}' 1
is "the same resolver" "$(value egress_start_time_seconds)" "$started"
reads 'egress_refusals_total{rule="deny-1"}' 1001
echo 'version = 2' >lab.toml
kill -HUP "$resolver_pid"
reads 'egress_reloads_total{result="failed"}' 1
victim=$(pgrep -P "$resolver_pid" | while read -r pid; do
	in_client ss -Hltnp 'sport = :9533' | grep -q "pid=$pid," &&
		! grep -q 'CapEff:.*[1-9a-f]' "/proc/$pid/status" && echo "$pid"
done)
must kill -KILL "$victim"
reads 'egress_process_starts_total{process="watcher"}' 3
reads 'egress_refusals_total{rule="deny-1"}' 1001
reads 'egress_queries_total{result="refused"}' 51

# --- A unix socket ---

policy "unix:$LAB/metrics" ""
must lab_reload lab
at=unix
reads 'egress_reloads_total{result="done"}' 2
is "nobody listens where it was" "$(status http://127.0.0.1:9533/metrics)" 000
is "it is its owner's and its group's" "$(stat -c %a metrics)" 660
must kill -KILL "$resolver_pid"
wait "$resolver_pid" 2>/dev/null
resolver_pid=
check "what a resolver that was killed left" test -S metrics
lab_up lab
check "is no hindrance to the next" until_true 10 scrape
lab_resolver_stop
is "the resolver ends with status 0" $? 0
resolver_pid=
check "and it takes its socket along" test ! -e metrics
at=

# Another program has the port: the resolver says so.
policy 127.0.0.1:9533 ""
nsenter --net=/run/netns/client python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 9533))
print("ready", flush=True)
time.sleep(60)' >taken.out &
taken=$!
must until_true 10 grep -q ready taken.out
nsenter --net=/run/netns/client "$resolver" lab.toml --user $LAB_USER >/dev/null 2>taken.log
is "a port that is taken is an error" $? 3
like "which says where" "$(cat taken.log)" 'cannot listen on 127.0.0.1:9533: Address already in use'
kill $taken

lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Records of what happens: queries, leases, connections and flows, as lines of JSON.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs jq curl dig conntrack

lab_start

# has FILTER: whether some record is such a one; those wait at most a few seconds.
has() {
	until_true 10 some_record events "$1"
}

some_record() {
	[ -n "$(jq -c "select($2)" "$1")" ]
}

# recorded DESCRIPTION FILTER
recorded() {
	if has "$2"; then
		ok "$1"
	else
		not_ok "$1"
		note "expected: $2"
		note "$(tail -n 20 events)"
	fi
}

lab_policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "*.wild.lab.example"]
	ports = ["tcp/80"]
	category = "docs"
	reason = "what is read"
	[[deny]]
	host = "other.lab.example"
END
lab_up_recorded lab

recorded "the policy is in force" '.kind == "policy" and .policy == "lab"'
ask www.lab.example >/dev/null
recorded "a permitted query" '.kind == "query" and .verdict == "permit" and .rule == "allow-1" and
	.name == "www.lab.example" and .type == "A" and .rcode == "NOERROR" and (has("ede") | not)'
ask www.lab.example >/dev/null
twice() {
	[ "$(jq -c 'select(.kind == "query" and .name == "www.lab.example" and .rule == "allow-1" and
		.verdict == "permit" and .type == "A")' events | wc -l)" -eq 2 ]
}
check "the same from the cache" until_true 10 twice
ask other.lab.example AAAA >/dev/null
recorded "a denied query" '.kind == "query" and .verdict == "refuse" and .rule == "deny-1" and
	.name == "other.lab.example" and .type == "AAAA" and .rcode == "NXDOMAIN" and .ede == 15'
ask nobody.example >/dev/null
recorded "one that nothing permits" '.kind == "query" and .verdict == "refuse" and
	.rule == "default-deny" and .name == "nobody.example"'
recorded "a lease" '.kind == "lease" and .address == "198.18.1.1" and .ports == "tcp-80" and
	.rule == "allow-1" and .name == "www.lab.example" and .ttl > 0 and .lease > .ttl'

# --- What strangers ask for ---

# Newlines, escape sequences, quotes, bytes that are no UTF-8, and the longest name there is.
label=$(printf '\\255%.0s' {1..63})
for name in '\010{\"kind\":\"flow\"}\010.injected.example' '\027[2J\007\\.injected.example' \
	'\255\128\195.injected.example' "$label.$label.$label.${label:0:240}"; do
	in_client dig +tries=1 +time=5 "@$NOSERVER4" "$name" A >dig.out
done
recorded "a name with newlines" '.kind == "query" and
	.name == "\\010{\\\"kind\\\":\\\"flow\\\"}\\010.injected.example"'
recorded "a name with escapes" '.name == "\\027[2j\\007\\\\.injected.example"'
recorded "a name of bytes" '.name == "\\255\\128\\195.injected.example"'
recorded "the longest name" '.name and (.name | length) > 950 and .rule == "default-deny"'
is "no control character has come through" "$(LC_ALL=C grep -c '[[:cntrl:]]' events)" 0

# --- Connections ---

probe tcp 198.18.1.3 443 >/dev/null
recorded "a refused connection, by a bare address" '.kind == "connection" and
	.verdict == "refuse" and .rule == "default-deny" and .address == "198.18.1.3" and
	.port == 443 and .protocol == "tcp" and .source == "192.168.77.2" and .source_port > 0 and
	.user == 0 and .group == 0 and (has("name") | not)'
ask www.lab.example AAAA >/dev/null
probe tcp 2001:db8:1::1 443 >/dev/null
recorded "one that a name led to" '.kind == "connection" and .verdict == "refuse" and
	.address == "2001:db8:1::1" and .port == 443 and .name == "www.lab.example"'
probe udp 198.18.1.1 123 >/dev/null
recorded "UDP, the other family" '.kind == "connection" and .protocol == "udp" and
	.address == "198.18.1.1" and .port == 123 and .name == "www.lab.example"'

# --- Flows ---

# What is over is told when the kernel has forgotten it.
must in_client sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=1 \
	net.netfilter.nf_conntrack_tcp_timeout_close=1
forget() {
	in_client conntrack -L >/dev/null 2>&1
	has "$1"
}
before=$(wc -l <events)
received=$(in_client curl -s --resolve www.lab.example:80:198.18.1.1 -o body \
	-w '%{size_header} %{size_download} %{size_request}' http://www.lab.example/)
note "curl: $received"
until_true 10 forget '.kind == "flow"'
recorded "a flow" '.kind == "flow" and .verdict == "permit" and .rule == "allow-1" and
	.address == "198.18.1.1" and .port == 80 and .protocol == "tcp" and
	.name == "www.lab.example" and .category == "docs" and .reason == "what is read" and
	(has("live") | not)'
# What curl counts is without the headers of IP and TCP: 40 bytes a packet, and options.
read -r header body request <<<"$received"
is "its bytes are what curl sent and received" "$(tail -n +$((before + 1)) events | jq -c "select(.kind == \"flow\") |
	[.bytes_out - $request - 40 * .packets_out, .bytes_in - $header - $body - 40 * .packets_in] |
	[.[] | . >= 0 and . <= 40 * 12]")" "[true,true]"

# --- The end of a session ---

hold live 198.18.1.1 80
say live hello >/dev/null
lab_resolver_stop
is "the resolver ends with status 0" $? 0
resolver_pid=
recorded "a flow that is live" '.kind == "flow" and .live == true and .rule == "allow-1" and
	.name == "www.lab.example" and .bytes_out > 0 and .bytes_in > 0'
is "each line is JSON" "$(jq -c . events | wc -l)" "$(wc -l <events)"

# --- A file ---

mkdir log
chmod 777 log
lab_policy lab <<-END
	[[allow]]
	host = "www.lab.example"
	ports = ["tcp/80"]
	[audit]
	path = "$LAB/log/lab.jsonl"
END
lab_up lab
in_file() {
	until_true 15 some_record "$1" "$2"
}
ask www.lab.example >/dev/null
ask other.lab.example >/dev/null
probe tcp 198.18.1.3 443 >/dev/null
check "a refused query" in_file log/lab.jsonl '.kind == "query" and .verdict == "refuse"'
check "a refused connection" in_file log/lab.jsonl '.kind == "connection" and .address == "198.18.1.3"'
is "nothing that is permitted" "$(jq -c 'select(.verdict == "permit")' log/lab.jsonl)" ""

watcher() {
	local pid

	for pid in $(pgrep -P "$resolver_pid"); do
		# It alone has a file of these open.
		[ -z "$(find "/proc/$pid/fd" -lname "$LAB/log/*" 2>/dev/null)" ] || echo "$pid"
	done
}

is_watched() {
	[ -n "$(watcher)" ]
}

mv log/lab.jsonl log/lab.jsonl.1
check "a file that was renamed has a successor" until_true 15 test -e log/lab.jsonl
ask other.lab.example AAAA >/dev/null
check "where records go on" in_file log/lab.jsonl '.kind == "query" and .type == "AAAA"'

# --- A reload ---

# policies ALLOWED [ENTRY]: rule 2, if there is one.
reload() {
	lab_policy lab <<-END
		[[allow]]
		host = "www.lab.example"
		ports = ["tcp/80"]
		$2
		[audit]
		path = "$LAB/log/lab.jsonl"
		allowed = $1
	END
	reloads=$(grep -c reloaded "$resolver_log")
	lab_reload lab && until_true 15 has_reloaded
}
has_reloaded() {
	[ "$(grep -c reloaded "$resolver_log")" -gt "$reloads" ]
}
second='[[allow]]
ip = "198.18.1.200"
ports = ["tcp/443"]'
must reload true "$second"
ask www.lab.example >/dev/null
check "what is permitted is recorded from then on" in_file log/lab.jsonl '.kind == "query" and
	.verdict == "permit"'
hold gone 198.18.1.200 443
alive "a connection" gone
check "its first packet is recorded, with its rule" in_file log/lab.jsonl '.kind == "connection" and
	.verdict == "permit" and .rule == "allow-2" and .address == "198.18.1.200"'
must reload true ""
cut_off "it ends with its rule" gone
in_client conntrack -D -d 198.18.1.200 >/dev/null 2>&1
check "what it has carried is told as that rule's" in_file log/lab.jsonl '.kind == "flow" and
	.rule == "allow-2" and .address == "198.18.1.200" and .bytes_out > 0'

# --- The watcher is killed ---

hold steady 198.18.1.1 80
victim=$(watcher)
# status NAME: of the watcher.
status() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$victim/status"
}
is "it has no capability, another user, and a filter of system calls" \
	"$(status CapPrm) $(status CapEff) $(status Uid | cut -f 1) $(status Seccomp) $(status NoNewPrivs)" \
	"0000000000000000 0000000000000000 $LAB_UID 2 1"
crew=$(pgrep -P "$resolver_pid" | grep -vx "$victim")
must kill -KILL "$victim"
like "names are answered" "$(ask www.lab.example)" "^NOERROR"
rejected "what is refused stays refused" tcp 198.18.1.3 443
alive "a connection goes on" steady
until_true 15 is_watched
check "another one begins" is_watched
is "and nobody else" "$(pgrep -P "$resolver_pid" | grep -vx "$(watcher)")" "$crew"
ask late.example >/dev/null
check "which records" in_file log/lab.jsonl '.kind == "query" and .name == "late.example"'
check "what came meanwhile, too" in_file log/lab.jsonl '.kind == "connection" and
	.address == "198.18.1.3"'
lab_resolver_stop
is "the resolver ends with status 0" $? 0
resolver_pid=
is "each line is JSON" "$(jq -c . log/lab.jsonl | wc -l)" "$(wc -l <log/lab.jsonl)"

# --- Another program has the group ---

exec {events_fd}>>events2
nsenter --net=/run/netns/client "$resolver" lab.toml --user $LAB_USER --control none \
	--events-fd $events_fd 2>first.log &
first=$!
exec {events_fd}>&-
until_true 20 grep -q serving first.log
sed -i 's/127.0.0.1:5300/127.0.0.1:5301/' lab.toml
sed "s|^\[dns\]|[dns]\nlisten = [\"127.0.0.1:5301\"]|; s|lab.jsonl|second.jsonl|" lab.toml >second.toml
lab_resolver second --control none
like "who can't have the group says so" "$(cat "$resolver_log")" "another program has NFLOG group 5"
lab_resolver_stop
kill -TERM $first
wait $first
lab_done

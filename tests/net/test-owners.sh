#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Records of connections say which control group they came from, as far as that can be known.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs jq python3

lab_start
tree=/sys/fs/cgroup
mkdir -p log
chmod 777 log
# Seen by nobody but the lab: groups of a name that nobody else has.
must mount -t cgroup2 none $tree
own=egress-lab-$$
groups="$own.slice/reader.service $own.slice/writer.service"
must mkdir -p "$tree/$own.slice/reader.service" "$tree/$own.slice/writer.service" \
	"$tree/$own.slice/a b"
remove_groups() {
	local group

	for group in "$own.slice/late.service" "$own.slice/a b" $groups "$own.slice"; do
		[ ! -d "$tree/$group" ] || rmdir "$tree/$group"
	done
}

lab_policy lab <<-END
	[[allow]]
	ip = "198.18.1.1"
	ports = ["tcp/80", "udp/123"]
	[[allow]]
	ip = "2001:db8:1::1"
	ports = ["tcp/80", "udp/123"]
	[audit]
	path = "$LAB/log/lab.jsonl"
	allowed = true
END
lab_up lab

# from GROUP KIND ADDRESS PORT [SECONDS]: a connection, or a datagram, by a process of the group,
# whose socket stays open for a while.
from() {
	# shellcheck disable=SC2016 # the shell in there expands it
	in_client sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$tree/$1" \
		python3 -c '
import socket, sys, time
kind, address, port, seconds = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if kind == "mapped":
    family, address = socket.AF_INET6, "::ffff:" + address
types = {"tcp": socket.SOCK_STREAM, "mapped": socket.SOCK_STREAM}
socket_ = socket.socket(family, types.get(kind, socket.SOCK_DGRAM))
try:
    if kind == "sendto":
        socket_.sendto(b"x", (address, int(port)))
    else:
        socket_.connect((address, int(port)))
        if kind == "udp":
            socket_.send(b"x")
except OSError as error:
    print(error)
time.sleep(float(seconds))
' "$2" "$3" "$4" "${5:-3}" >>from.out 2>&1
}

some_record() {
	[ -n "$(jq -c "select($1)" log/lab.jsonl)" ]
}

# recorded DESCRIPTION FILTER
recorded() {
	if until_true 15 some_record "$2"; then
		ok "$1"
	else
		not_ok "$1"
		note "expected: $2"
		note "$(jq -c 'select(.kind == "connection")' log/lab.jsonl | tail -n 8)"
		note "$(tail -n 3 from.out)"
	fi
}

# in_group NAME: the path and the number of the group.
in_group() {
	echo ".kind == \"connection\" and .cgroup == \"/$own.slice/$1\" and
		.cgroup_id == $(stat -c %i "$tree/$own.slice/$1")"
}

reader="$own.slice/reader.service"
writer="$own.slice/writer.service"
from "$reader" tcp 198.18.1.1 80 &
from "$writer" tcp 2001:db8:1::1 80 &
from "$reader" mapped 198.18.1.1 80 &
recorded "a permitted connection" "$(in_group reader.service) and .verdict == \"permit\" and
	.protocol == \"tcp\" and .address == \"198.18.1.1\" and .port == 80 and .user == 0"
recorded "one of another group, by IPv6" "$(in_group writer.service) and
	.verdict == \"permit\" and .address == \"2001:db8:1::1\""
both_families() {
	[ "$(jq -c "select($(in_group reader.service) and .address == \"198.18.1.1\" and
		.protocol == \"tcp\")" log/lab.jsonl | wc -l)" -eq 2 ]
}
check "one of IPv4 by a socket of IPv6" until_true 15 both_families
from "$writer" udp 198.18.1.3 53535 &
recorded "a refused datagram" "$(in_group writer.service) and .verdict == \"refuse\" and
	.protocol == \"udp\" and .port == 53535 and .rule == \"default-deny\""
from "$reader" sendto 2001:db8:1::3 53536 &
recorded "one of a socket that is not connected" "$(in_group reader.service) and
	.verdict == \"refuse\" and .protocol == \"udp\" and .port == 53536"
from "$reader" tcp 198.18.1.3 443 1
recorded "a refused connection of TCP has a user and no group" '.kind == "connection" and
	.verdict == "refuse" and .protocol == "tcp" and .port == 443 and .user == 0 and
	(has("cgroup") | not) and (has("cgroup_id") | not)'
must mkdir "$tree/$own.slice/late.service"
from "$own.slice/late.service" tcp 198.18.1.1 80 &
recorded "a group that was made meanwhile" "$(in_group late.service)"
from "$own.slice/a b" tcp 198.18.1.1 80 &
recorded "of one whose name has blanks the number" ".cgroup_id == $(stat -c %i "$tree/$own.slice/a b") and
	(has(\"cgroup\") | not)"
is "each line is JSON" "$(jq -c . log/lab.jsonl | wc -l)" "$(wc -l <log/lab.jsonl)"
cp log/lab.jsonl copy.jsonl
told() {
	"$lab_build/src/egress-audit" follow --since 1h --cgroup "/$own.slice/w*" - <copy.jsonl
}
like "egress-audit tells of one group" "$(told)" \
	"198.18.1.3 udp/53535 by user 0 in /$own.slice/writer.service"
is "and of no other" "$(told | grep -vc "in /$own.slice/writer.service")" 0
have_ended() {
	[ -z "$(cat "$tree/$own.slice"/*/cgroup.procs)" ]
}
until_true 15 have_ended
lab_resolver_stop
is "the resolver ends with status 0" $? 0
resolver_pid=
remove_groups
check "nothing is left of the groups" test ! -e "$tree/$own.slice"
lab_done

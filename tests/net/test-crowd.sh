#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A thousand slow TCP connections from one address, which come again and again, take no place from
# clients at other addresses, and little from the one that has them.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs dig

lab_start
lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
	ports = ["tcp/443"]
END
lab_up lab

# A thousand connections, each with the first byte of a query; the oldest is replaced by a new one,
# on and on. A file says that all are there.
# shellcheck disable=SC2016 # it is the inner shell's
crowd='
ulimit -n 2048
for ((i = 0; ; i = (i + 1) % 1000)); do
	fd=${fds[i]:-}
	[ -z "$fd" ] || exec {fd}>&-
	exec {fd}<>"/dev/tcp/$1/53" || exit
	fds[i]=$fd
	printf "\0" >&"$fd"
	[ $i -lt 999 ] || : >crowd.ready
done'
nsenter --net=/run/netns/client bash -c "$crowd" crowd $NOSERVER4 2>crowd.err &
crowd_pid=$!
check "a thousand connections from 192.168.77.2" until_true 60 test -e crowd.ready

# query ADDRESS PORT OPTION...: dig's answer.
query() {
	in_client dig "@$1" -p "$2" +tries=1 +timeout=2 +short www.lab.example "${@:3}"
}

for ((i = 0; i < 20; i++)); do
	[ "$(query 127.0.0.1 5300 +tcp)" = 198.18.1.1 ] || break
done
is "answers by TCP to another address" $i 20
for ((i = 0; i < 20; i++)); do
	[ "$(query $NOSERVER4 53 +notcp)" = 198.18.1.1 ] || break
done
is "answers by UDP to the same address" $i 20
# What has just come in may be pushed out before it asked: there is a next time.
served() {
	[ "$(query "$NOSERVER4" 53 +tcp)" = 198.18.1.1 ]
}
check "an answer by TCP to the same address" until_true 20 served
check "the crowd is still there" kill -0 "$crowd_pid"
kill "$crowd_pid"
# What is left of its connections ends, and all is as before.
check "an answer by TCP when it has gone" until_true 20 served

lab_done

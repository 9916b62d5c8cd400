#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Descriptors and memory run out; a thousand clients hold connections and say nothing, or a byte a
# second. What can't be done is an error to the client; nothing opens; and all is well as soon as
# there is enough again. FAULT_CLIENTS sets how many there are.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs
lab_needs prlimit

clients=${FAULT_CLIENTS:-1000}
faults_policy '[[allow]]
host = "big.lab.example"'
faults_start
lab_up lab --workers 2
recovers "at first" 10
must hold long "$opened" 443

tcp_answers() {
	[[ $(probe --wait 2 dns "$NOSERVER4" www.lab.example A tcp) = "NOERROR 198.18.1.1" ]]
}

# --- A thousand slow clients ---
# shellcheck disable=SC2016
nsenter --net=/run/netns/client bash -c '
	ulimit -n $(($1 + 100))
	trap "" PIPE
	for ((i = 0; i < $1; i++)); do
		exec {fd}<>"/dev/tcp/$0/53" || break
		fds+=($fd)
	done 2>/dev/null
	echo "${#fds[@]}" >connected
	# The first half says nothing; the others begin a message and go on with it, byte by byte.
	for round in 1 2 3 4 5 6 7 8 9 10; do
		for ((i = $1 / 2; i < ${#fds[@]}; i++)); do
			printf "\1" >&${fds[i]}
		done 2>/dev/null
		sleep 1
	done
	exec sleep 1000' $NOSERVER4 "$clients" &
slow=$!
check "slow clients connect" until_true 60 test -s connected
note "$(cat connected) of $clients connected"
load_start --rate 100
sleep 3
load_end
like "slow clients: others are answered over UDP" "$(cat load.out)" ' failed 0 lost 0 '
recovers "slow clients, over UDP" 5
closed "slow clients"
start=$(milliseconds)
check "slow clients: others are answered over TCP" until_true 60 tcp_answers
note "after $(($(milliseconds) - start)) ms"
kill $slow
wait $slow 2>/dev/null

# --- Descriptors ---
children=$(pgrep -P "$resolver_pid")
# limit PID RESOURCE VALUE: as its own user, who needs no privilege for that.
limit() {
	setpriv --reuid "$LAB_UID" --regid "$(id -g "$LAB_USER")" --clear-groups \
		prlimit --pid "$1" "--$2=$3:" || note "no limit for $1"
}

# limit_all RESOURCE VALUE: of all children.
limit_all() {
	local pid

	for pid in $(pgrep -P "$resolver_pid"); do
		limit "$pid" "$1" "$2"
	done
}
most_fds=0
for pid in $children; do
	count=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
	[ "$count" -le "$most_fds" ] || most_fds=$count
done
note "descriptors in use: $most_fds at most"
limit_all nofile "$most_fds"
load_start --rate 100
sleep 1
load_end
closed "no descriptors"
like "no descriptors: what needs none is answered" "$(cat load.out)" ' answered [1-9]'
limit_all nofile 1024
recovers "descriptors again" 15
check "descriptors again: over TCP" until_true 30 tcp_answers

limit_all nofile 8
load_start --rate 100
for ((i = 0; i < 5; i++)); do
	probe --wait 1 dns $NOSERVER4 www.lab.example A tcp
done >tcp.out
load_end
note "TCP without descriptors: $(sort tcp.out | uniq -c | tr '\n' ' ')"
unlike "fewer descriptors than it has: no answer over TCP" "$(cat tcp.out)" NOERROR
like "fewer descriptors than it has: over UDP there are" "$(cat load.out)" ' answered [1-9]'
closed "fewer descriptors than it has"
limit_all nofile 1024
recovers "descriptors again" 15

# A worker that can't take the socket which the keeper opened for it: an answer over TCP is needed.
for pid in $(pgrep -P "$resolver_pid" | tail -n 2); do
	limit "$pid" nofile 8
done
like "no descriptors in workers: an error" "$(ask big.lab.example AAAA)" "^SERVFAIL"
closed "no descriptors in workers"
limit_all nofile 1024
big_answered() {
	[[ $(probe --wait 5 dns "$NOSERVER4" big.lab.example AAAA) = "NOERROR truncated"* ]]
}
check "descriptors again: it is answered" until_true 40 big_answered
recovers "and again" 15

# --- Memory ---
if grep -q __asan_init "$lab_build/src/egress-resolver"; then
	note "the sanitizers' memory can't be limited"
else
	for pid in $(pgrep -P "$resolver_pid"); do
		data=$(sed -n 's/^VmData:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")
		limit "$pid" data $((data * 1024))
	done
	load_start --rate 400
	for ((i = 0; i < 10; i++)); do
		probe --wait 1 dns $NOSERVER4 www.lab.example A tcp
	done >tcp.out 2>&1
	sleep 2
	load_end
	note "TCP without memory: $(sort tcp.out | uniq -c | tr '\n' ' ')"
	closed "no more memory"
	limit_all data unlimited
	recovers "memory again" 30
fi
check "over TCP, too" until_true 30 tcp_answers
alive "a connection from the beginning goes on" long
is "the same processes as at first" "$(pgrep -P "$resolver_pid")" "$children"
lab_done

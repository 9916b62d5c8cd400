#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Processes of the resolver are killed at random while clients ask: FAULT_KILLS of them, 8 unless
# said otherwise. Nothing opens, no answer is given out before its address is open, and what is left
# always finds its way back. Pauses between starts double up to 5 s, so 200 take a quarter of an
# hour: FAULT_KILLS=200 tests/faults/test-kill.sh

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs

kills=${FAULT_KILLS:-8}
# Few leases at a time: they are listed after each kill, and a listing takes the square of their
# number.
faults_policy 'min_lease = "5s"
max_lease = "10s"
grace = "5s"'
faults_start
lab_up lab --workers 2
is "a name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
must hold long 198.18.1.1 443
load_start --rate 400

# What a process is, by what it holds.
role() {
	if [ "$1" = "$resolver_pid" ]; then
		echo parent
	elif grep -qx 'CapEff:.0*1000' "/proc/$1/status" 2>/dev/null; then
		echo keeper
	else
		echo worker
	fi
}

# As a service manager does: when all that belonged to it has ended, it is started again.
start_again() {
	local pid

	wait "$resolver_pid" 2>/dev/null
	for pid in $1; do
		until_true 10 lab_gone "$pid" || note "process $pid is still there"
	done
	must lab_resolver lab --workers 2
}

slowest=0
declare -A killed
for ((i = 1; i <= kills; i++)); do
	sleep 0.$((RANDOM % 6))
	mapfile -t family < <(resolver_processes)
	pid=${family[RANDOM % ${#family[@]}]}
	what=$(role "$pid")
	killed[$what]=$((${killed[$what]:-0} + 1))
	kill -KILL "$pid"
	if [ "$what" = parent ]; then
		closed "kill $i, the parent, nobody there"
		start_again "${family[*]}"
	elif [ $((RANDOM % 3)) = 0 ]; then
		# Another one while it starts anew
		sleep 0.0$((RANDOM % 10))
		pid=$(pgrep -P "$resolver_pid" | head -n 1)
		[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
		what="$what and another"
	fi
	recovers "kill $i, the $what" 30
	[ "${took:-0}" -le "$slowest" ] || slowest=$took
	closed "kill $i, the $what"
done
for what in "${!killed[@]}"; do
	note "killed: $what ${killed[$what]} times"
done
note "slowest recovery: $slowest ms"

alive "a connection from the beginning goes on" long
load_end
like "clients were answered" "$(cat load.out)" 'answered [1-9][0-9]'
lab_done

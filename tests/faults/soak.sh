#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# soak.sh [SECONDS]: a resolver at work for an hour, or as long as said. Clients ask for names that
# nobody asked for before, SOAK_RATE a second (500), whose leases come and go; every query is
# recorded, with sessions, alerts and metrics. In the first third nothing else happens; in the second
# there are, one after the other, all sorts of reloads and faults; the last one is as the first. At
# its end as many descriptors are in use as in the beginning, memory doesn't grow, no answer was given
# out closed, and nothing is open that should not be. In less than a quarter of an hour tables still
# fill.
#
# A build with sanitizers keeps memory that was given back: then only descriptors are compared.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs

seconds=${1:-${SOAK_SECONDS:-3600}}
rate=${SOAK_RATE:-500}
slice=$((seconds / 3 > 60 ? 10 : 3)) # between samples, or faults

faults_policy "min_lease = '5s'
max_lease = '10s'
grace = '5s'
[audit]
path = 'events.jsonl'
allowed = true
[budget]
destinations = 1000000
[metrics]
listen = 'unix:$LAB/metrics.sock'"
faults_start
lab_up lab --workers 2 --state "$LAB/state"
is "a name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
must hold long 198.18.1.1 443
sanitized=$(grep -c __asan_init "$lab_build/src/egress-resolver")

# --- What is measured --------------------------------------------------------------------------

# KiB of all processes, each shared page counted once; of the first; descriptors of all; processes
sample() {
	local pid total=0 first=0 fds=0 count=0 kib

	for pid in $(resolver_processes); do
		kib=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null) || continue
		total=$((total + ${kib:-0}))
		[ "$pid" != "$resolver_pid" ] || first=${kib:-0}
		fds=$((fds + $(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)))
		count=$((count + 1))
	done
	echo "$1 $SECONDS $total $first $fds $count"
}

# median FIELD PHASE [early]: of the samples' later half, since caches fill in the first one; or of
# that
median() {
	awk -v field="$1" -v phase="$2" -v early="${3:-}" '
		$1 == phase { row[++count] = $field }
		END {
			for (i = 1; i <= count; i++)
				if (early != "" ? i <= count / 2 : i > count / 2)
					print row[i]
		}' samples | sort -n | awk '{ row[NR] = $1 } END { print row[int((NR + 1) / 2)] }'
}

# --- Faults ------------------------------------------------------------------------------------

policy_in_turn=0

reload() {
	# Another policy each time, that takes as much memory.
	policy_in_turn=$((1 - policy_in_turn))
	sed -i "s|^wildcard_bytes = .*|wildcard_bytes = \"100000$policy_in_turn/minute\"|" lab.toml
	lab_load lab && kill -HUP "$resolver_pid"
}

bad_reload() {
	cp lab.toml good.toml
	echo 'hosts = 3' >>lab.toml
	kill -HUP "$resolver_pid"
	sleep 1
	mv good.toml lab.toml
}

load_again() { lab_load lab; }

flush_map() {
	local map

	map=$(awk '/map .*-leases4 / { print $2; exit }' lab.nft)
	in_client nft flush map inet egress-lab "$map"
}

kill_one() {
	local pids

	mapfile -t pids < <(resolver_processes | grep -vx "$resolver_pid")
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[RANDOM % ${#pids[@]}]}"
}

rotate() { mv events.jsonl events.jsonl.old; }

new_session() {
	in_client "$(program src/egress-ctl)" session new >/dev/null
}

list_leases() {
	in_client "$(program src/egress-ctl)" leases --json >/dev/null
}

scrape() {
	curl -s --unix-socket metrics.sock http://localhost/metrics >/dev/null
}

faults=(reload bad_reload load_again flush_map kill_one rotate new_session list_leases scrape)

# --- The three parts ---------------------------------------------------------------------------

# What somebody else closes may be given out for a second more, as egress-resolver(8) says, and a
# session that ends has its addresses closed: at most some that were on their way then.
load_over() {
	local closed most=0

	kill -TERM "$load_pid"
	wait "$load_pid"
	[ "$1" != faults ] || most=20
	closed=$(sed -n 's/.* closed \([0-9]*\) .*/\1/p' load.out)
	if [ "${closed:-999}" -le $most ]; then
		ok "$1: $most answers at most were given out closed: $closed"
	else
		not_ok "$1: $most answers at most were given out closed: $closed"
	fi
	like "$1: clients were answered" "$(cat load.out)" 'answered [1-9][0-9]'
	note "$(cat load.out)"
}

# phase NAME: as long as a third
phase() {
	local end=$((SECONDS + seconds / 3)) turn=0 fault

	load_start --rate "$rate"
	while [ "$SECONDS" -lt "$end" ]; do
		sleep "$slice"
		if [ "$1" = faults ]; then
			fault=${faults[turn++ % ${#faults[@]}]}
			"$fault" 2>>faults.err || note "$fault: status $?"
			recovers "$fault" 30
			# A listing of so many leases would take too long.
			is "$fault: what is not permitted is refused" "$(attempts)" ""
		fi
		sample "$1" >>samples
		# What was written is not what this is about.
		[ "$(stat -c %s events.jsonl 2>/dev/null || echo 0)" -lt 200000000 ] ||
			: >events.jsonl
	done
	load_over "$1"
	note "$1: $(median 3 "$1") KiB, the first process $(median 4 "$1"), $(median 5 "$1") descriptors"
}

phase before
phase faults
recovers "after the faults" 30
phase after
alive "a connection from the beginning goes on" long
sleep 20 # until the leases have ended
closed "at the end"

# at_most WHAT BEFORE AFTER SLACK
at_most() {
	if [ "$3" -le $(($2 + $4)) ]; then
		ok "$1: $3 after $2"
	else
		not_ok "$1: $3 after $2"
		note "$(cat samples)"
	fi
}

at_most "descriptors" "$(median 5 before)" "$(median 5 after)" 2
is "processes" "$(median 6 after)" "$(median 6 before)"
if [ "$sanitized" = 0 ]; then
	# Tables are as large as the fullest moment took, which comes early in a part of half an hour or
	# so; a twentieth is chance. A crew that found leases takes more than one that found none.
	for part in before after; do
		was=$(median 3 $part early)
		at_most "$part: KiB of all processes" "$was" "$(median 3 $part)" $((was / 20 + 512))
	done
	# It has two policies while it reads one anew.
	at_most "KiB of the first process, while policies come and go" \
		"$(median 4 faults early)" "$(median 4 faults)" 512
	at_most "and after that" "$(median 4 faults)" "$(median 4 after)" 512
else
	note "the sanitizers keep memory: it is not compared"
fi
lab_done

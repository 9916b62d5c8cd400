#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# soak.sh [SECONDS]: a resolver at work for an hour, or as long as said. Clients ask for names that
# nobody asked for before, SOAK_RATE a second (500), whose leases come and go; every query is
# recorded, with sessions, alerts and metrics. It has four parts:
#
#	filling	a sixth: all sorts of reloads and faults, so that all that is kept for good is there
#	before	a quarter: nothing but clients
#	faults	a third: reloads and faults again and again
#	after	a quarter, as before
#
# No answer is given out closed, nothing is open that should not be, and as many descriptors are in
# use in the end as before. Memory does not grow: not while clients ask, not by reloads and faults.
# What it is compared with is taken when tables that fill are full. The processes of both quiet parts
# are new at their beginning, by a reload. Their tables are as large as they get when each of the
# lab's 100,000 names was asked for once, and caches, of a MiB, long before. The first process, from
# which the others inherit its memory, keeps what two policies at once took, from the second reload
# on. What waits for servers is at its most after some seconds in which none answers, so both parts
# begin with that; a twentieth is left to chance. Less than 25 minutes are too short to tell that
# from a leak of 100 bytes a query: then only descriptors are compared. So they are in a build with
# sanitizers, which keep memory that was given back.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs

seconds=${1:-${SOAK_SECONDS:-3600}}
rate=${SOAK_RATE:-500}
slice=$((seconds > 180 ? 10 : 3)) # between samples, or faults
fill=$((100000 / rate + 10))     # until each name was asked for

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
# A lease is renewed for as long as there is a flow to its address: some 12,000 are remembered at a
# time then, and no table's size, which doubles at 16,384, is left to chance.
must in_client sysctl -qw net.netfilter.nf_conntrack_udp_timeout=2 \
	net.netfilter.nf_conntrack_udp_timeout_stream=2
lab_up lab --workers 2 --cache 1 --state "$LAB/state"
is "a name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
must hold long 198.18.1.1 443
sanitized=$(grep -c __asan_init "$lab_build/src/egress-resolver")

# --- What is measured --------------------------------------------------------------------------

# KiB of all processes, each shared page counted once; of the first what is no file or shared with
# its children for messages; descriptors of all; processes; KiB of each
sample() {
	local pid total=0 first=0 fds=0 count=0 kib own each=

	for pid in $(resolver_processes); do
		read -r kib own < <(awk '/^Pss:/ { kib = $2 } /^Anonymous:/ { print kib, $2 }' \
			"/proc/$pid/smaps_rollup" 2>/dev/null) || continue
		total=$((total + kib))
		[ "$pid" != "$resolver_pid" ] || first=$own
		fds=$((fds + $(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)))
		count=$((count + 1))
		each="$each $pid:$kib"
	done
	echo "$1 $SECONDS $total $first $fds $count$each"
}

# median FIELD PART [early|late]: of its samples after it was filled, or of a half of those
median() {
	awk -v field="$1" -v part="$2" -v half="${3:-}" -v fill="$fill" '
		$1 == part {
			if (!start)
				start = $2
			if (part == "faults" || $2 - start >= fill)
				row[++count] = $field
		}
		END {
			for (i = 1; i <= count; i++)
				if (half == "" || (half == "early") == (i <= count / 2))
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
	in_client "$ctl" session new >/dev/null
}

list_leases() {
	in_client "$ctl" leases --json >/dev/null
}

scrape() {
	curl -s --unix-socket metrics.sock http://localhost/metrics >/dev/null
}

# The upstream server, for 4 seconds
silence() {
	in_world nft "table ip silence {
		chain in {
			type filter hook prerouting priority -400;
			ip daddr $UPSTREAM4 drop
		}
	}"
	sleep 4
	in_world nft delete table ip silence
}

faults=(reload bad_reload load_again flush_map kill_one rotate new_session list_leases scrape)

# --- The four parts ----------------------------------------------------------------------------

# What somebody else closes may be given out for a second more, as egress-resolver(8) says, and a
# session that ends has its addresses closed: at most some that were on their way then.
load_over() {
	local closed most=0

	kill -TERM "$load_pid"
	wait "$load_pid"
	[ "$2" = quiet ] || most=20
	closed=$(sed -n 's/.* closed \([0-9]*\) .*/\1/p' load.out)
	if [ "${closed:-999}" -le $most ]; then
		ok "$1: $most answers at most were given out closed: $closed"
	else
		not_ok "$1: $most answers at most were given out closed: $closed"
	fi
	like "$1: clients were answered" "$(cat load.out)" 'answered [1-9][0-9]'
	note "$(cat load.out)"
}

turn=0

next_fault() {
	local fault=${faults[turn++ % ${#faults[@]}]}

	"$fault" 2>>faults.err || note "$fault: status $?"
	recovers "$fault" 30
	# A listing of so many leases would take too long.
	is "$fault: what is not permitted is refused" "$(attempts)" ""
}

# part NAME SECONDS quiet|faults
part() {
	local end=$((SECONDS + $2))

	load_start --rate "$rate" --sockets 16
	if [ "$3" = quiet ]; then
		silence
		recovers "$1: a server that was silent" 30
	fi
	while [ "$SECONDS" -lt "$end" ]; do
		sleep "$slice"
		[ "$3" = quiet ] || next_fault
		sample "$1" >>samples
		# What was written is not what this is about.
		[ "$(stat -c %s events.jsonl 2>/dev/null || echo 0)" -lt 200000000 ] ||
			: >events.jsonl
	done
	load_over "$1" "$3"
	note "$1: $(median 3 "$1") KiB, the first process $(median 4 "$1"), $(median 5 "$1") descriptors"
}

# begin_anew: with other processes, for a part without faults
begin_anew() {
	reload
	recovers "a reload" 30
}

part filling $((seconds / 6)) faults
begin_anew
part before $((seconds / 4)) quiet
part faults $((seconds / 3)) faults
begin_anew
part after $((seconds / 4)) quiet
alive "a connection from the beginning goes on" long
sleep 20 # until the leases have ended
closed "at the end"

# at_most WHAT BEFORE AFTER SLACK
at_most() {
	if [ "$3" -le $(($2 + $4)) ]; then
		ok "$1: $3 after $2"
	else
		not_ok "$1: $3 after $2"
	fi
}

at_most "descriptors" "$(median 5 before)" "$(median 5 after)" 2
is "processes" "$(median 6 after)" "$(median 6 before)"
if [ "$sanitized" = 0 ] && [ "$seconds" -ge 1500 ]; then
	for quiet in before after; do
		was=$(median 3 $quiet early)
		at_most "$quiet: KiB of all processes" "$was" "$(median 3 $quiet late)" $((was / 20 + 512))
	done
	was=$(median 3 before)
	at_most "KiB of all processes, by reloads and faults" "$was" "$(median 3 after)" \
		$((was / 20 + 512))
	at_most "KiB of the first process" "$(median 4 before)" "$(median 4 after)" 512
else
	note "memory is not compared: sanitizers keep it, or it is not full yet"
fi
[ "$lab_failures" = 0 ] || note "$(cat samples)"
lab_done

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests of faults share, on top of the lab (tests/net/lab.sh). A test states what must hold
# whatever happens, and prints as a comment how long recovery took.
#
# shellcheck disable=SC2034,SC2119,SC2154

# Every run draws differently; FAULT_SEED repeats one as far as time lets it.
FAULT_SEED=${FAULT_SEED:-$RANDOM}

# faults_policy: names n0 to n99999 and t1 to t40 may be reached, and www.
faults_policy() {
	lab_policy lab <<-END
		$1
		[[allow]]
		host = ["www.lab.example", "*.fresh.lab.example", "*.n.example"]
		ports = ["tcp/443", "udp/443"]
		wildcard_bytes = "1000000/minute"
		wildcard_answer_bytes = "10000000/minute"
	END
}

faults_start() {
	RANDOM=$FAULT_SEED
	note "FAULT_SEED=$FAULT_SEED"
	lab_start names
}

# A process and all that it has started, the first one last.
tree() {
	local child

	for child in $(pgrep -P "$1"); do
		tree "$child"
	done
	echo "$1"
}

# --- Load --------------------------------------------------------------------------------------

# load_start [OPTION...]: asks for n0.n.example and so on until load_end.
load_start() {
	nsenter --net=/run/netns/client "$(program tests/faults/load)" "$@" "$NOSERVER4" n.example \
		3600 >load.out 2>load.log &
	load_pid=$!
}

# Its last line, see tests/faults/load.c.
load_end() {
	kill -TERM "$load_pid"
	wait "$load_pid"
	is "no address was given out closed" $? 0
	note "$(cat load.out)"
	note "$(head -n 5 load.log)"
}

# --- What must hold ----------------------------------------------------------------------------

# Addresses in the lease maps that no permitted name has.
strangers() {
	in_client nft list table inet egress-lab |
		sed -n '/^\tmap .*-leases4 {/,/^\t}/p' | grep -oE '[0-9]+(\.[0-9]+){3}' |
		grep -vE '^198\.(18\.(1\.2|1\.1(0[1-9]|[123][0-9]|40)?|([4-9]|[1-9][0-9]|[12][0-9][0-9])\.[0-9]+)|19\.[0-9]+\.[0-9]+)$'
}

# What is tried and may not be, where it was not refused.
attempts() {
	local answer

	for answer in "tcp 198.18.1.3 443" "tcp 2001:db8:1::3 443" "tcp 198.18.1.1 80" \
		"udp 198.18.3.1 443"; do
		# shellcheck disable=SC2086
		[[ $(probe $answer) =~ $REJECTED ]] || echo "open: $answer"
	done
	[[ $(probe --wait 2 dns "$SECOND4" other.lab.example A) != NOERROR* ]] ||
		echo "another server answered"
}

# One result for all of it: closed WHAT.
closed() {
	{
		attempts
		strangers | sed 's/^/leased: /'
	} >closed.out
	is "$1: nothing is open that should not be" "$(cat closed.out)" ""
}

milliseconds() {
	local now=$EPOCHREALTIME

	echo $((${now/[.,]/} / 1000))
}

fresh=0

# A name that nothing remembers is resolved, and open. Names go round: after 40 of them the cache
# may know one, its address has to be open all the same.
serves() {
	local number=$((fresh % 40 + 1))

	[[ $(probe --wait 1 dns "$NOSERVER4" t$number.fresh.lab.example A) = \
		"NOERROR 198.18.1.$((100 + number))" ]] &&
		[[ $(probe tcp 198.18.1.$((100 + number)) 443) = *hello ]]
}

# recovers WHAT SECONDS: within that time; the time it took is printed. The address that is open
# then is $opened.
recovers() {
	local start end

	fresh=$((fresh + 1))
	opened=198.18.1.$((101 + fresh % 40))
	start=$(milliseconds)
	end=$((start + $2 * 1000))
	until serves; do
		if [ "$(milliseconds)" -gt "$end" ]; then
			not_ok "$1: it works again within $2 s"
			return
		fi
		sleep 0.02
	done
	took=$(($(milliseconds) - start))
	ok "$1: it works again within $2 s"
	note "after $took ms"
}

# --- Faults of the system ----------------------------------------------------------------------

# shim_start [LIBRARY]: has what lab_resolver starts from now on do as inject says.
shim_start() {
	"$(program tests/faults/inject)" "$LAB/page" || exit 99
	cat >preloaded <<-END
		#!/bin/sh
		export EGRESS_SHIM=$LAB/page LD_PRELOAD=${1:-$(program tests/faults/shim.so)}
		export ASAN_OPTIONS=verify_asan_link_order=0
		exec $resolver "\$@"
	END
	chmod +x preloaded
	resolver=$LAB/preloaded
}

inject() {
	"$(program tests/faults/inject)" "$LAB/page" "$@"
}

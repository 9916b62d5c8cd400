#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Upstream servers that are silent, slow, lying, or come and go. Only what answers the question that
# was asked is believed; nothing else is opened, and nothing is left hanging.

# shellcheck disable=SC2119,SC2154,SC2317 # functions are called by name, lab_upstream_pid set by it
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs

LIAR=198.18.0.60

# policy UPSTREAM...: as the head of the lab's policies, with other servers.
policy() {
	{
		lab_head_alone
		echo "upstream = [$(printf '"udp://%s", ' "$@")]"
		cat <<-'END'
			max_lease = "1h"
			[[allow]]
			host = ["*.lie.example", "*.n.example", "*.fresh.lab.example", "www.lab.example"]
			ports = ["tcp/443", "udp/443"]
			wildcard_bytes = "1000000/minute"
			wildcard_answer_bytes = "10000000/minute"
			[[deny]]
			host = "denied.far.example"
		END
	} >lab.toml
}

policy $LIAR
faults_start
nsenter --net=/run/netns/world "$(program tests/faults/liar)" $LIAR >liar.out 2>liar.log &
liar_pid=$!
must until_true 10 grep -q ready liar.out
lab_up lab

# says LABEL[-NUMBER] EXPECTED: what a client is told, and that it didn't wait for ever.
says() {
	local start answer label=$1

	[[ $label = *-* ]] || label=$label-1
	start=$(milliseconds)
	answer=$(probe --wait 10 dns $NOSERVER4 "$label.lie.example" A)
	note "$1: ${answer:0:80}, after $(($(milliseconds) - start)) ms"
	like "$1: the answer" "$answer" "$2"
	like "$1: 198.18.66.1 is closed" "$(probe udp 198.18.66.1 443)" "$REJECTED"
	is "$1: nothing of what must not be believed is leased" \
		"$(set_of_leases | grep -oE '198\.18\.66\.[0-9]+|10\.0\.0\.1')" ""
	is "$1: others are answered" "$(ask "good-$((++good)).lie.example")" "NOERROR 198.18.7.1"
}

set_of_leases() {
	in_client nft list table inet egress-lab | sed -n '/^\tmap .*-leases4 {/,/^\t}/p'
}
good=10

GOOD='^NOERROR 198\.18\.7\.1$'
NOTHING='^(SERVFAIL|NXDOMAIN|NOERROR( \(EDE.*)?$)'

says good "$GOOD"
says silent "^SERVFAIL"
says slow "$GOOD"
says id "^SERVFAIL"
says port "^SERVFAIL"
says question "^SERVFAIL"
says case "^SERVFAIL|$GOOD"
says noquestion "^SERVFAIL"
says other "$NOTHING"
says added "$GOOD"
says loop "$NOTHING"
says nowhere "$NOTHING"
says links "$NOTHING"
says denied "^NXDOMAIN"
says dname "$NOTHING"
says referral "^SERVFAIL"
says class "$NOTHING"
says inside "^(NXDOMAIN|NOERROR|SERVFAIL) \(EDE"
says many-60 "^NOERROR( truncated| 198\.18\.(7|8|9|10)\.[0-9]+)"
says many-1000 "^NOERROR( truncated| 198\.18\.(7|8|9|10)\.[0-9]+)"
says ttl0 "$GOOD"
says ttl31 "$GOOD"
says ttl32 "$GOOD"
says servfail "^SERVFAIL"
says refused "^SERVFAIL"
says noise "^SERVFAIL"
says half "^SERVFAIL"
says pointer "^SERVFAIL"
says truncated "^SERVFAIL"
says halfway "^SERVFAIL"
says reset "^SERVFAIL"
says drip "^SERVFAIL"
says repeat "$GOOD"
says guess "$GOOD"

# No lease outlasts max_lease, whatever TTL was claimed.
hours=$(set_of_leases | grep -oE 'expires [0-9a-z]+' | grep -cE '[2-9]h|[0-9]d')
is "no lease is longer than the policy lets it be" "$hours" 0
# A thousand addresses of one name don't keep others out.
note "leased: $(set_of_leases | grep -oE '198\.18\.[0-9.]+' | sort -u | wc -l) addresses"
like "each answer's TTL is bounded" "$(probe tcp 198.18.7.1 443)" hello

# --- Many at once that are never answered: they don't keep others out ---
for ((i = 0; i < 300; i++)); do
	probe --wait 1 dns $NOSERVER4 silent-x$i.lie.example A
done >silent.out &
silent=$!
sleep 0.5
start=$(milliseconds)
is "while many are not answered, others are" "$(ask good-2000.lie.example)" "NOERROR 198.18.7.1"
note "after $(($(milliseconds) - start)) ms"
kill $silent
wait $silent 2>/dev/null

# --- It comes and goes ---
flap() {
	while :; do
		kill -STOP "$liar_pid"
		sleep 0.3
		kill -CONT "$liar_pid"
		sleep 0.3
	done
}
flap &
flapping=$!
answered=0
for ((i = 0; i < 20; i++)); do
	[ "$(probe --wait 5 dns $NOSERVER4 good-f$i.lie.example A)" != "NOERROR 198.18.7.1" ] ||
		answered=$((answered + 1))
done
kill $flapping
wait $flapping 2>/dev/null
kill -CONT $liar_pid
note "a server that is away half of the time: $answered of 20 were answered"
check "a server that is away half of the time answers most" test $answered -ge 15

# --- Nobody listens where one of them should be ---
policy 198.18.0.97 $UPSTREAM4
must lab_reload lab
check "nobody listens at one of two servers: it works" until_true 20 serves
load_start --rate 50
sleep 2
load_end
like "nobody listens at one of two servers: all are answered" "$(cat load.out)" ' failed 0 lost 0 '
policy 198.18.0.97
must lab_reload lab
# shellcheck disable=SC2317
refused_server() {
	[[ $(probe --wait 10 dns "$NOSERVER4" t39.fresh.lab.example A) = SERVFAIL* ]]
}
check "nobody listens at all: an error" until_true 20 refused_server
closed "nobody listens at all"

# --- It is away, and another one is there ---
policy $LIAR $UPSTREAM4
must lab_reload lab
check "with two servers" until_true 20 serves
kill -STOP $liar_pid
load_start --rate 50
sleep 4
load_end
like "one of two servers is silent: clients are answered" "$(cat load.out)" 'answered [1-9][0-9]'
gap=$(sed 's/.* gap \([0-9]*\) ms/\1/' load.out)
check "and none waits for longer than 2 s" test "$gap" -le 2000

# --- Both are away for a while, then one is back ---
# shellcheck disable=SC2046
kill -STOP $(tree "$lab_upstream_pid")
like "nobody is there: an error, no silence" \
	"$(probe --wait 10 dns $NOSERVER4 t40.fresh.lab.example A)" "^SERVFAIL"
closed "nobody is there"
# shellcheck disable=SC2046
kill -CONT $(tree "$lab_upstream_pid")
recovers "one is back" 20
kill -CONT $liar_pid
kill $liar_pid
closed "in the end"
lab_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The upstream servers: one that dies costs the first client a moment and the next ones nothing; a
# policy that names none has the system's asked, which the ruleset lets the resolver reach, and
# nobody else.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start

# timed COMMAND...: its output, and in $took the milliseconds.
timed() {
	local start=${EPOCHREALTIME/./}

	said=$("$@")
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
}

# silence ADDRESS: what is sent to it is lost, without an error.
silence() {
	in_world nft "table ip silence {
		chain in {
			type filter hook prerouting priority -400;
			ip daddr $1 drop
		}
	}"
}

# --- Failover ----------------------------------------------------------------------------------

# The second server gives other addresses, so answers show who was asked.
lab_policy_dns "upstream = [\"udp://$UPSTREAM4\", \"udp://$SECOND4\"]"
lab_up lab
must silence $UPSTREAM4
timed ask www.lab.example
is "one of two servers is silent: the other answers" "$said" "NOERROR 198.18.66.1"
note "the first client waited $took ms"
check "the first client waits less than a second" [ $took -lt 1000 ]
for i in 1 2 3 4 5 6 7 8; do
	timed ask t$i.fresh.lab.example
	echo $took
done | sort -n >waits
median=$(sed -n 5p waits)
note "the next clients waited $(paste -s -d ' ' waits) ms"
check "the next ones hardly" [ "$median" -lt 250 ]
sleep 1.2
ask t9.fresh.lab.example >/dev/null
like "the log says who is down" "$(cat "$resolver_log")" "upstream $UPSTREAM4:53: does not answer"
must in_world nft delete table ip silence
back() {
	ask "t$((RANDOM % 30 + 10)).fresh.lab.example" >/dev/null
	grep -q "upstream $UPSTREAM4:53: answers again" "$resolver_log"
}
check "questions find out that it is back" until_true 20 back
# Whichever of them is asked dies: somebody waits for its time-out, once.
slowest=0
for server in $UPSTREAM4 $SECOND4; do
	must silence "$server"
	for i in 1 2 3; do
		name=t$((10 * i)).fresh.lab.example
		[ "$server" = $UPSTREAM4 ] || name=t$((10 * i + 5)).fresh.lab.example
		timed ask $name
		like "$name is answered all the same" "$said" ^NOERROR
		[ $took -le $slowest ] || slowest=$took
	done
	must in_world nft delete table ip silence
	sleep 1.2
	ask t39.fresh.lab.example >/dev/null
done
note "the slowest client waited $slowest ms"
check "at most its time-out and a little" [ $slowest -lt 1000 ]
must silence 198.18.0.0/24
timed ask api.lab.example
is "without any server the client is told" "$said" 'SERVFAIL (EDE 22: upstream)'
note "after $took ms"
timed ask t60.fresh.lab.example
is "and the next one" "$said" 'SERVFAIL (EDE 22: upstream)'
is "who asks the same is told so at once" "$(ask api.lab.example)" 'SERVFAIL (EDE 13: upstream)'
note "after $took ms"
check "sooner than programs give up" [ $took -lt 5000 ]
must in_world nft delete table ip silence
lab_nsd_kill second
lab_nsd_kill upstream
like "servers that are gone are noticed at once" "$(ask four.lab.example)" '^SERVFAIL'
lab_resolver_stop
lab_nsd upstream $UPSTREAM4 $UPSTREAM6
lab_nsd second $SECOND4 $SECOND6
must until_true 10 lab_serves $UPSTREAM4
must until_true 10 lab_serves $SECOND4

# --- The system's servers ----------------------------------------------------------------------

# reach: what the ruleset lets the resolver reach.
reach() {
	set_of upstream4 | grep -o '[0-9.]* \. [a-z]* \. [0-9]*' | sort | tr '\n' ' '
}

lab_policy_dns
echo "nameserver $UPSTREAM4" >resolv.conf
lab_up lab
is "a policy that names none: the system's is asked" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
is "which the ruleset permits" "$(reach)" "$UPSTREAM4 . tcp . 53 $UPSTREAM4 . udp . 53 "
is "by TCP too" "$(ask big.lab.example A tcp | wc -w)" 61
like "the log says whom" "$(cat "$resolver_log")" "upstream $UPSTREAM4:53, the system's"
printf '%s\n' "# a comment" "options timeout:1 rotate" "nameserver 127.0.0.1:53" \
	"nameserver  $SECOND4 " "nameserver fe80::1%eth0" "search lab.example" >resolv.conf
must kill -HUP "$resolver_pid"
until_true 10 grep -q "reloaded" "$resolver_log"
is "it is read again with the policy" "$(ask api.lab.example)" "NOERROR 198.18.66.1"
# Questions that were out are answered still: both are permitted for a while.
reaches() {
	[ "$(reach)" = "$1" ]
}
until_true 30 reaches "$SECOND4 . tcp . 53 $SECOND4 . udp . 53 "
is "and the ruleset permits the new one only" "$(reach)" "$SECOND4 . tcp . 53 $SECOND4 . udp . 53 "
# The table is loaded anew under the resolver.
must lab_load lab
is "loading the ruleset again keeps it" "$(reach)" "$SECOND4 . tcp . 53 $SECOND4 . udp . 53 "
is "so the resolver goes on" "$(ask four.lab.example)" "NOERROR 198.18.66.1"
lab_resolver_stop

lab_policy_dns 'listen = ["127.0.0.1:53"]'
echo "nameserver 127.0.0.1" >resolv.conf
lab_up lab
is "it does not ask itself" "$(ask www.lab.example)" 'SERVFAIL (EDE 22: no-upstream)'
like "and says that there is no server" "$(cat "$resolver_log")" "no server in /etc/resolv.conf"
lab_resolver_stop

lab_policy_dns "upstream = []"
echo "nameserver $UPSTREAM4" >resolv.conf
lab_up lab
is "an empty list is none" "$(ask www.lab.example)" 'SERVFAIL (EDE 22: no-upstream)'
lab_resolver_stop
resolver_pid=
lab_done

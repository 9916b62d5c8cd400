#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A resolver that starts before the system has DNS servers, as at boot: there are none, or only
# the stub of systemd-resolved, whose own questions are sent to the resolver that asks it. What goes
# round in that way ends, and as soon as there are servers they are asked, without anybody saying so;
# what is wrong with the policy by then is said once.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
relay=$(program tests/net/relay)
lab_needs "$relay"

lab_start

# What systemd-resolved has here; nothing of this host's is touched.
mkdir -p /run/systemd
mount -t tmpfs -o mode=755 lab /run/systemd && mkdir /run/systemd/resolve || exit 99
behind=/run/systemd/resolve/resolv.conf

# appears FILE LINE: as a whole.
appears() {
	echo "$2" >servers.new
	cat servers.new >"$1"
}

# answers WHAT NAME ANSWER: within 20 s.
answers() {
	has_answer() { [ "$(ask "$1")" = "$2" ]; }
	check "$1" until_true 20 has_answer "$2" "$3"
}

# count WORDS: lines of the log.
count() {
	grep -c "$1" "$resolver_log"
}

# --- The stub, which asks by way of the resolver -------------------------------------------------

# It passes on what it is asked to the server that it was configured with.
nsenter --net=/run/netns/client "$relay" 127.0.0.53:53 "$UPSTREAM4:53" lab.example >stub.out 2>stub.log &
must until_true 10 grep -q ready stub.out
lab_policy_dns
echo "nameserver 127.0.0.53" >resolv.conf
lab_up lab
names=4
for ((i = 1; i <= names; i++)); do
	ask t$i.fresh.lab.example A >round-$i &
	asking+=($!)
done
wait "${asking[@]}"
like "what goes round has no answer" "$(sort -u round-*)" '^(SERVFAIL.*|no answer|TIMEOUT)$'
sleep 1
went=$(grep -c ^query stub.out)
note "$went questions to the stub for $names names"
check "and ends" [ "$went" -le $((names * 20)) ]
check "it did go round" [ "$went" -gt $names ]
sleep 1
is "for good" "$(grep -c ^query stub.out)" "$went"

appears $behind "nameserver $UPSTREAM4"
answers "it has servers now: they are asked" www.lab.example "NOERROR 198.18.1.1"
like "the log says so" "$(cat "$resolver_log")" "upstream $UPSTREAM4:53, the system's"
is "the policy was read once for it" "$(count reloaded)" 1
# From then on that is for others to say.
appears $behind "nameserver $SECOND4"
sleep 3
is "others are not asked without a word" "$(count reloaded) $(ask api.lab.example)" \
	"1 NOERROR 198.18.1.2"
must lab_resolver_stop

# --- None at all, and a policy that is wrong when there are some -----------------------------------

rm $behind
: >resolv.conf
lab_up lab
is "there is none" "$(ask www.lab.example)" 'SERVFAIL (EDE 22: no-upstream)'
cp lab.toml good.toml
echo 'hosts = 3' >>lab.toml
appears resolv.conf "nameserver $UPSTREAM4"
check "the policy is wrong by then" until_true 20 grep -q "not reloaded" "$resolver_log"
sleep 3
is "that is said once" "$(count "not reloaded")" 1
mv good.toml lab.toml
appears resolv.conf "nameserver $SECOND4"
answers "the next change is another try" api.lab.example "NOERROR 198.18.66.1"
must lab_resolver_stop

# --- Only itself ---------------------------------------------------------------------------------

lab_policy_dns 'listen = ["127.0.0.1:53"]'
appears resolv.conf "nameserver 127.0.0.1"
lab_up lab
sleep 3
is "its own address is not news" "$(count reloaded) $(ask www.lab.example)" \
	'0 SERVFAIL (EDE 22: no-upstream)'
printf 'nameserver 127.0.0.1\nnameserver %s\n' $UPSTREAM4 >resolv.conf
answers "another one is" www.lab.example "NOERROR 198.18.1.1"
must lab_resolver_stop
lab_done

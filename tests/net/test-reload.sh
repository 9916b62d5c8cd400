#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A reload changes the difference only: what is still permitted goes on, what isn't ends at once,
# and a policy with a mistake changes nothing. Lessons L13, L15, L16, L20.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
asker=$(program tests/net/asker)
lab_needs "$ctl" "$asker"

# So many reloads under load.
RELOADS=${RELOADS:-20}

policy_full() {
	lab_policy lab <<-'END'
		[[allow]]
		host = "www.lab.example"
		[[allow]]
		host = ["api.lab.example", "*.fresh.lab.example"]
		[[allow]]
		host = "twin.lab.example"
		[[allow]]
		ip = ["198.18.40.0/24", "2001:db8:40::/48"]
	END
}

# Without api, twin and the addresses; with four.
policy_less() {
	lab_policy lab <<-'END'
		[[allow]]
		host = "www.lab.example"
		[[allow]]
		host = ["four.lab.example", "*.fresh.lab.example"]
	END
}

table() {
	in_client nft --stateless list table inet egress-lab | sed 's/ expires [0-9a-z]*//'
}

answers() {
	[ "$(ask "$1" "${2:-A}")" = "$3" ]
}

policy_full
lab_start
lab_up lab

for name in www:1 api:2; do
	for type in A AAAA; do
		must ask "${name%:*}.lab.example" $type
	done
	must hold "${name%:*}4" "198.18.1.${name#*:}" 443
	must hold "${name%:*}6" "2001:db8:1::${name#*:}" 443
done
must hold address4 198.18.40.1 443
must hold address6 2001:db8:40::1 443
all="www4 www6 api4 api6 address4 address6"

# --- The same text again ---
before=$(table)
check "the same ruleset loads again" lab_load lab
check "and again" lab_load lab
is "the table is the same, leases included" "$(table)" "$before"
for name in $all; do
	alive "$name goes on" "$name"
done
reaches "a lease survives the ruleset's reload" tcp 198.18.1.1 443
reaches "over IPv6 too" tcp 2001:db8:1::1 443
is "the resolver goes on as well" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
reaches "with leases in the new table" tcp 198.18.1.101 443

# --- The resolver reads the same policy again ---
must kill -HUP "$resolver_pid"
check "after SIGHUP it answers" until_true 20 answers t2.fresh.lab.example A "NOERROR 198.18.1.102"
for name in $all; do
	alive "$name goes on" "$name"
done
reaches "a lease survives the resolver's reload" tcp 198.18.1.1 443

# --- Policies with a mistake ---
cp lab.toml good.toml
bad() {
	before=$(table)
	if "$compiler" lab.toml >bad.nft 2>bad.err; then
		not_ok "$1: the compiler refuses it"
	else
		is "$1: the compiler refuses it" $? 1
	fi
	is "$1: and writes no ruleset" "$(cat bad.nft)" ""
	like "$1: it says where" "$(cat bad.err)" 'lab\.toml'
	in_client "$compiler" lab.toml --apply >/dev/null 2>&1
	is "$1: --apply refuses it" $? 1
	is "$1: the table is untouched" "$(table)" "$before"
	lines=$(grep -c lab.toml "$resolver_log")
	must kill -HUP "$resolver_pid"
	check "$1: the resolver says so" until_true 20 complained
	fresh=$((fresh + 1))
	is "$1: and keeps the old one" "$(ask t$fresh.fresh.lab.example)" \
		"NOERROR 198.18.1.$((100 + fresh))"
	reaches "$1: which opens" tcp 198.18.1.$((100 + fresh)) 443
	like "$1: and refuses" "$(ask other.lab.example)" '^NXDOMAIN \(EDE 15'
}
complained() {
	[ "$(grep -c lab.toml "$resolver_log")" -gt "$lines" ]
}
fresh=2
echo 'hots = "www.lab.example"' >>lab.toml
bad "an unknown key"
: >lab.toml
bad "an empty file"
head -c 4096 /dev/urandom >lab.toml
bad "noise"
rm lab.toml
bad "no file"
mkdir lab.toml
bad "a directory"
rmdir lab.toml
cp good.toml lab.toml
for name in $all; do
	alive "$name goes on after all of these" "$name"
done

# --- A name that shares its address with one of another entry ---
must ask twin.lab.example
must hold twin 198.18.1.1 443
alive "the twin's connection" twin
alive "the other one's" www4

# --- Entries taken away ---
policy_less
must lab_reload lab
cut_off "api's connection ends" api4
cut_off "over IPv6 too" api6
cut_off "the address's connection ends" address4
cut_off "over IPv6 too" address6
alive "www's goes on" www4
alive "over IPv6 too" www6
rejected "api's address is closed" tcp 198.18.1.2 443
rejected "over IPv6 too" tcp 2001:db8:1::2 443
rejected "the bare address is closed" tcp 198.18.40.1 443
rejected "over IPv6 too" tcp 2001:db8:40::1 443
reaches "www's lease over IPv6 is the old one" tcp 2001:db8:1::1 443
check "the new entry's name is answered" until_true 20 answers four.lab.example A \
	"NOERROR 198.18.1.4"
reaches "and open" tcp 198.18.1.4 443
like "the old entry's isn't" "$(ask api.lab.example)" '^NXDOMAIN \(EDE 15'
is "www is answered" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
reaches "and open, though its twin is gone" tcp 198.18.1.1 443
alive "www's connection still goes on" www4

# --- And put back ---
policy_full
must lab_reload lab
check "api is answered again" until_true 20 answers api.lab.example A "NOERROR 198.18.1.2"
reaches "and open" tcp 198.18.1.2 443
reaches "the bare address is open" tcp 198.18.40.1 443
alive "www's connection knows nothing of it" www4

# --- The table taken away and loaded again under a running resolver ---
open_now() {
	[[ $(probe tcp "$1" 443) = *hello ]]
}
must ask api.lab.example
must in_client "$compiler" lab.toml --remove
must lab_load lab
check "what was leased in the old table is open in the new one" until_true 5 open_now 198.18.1.2
is "the resolver answers as before" "$(ask api.lab.example)" "NOERROR 198.18.1.2"
is "without starting over" "$(grep -c 'starting' "$resolver_log")" 0

# Gone for longer than the resolver waits.
must in_client "$compiler" lab.toml --remove
sleep 3
must lab_load lab
opens_again() {
	[ "$(ask api.lab.example)" = "NOERROR 198.18.1.2" ] && open_now 198.18.1.2
}
check "the resolver finds its way into the new one" until_true 60 opens_again
fresh=$((fresh + 1))
is "fresh names are answered" "$(ask t$fresh.fresh.lab.example)" "NOERROR 198.18.1.$((100 + fresh))"
reaches "and open" tcp 198.18.1.$((100 + fresh)) 443
must ask www.lab.example
must hold www4b 198.18.1.1 443

# --- Under load: each question has one answer, which is right before or after ---
one() {
	lab_policy one <<-'END'
		[dns.hosts]
		"here.lab.example" = ["198.18.9.1"]
		[[allow]]
		host = ["www.lab.example", "api.lab.example", "here.lab.example", "*.fresh.lab.example"]
	END
}
other() {
	lab_policy other <<-'END'
		[dns.hosts]
		"here.lab.example" = ["198.18.9.2"]
		[[allow]]
		host = ["www.lab.example", "four.lab.example", "here.lab.example", "ttl0.lab.example"]
	END
}
one
other
cp one.toml lab.toml
must lab_load lab
must "$ctl" reload
must ask www.lab.example
must hold www5 198.18.1.1 443
mkfifo stop
# Short TTLs ask a server each time: ttl0's answer is never remembered.
in_client "$asker" $NOSERVER4 2000 www.lab.example=198.18.1.1 'api.lab.example=198.18.1.2|NXDOMAIN' \
	'four.lab.example=198.18.1.4|NXDOMAIN' 'here.lab.example=198.18.9.1|198.18.9.2' \
	'ttl0.lab.example=198.18.1.20|NXDOMAIN' other.lab.example=NXDOMAIN \
	't5.fresh.lab.example=198.18.1.105|NXDOMAIN' <stop >asked.out 2>asked.err &
asker_pid=$!
exec {stop}>stop
failed=0
for ((i = 0; i < RELOADS; i++)); do
	if [ $((i % 2)) -eq 0 ]; then
		cp other.toml lab.toml
	else
		cp one.toml lab.toml
	fi
	lab_load lab && "$ctl" reload >/dev/null 2>>reload.err || failed=$((failed + 1))
done
exec {stop}>&-
wait $asker_pid
is "of $RELOADS reloads under load all are done" $failed 0
like "each question has one answer, right before or after" "$(cat asked.out)" \
	'^asked [0-9]+ lost 0 twice 0 wrong 0$'
note "$(cat asked.out asked.err reload.err 2>/dev/null)"
alive "and the connection of what all permit goes on" www5

# --- Another resolv.conf: what was asked of the old servers is not cut off ---
servers() {
	set_of upstream4 | grep -oE '198\.18\.[0-9.]+' | sort -u | xargs
}
only_second() {
	[ "$(servers)" = "$SECOND4" ]
}
cp lab.toml both.toml
sed '/^upstream = /d' one.toml >lab.toml
echo "nameserver $UPSTREAM4" >resolv.conf
must lab_load lab
must "$ctl" reload
is "the system's server is asked" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
echo "nameserver $SECOND4" >resolv.conf
must "$ctl" reload
is "both may be asked while the old workers have questions out" "$(servers)" \
	"$(printf '%s\n' $UPSTREAM4 $SECOND4 | sort | xargs)"
is "the new one is" "$(ask www.lab.example)" "NOERROR 198.18.66.1"
check "in the end it alone may be" until_true 40 only_second
is "and is" "$(ask t9.fresh.lab.example)" "NOERROR 198.18.66.1"

# --- What was spent stays spent ---
spending() {
	{
		cat one.toml
		printf '[budget]\nwildcard_names = 5\non_exceed = "refuse"\n%s\n' "$1"
	} >lab.toml
	lab_load lab && "$ctl" reload
}
must spending ""
spent=0
for ((i = 1; i <= 12; i++)); do
	[[ $(ask t$i.fresh.lab.example) != NOERROR* ]] || spent=$((spent + 1))
	case $i in
	2 | 4 | 6) must spending "" ;;
	3 | 5) must spending '[[allow]]
			host = "four.lab.example"' ;;
	esac
done
is "a budget is spent once, however often the policy is read" $spent 5

# --- Nothing permitted at all ---
lab_policy lab </dev/null
must lab_reload lab
cut_off "an empty policy ends www's connection" www4b
cut_off "and one of the old table" www4
cut_off "over IPv6 too" www6
rejected "and closes its address" tcp 198.18.1.1 443
refused_name() {
	[[ $(ask www.lab.example) = NXDOMAIN* ]]
}
check "and its name" until_true 20 refused_name

lab_done

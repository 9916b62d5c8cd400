#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What one session may reach and spend: connections, bytes, the share of destinations without a
# category; what is spent stays spent whoever starts anew, until a new session begins; and ceilings
# that are raised for one session.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs "$ctl" python3

lab_start

# up [OPTION...]: ruleset and resolver of lab.toml.
up() {
	"$compiler" lab.toml >lab.nft && in_client nft -f - <lab.nft || return 1
	lab_resolver lab --workers 2 "$@"
}

# again [OPTION...]: the resolver and all its processes are killed, and another one starts.
again() {
	lab_resolver_kill
	lab_resolver lab --workers 2 "$@"
}

# down: the next policy begins with nothing.
down() {
	lab_resolver_stop
	in_client nft delete table inet egress-lab
}

# refused ADDRESS TIMES: how many of as many new flows to port 443 were refused. A port that an
# earlier flow had would be that flow again, which is permitted.
echo 20000 >port
refused() {
	local port

	port=$(cat port)
	echo $((port + $2)) >port
	probe --from "$port" flood "$1" 443 "$2"
}

# session EXPRESSION [COMMAND...]: of the answer to `session show`, in Python's words.
session() {
	"$ctl" --json session show >session.json 2>ctl.err
	python3 -c '
import json, sys
session = json.load(open("session.json"))
print(eval(sys.argv[1], {"s": session, "b": session["budget"]}))' "$1"
}

# --- Connections ---

policy() {
	lab_policy lab <<-END
		types = ["A", "AAAA"]
		[[allow]]
		host = ["www.lab.example", "*.fresh.lab.example"]
		ports = ["tcp/443", "udp/443"]
		[[allow]]
		ip = ["198.18.40.0/24", "2001:db8:40::/48"]
		ports = ["tcp/443", "udp/443"]
		[budget]
		$1
		on_exceed = "${2:-refuse}"
	END
}

policy "connections = 10"
must up
must hold live 198.18.40.1 443
alive "a connection" live
is "as many as the budget has" "$(refused 198.18.40.1 6) $(refused 2001:db8:40::1 6)" \
	"0 refused 3 refused"
alive "one that is established goes on" live
is "names take of the same" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
rejected "and none is left" tcp 198.18.1.1 443
is "it shows" "$(session 'b["connections"]')" "{'used': 10, 'of': 10, 'extended': 0}"
is "what was refused is counted" "$(counter_of budget-connections)" 4
must lab_load lab
is "none after a reload" "$(refused 198.18.40.1 1)" "1 refused"
must again
is "none after a kill" "$(refused 198.18.40.1 1)" "1 refused"
alive "which the connection has survived" live
ctl_ends "three more" 0 session extend connections 3
like "which is said" "$(cat ctl.out)" 'connections +10 of 13, 3 of them for this session'
is "are three" "$(refused 198.18.40.1 5)" "2 refused"
must lab_load lab
reloaded() {
	[ "$(in_client nft -j list set inet egress-lab connections-10 | grep -o '"size": [0-9]*')" = '"size": 13' ]
}
check "what was extended stays so when the ruleset is loaded" until_true 10 reloaded
must again
is "and when the resolver is killed" "$(session 'b["connections"]["of"]')" 13
is "and no more" "$(refused 198.18.40.1 1)" "1 refused"
ctl_ends "a new session" 0 session new
is "has all of it, and no more" "$(refused 198.18.40.1 12)" "2 refused"
alive "a connection of the one before goes on" live
is "the extension is gone" "$(session 'b["connections"]["extended"]')" 0
down

policy "connections = 4" flag
must up
is "a ceiling that only reports" "$(refused 198.18.40.1 10)" "0 refused"
is "counts" "$(counter_of budget-connections) $(session 'b["connections"]["used"]')" "6 4"
down

# --- Bytes ---

policy 'bytes = "4 KiB"'
must up
must hold spender 198.18.40.1 443
alive "a connection" spender
like "so many bytes" "$(probe flood 198.18.40.2 443 200)" '^[0-9]+ refused'
unlike "and no more" "$(refused 198.18.40.1 2)" '^0'
cut_off "end connections" spender
like "it shows" "$(session 'b["bytes"]["used"], b["bytes"]["of"]')" '^.[0-9]+, 4096.$'
must again
is "spent after a kill" "$(refused 198.18.40.1 1)" "1 refused"
ctl_ends "more bytes" 0 session extend bytes 64 KiB
is "are there" "$(session 'b["bytes"]["of"]')" $((68 * 1024))
is "and can be spent" "$(refused 198.18.40.1 5)" "0 refused"
must lab_load lab
more_bytes() {
	in_client nft list quota inet egress-lab budget-bytes | grep -qE "over (68 kbytes|$((68 * 1024)) bytes)"
}
check "after a reload, too" until_true 10 more_bytes
ctl_ends "a new session" 0 session new
like "has its own" "$(session 'b["bytes"]')" "'used': [0-9]{1,3}, 'of': 4096, 'extended': 0"
down

# --- Destinations ---

policy "destinations = 2"
must up
is "a name" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
reaches "and an address" tcp 198.18.40.1 443
refusal="NXDOMAIN (EDE 15: budget-destinations)"
is "are two" "$(ask t2.fresh.lab.example)" "$refusal"
ctl_ends "one more" 0 session extend destinations 1
is "is permitted" "$(ask t2.fresh.lab.example)" "NOERROR 198.18.1.102"
rejected "and no more" tcp 198.18.40.2 443
is "of either kind" "$(ask t3.fresh.lab.example)" "$refusal"
must lab_load lab
must again
is "whoever starts anew" "$(ask t3.fresh.lab.example)" "$refusal"
is "a name from before" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
rejected "none for an address" tcp 198.18.40.2 443
reaches "an address from before" tcp 198.18.40.1 443
ctl_ends "a new session" 0 session new
rejected "has closed what was open" tcp 198.18.1.101 443
is "and permits two" "$(ask t3.fresh.lab.example)" "NOERROR 198.18.1.103"
is "others" "$(ask t4.fresh.lab.example)" "NOERROR 198.18.1.104"
is "and no more" "$(ask t1.fresh.lab.example)" "$refusal"
# has_mail PID: nobody has read what was sent to a socket of it.
has_mail() {
	in_client ss -Hxanp | awk -v "pid=pid=$1," '$3 > 0 && index($0, pid) { found = 1 } END { exit !found }'
}
keeper=$(pgrep -P "$resolver_pid" | while read -r child; do
	grep -q '^CapEff:.*1000$' "/proc/$child/status" && echo "$child"
done)
must kill -STOP "$keeper"
$ctl session extend destinations 1 >ctl.out 2>ctl.err &
asking=$!
check "a keeper is asked for more" until_true 10 has_mail "$keeper"
must kill -KILL "$keeper"
wait $asking
is "and ends: it is not asked for twice" $? 1
like "which is said" "$(cat ctl.err)" 'tells whether it was done'
ctl_ends "what has no ceiling" 1 session extend bytes 1 MiB
like "is not extended" "$(cat ctl.err)" 'no ceiling for bytes'
ctl_ends "an amount that is none" 2 session extend destinations many
ctl_ends "too much" 1 session extend destinations 4294967295
ctl_ends "a key that is none" 2 session extend queries 5
down

# --- Names under wildcards ---

policy "wildcard_names = 3"
must up
asked=0
for ((i = 1; i <= 20; i++)); do
	[[ $(ask t$i.fresh.lab.example) = "NXDOMAIN (EDE 15: budget-wildcard-names)" ]] ||
		asked=$((asked + 1))
done
is "as many names as the budget has" $asked 3
must lab_reload lab
is "a reload gives nothing back" "$(ask t30.fresh.lab.example)" "NXDOMAIN (EDE 15: budget-wildcard-names)"
ctl_ends "two more" 0 session extend wildcard-names 2
is "it shows" "$(session 'b["wildcard_names"]')" \
	"{'used': 3, 'of': 5, 'extended': 2, 'rule': 'allow-1'}"
is "are two" "$(ask t31.fresh.lab.example) $(ask t32.fresh.lab.example) $(ask t33.fresh.lab.example)" \
	"NOERROR 198.18.1.131 NOERROR 198.18.1.132 NXDOMAIN (EDE 15: budget-wildcard-names)"
ctl_ends "a new session" 0 session new
is "begins with none" "$(session 'b["wildcard_names"]["used"], b["wildcard_names"]["of"]')" "(0, 3)"
is "and permits others" "$(ask t33.fresh.lab.example)" "NOERROR 198.18.1.133"
down

# Where there is a folder for what a session was, all of that survives that everything is killed.
# many FROM: how many of 30 names, asked at the same time, were not too many.
many() {
	local i askers=()

	for ((i = $1; i < $1 + 30; i++)); do
		ask t$i.fresh.lab.example >many.$i &
		askers+=($!)
	done
	wait "${askers[@]}"
	cat many.* | grep -vc budget-wildcard-names
	rm -f many.*
}
over_budget="NXDOMAIN (EDE 15: budget-wildcard-names)"
must up --state state
is "names counted" "$(ask t1.fresh.lab.example) $(ask t2.fresh.lab.example)" \
	"NOERROR 198.18.1.101 NOERROR 198.18.1.102"
must again --state state
is "are counted after a kill" "$(session 'b["wildcard_names"]["used"]')" 2
is "a name from before takes nothing" "$(ask t2.fresh.lab.example)" "NOERROR 198.18.1.102"
is "and one more has room" "$(ask t3.fresh.lab.example) $(ask t4.fresh.lab.example)" \
	"NOERROR 198.18.1.103 $over_budget"
ctl_ends "some more" 0 session extend wildcard-names 4
is "of many at once as many as that" "$(many 10)" 4
must again --state state
is "and none after a kill" "$(many 50)" 0
is "it shows" "$(session 'b["wildcard_names"]')" \
	"{'used': 7, 'of': 7, 'extended': 4, 'rule': 'allow-1'}"
sed -i 's/wildcard_names = 3/wildcard_names = 4/' lab.toml
must lab_load lab
must again --state state
is "another ceiling is that many more" "$(ask t5.fresh.lab.example) $(ask t6.fresh.lab.example)" \
	"NOERROR 198.18.1.105 $over_budget"
ctl_ends "a new session" 0 session new
must again --state state
is "begins with none after a kill, too" "$(session 'b["wildcard_names"]["used"]')" 0
down

# --- The share of destinations without a category ---

lab_policy lab <<-END
	types = ["A", "AAAA"]
	[[allow]]
	host = ["*.fresh.lab.example"]
	[[allow]]
	host = ["*.n.lab.example", "www.lab.example", "api.lab.example", "other.lab.example",
		"twin.lab.example", "four.lab.example", "deep.lab.example", "wild.lab.example",
		"end.lab.example"]
	category = "known"
	[[allow]]
	ip = ["198.18.40.0/24"]
	category = "known"
	[[allow]]
	ip = ["198.18.41.0/24"]
	[budget]
	unknown_share = 0.3
	on_exceed = "refuse"
END
must up
for name in www api other twin four deep wild; do
	must ask $name.lab.example
done
is "one without a category" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
is "another one" "$(ask t2.fresh.lab.example)" "NOERROR 198.18.1.102"
is "the tenth: three of ten" "$(ask t3.fresh.lab.example)" "NOERROR 198.18.1.103"
refusal="NXDOMAIN (EDE 15: budget-unknown-share)"
is "four of eleven are too many" "$(ask t4.fresh.lab.example)" "$refusal"
is "one with a category" "$(ask end.lab.example)" "NOERROR 198.18.1.30"
must again
is "whoever starts anew" "$(ask t4.fresh.lab.example)" "$refusal"
is "it shows" "$(session 'b["unknown_share"]["unknown"], b["unknown_share"]["destinations"]')" "(3, 11)"
for i in 1 2 3; do
	reaches "an address with a category" tcp 198.18.40.$i 443
done
is "counts: four of fifteen" "$(ask t4.fresh.lab.example)" "NOERROR 198.18.1.104"
reaches "an address without one" tcp 198.18.41.1 443
is "as well: six of seventeen" "$(ask t5.fresh.lab.example)" "$refusal"
ctl_ends "a new session" 0 session new
is "begins with none" "$(ask t5.fresh.lab.example)" "NOERROR 198.18.1.105"
down

# --- A window ---

policy 'destinations = 1
window = "60s"'
must up
is "a name" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
is "is all" "$(ask t2.fresh.lab.example)" "NXDOMAIN (EDE 15: budget-destinations)"
is "the window shows" "$(session 's["window"]')" 60
# As if it had begun a while ago.
began=$(session 's["began"]')
must in_client nft delete element inet egress-lab session "{ 5 : $began }"
must in_client nft add element inet egress-lab session "{ 5 : $((began - 100)) }"
must again
another() {
	[[ $(ask t2.fresh.lab.example) = NOERROR* ]]
}
check "when it is over a new session begins" until_true 40 another
is "with the whole budget, and no more" "$(ask t1.fresh.lab.example)" \
	"NXDOMAIN (EDE 15: budget-destinations)"
down

resolver_pid=
lab_done

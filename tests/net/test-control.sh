#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an administrator asks of a running resolver, and has it do.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs "$ctl" python3

lab_policy lab <<-'END'
	types = ["A", "AAAA"]
	[[allow]]
	host = ["www.lab.example", "twin.lab.example"]
	[[allow]]
	host = "api.lab.example"
	ports = ["tcp/443", "udp/443"]
	[[allow]]
	host = "*.fresh.lab.example"
	[[allow]]
	ip = "198.18.40.0/24"
END
lab_start
lab_up lab

# json PATH COMMAND...: a value of the answer, in Python's words.
json() {
	"$ctl" --json "${@:2}" >answer.json 2>ctl.err
	python3 -c '
import json, sys
answer = json.load(open("answer.json"))
print(eval(sys.argv[1], {"a": answer, "sorted": sorted}))' "$1"
}
says() {
	is "$1" "$(json "$2" "${@:4}")" "$3"
}

# --- Where it is ---
socket=/run/egress/lab.sock
is "the socket is its owner's alone" "$(stat -c '%F %a %u' $socket)" "socket 600 0"
is "its folder is others' to look at" "$(stat -c '%a %u' /run/egress)" "755 0"

# --- Processes ---
keeper() {
	pgrep -P "$resolver_pid" | head -n 1
}
# The one before a reload has ended: there are one keeper and one worker.
one_crew() {
	[ "$(pgrep -P "$resolver_pid" | wc -l)" -eq 2 ]
}
# How many mappings the process shares with others, to write to.
shared() {
	grep -c 'rw-s.* /dev/zero' "/proc/$1/maps"
}
is "of what processes share the names of leases alone are not the workers'" \
	"$(shared "$(pgrep -P "$resolver_pid" | tail -n 1)")" $(($(shared "$(keeper)") - 1))

# --- Status ---
ctl_ends "status" 0 status
like "says which policy is in force" "$(cat ctl.out)" 'policy +lab, 4 rules'
like "and where it is from" "$(cat ctl.out)" 'file +.*lab\.toml'
is "in 80 columns" "$(awk 'length > 80' ctl.out)" ""
says "the state" 'a["state"]' serving status
says "the process" 'a["pid"]' "$resolver_pid" status
says "the workers" 'a["workers"]' 1 status
says "the table" 'a["table"]' egress-lab status
says "servers, all well" '[s["answers"] for s in a["upstream"]]' "[True, True]" status
says "no reload so far" '(a["reloads"]["count"], a["reloads"]["last"])' "(0, None)" status
says "nothing is leased" 'a["leases"]' 0 status
for i in 1 2 3; do
	must ask www.lab.example
done
must ask other.lab.example
must ask third.example
counted() {
	json '[a["counters"][k] for k in ("queries", "fresh", "cached", "refused", "failed")]' status
}
is "queries are counted by what came of them" "$(counted)" "[5, 1, 2, 2, 0]"
says "and the lease" 'a["leases"]' 1 status

# --- Leases ---
must ask api.lab.example
must ask api.lab.example AAAA
for i in 1 2 3; do
	must ask t$i.fresh.lab.example
done
must hold www 198.18.1.1 443
ctl_ends "leases" 0 leases
like "are a table with a head" "$(head -n 1 ctl.out)" '^ADDRESS +PORTS +RULE +LEFT +USE +NAME$'
like "with the address, its ports, its rule, its time, its use and its name" "$(cat ctl.out)" \
	'198\.18\.1\.1 +tcp/443 +allow-1 +[0-9]+ (s|min) +yes +www\.lab\.example'
is "in columns" "$(awk '{ print index($0, $NF) }' ctl.out | sort -u | wc -l)" 1
says "as JSON" 'sorted((l["address"], l["ports"], l["rule"]) for l in a["leases"] if l["name"] == "api.lab.example")[:2]' \
	"[('198.18.1.2', ['tcp/443'], 'allow-2'), ('198.18.1.2', ['udp/443'], 'allow-2')]" leases
says "of a name" 'len(a["leases"])' 4 leases API.lab.example.
says "of an address" '[l["name"] for l in a["leases"]]' "['t2.fresh.lab.example']" \
	leases 198.18.1.102
says "with live connections or none" 'sorted((l["name"], l["connections"]) for l in a["leases"])[-1]' \
	"('www.lab.example', True)" leases
says "of nothing that is leased" 'a["leases"]' "[]" leases other.lab.example
says "seconds left" 'all(0 < l["seconds"] <= 330 for l in a["leases"])' True leases
# More than a page, and more than one table's size.

for ((i = 4; i <= 40; i++)); do
	must ask t$i.fresh.lab.example
done
says "many, page by page" 'len(set(l["address"] for l in a["leases"]))' 43 leases
says "as many as status says" 'len(a["leases"])' "$(json 'a["leases"]' status)" leases

# --- Why ---
ctl_ends "why, of what is permitted" 0 why www.lab.example
like "is what the compiler explains" "$(cat ctl.out)" '^www\.lab\.example: permitted'
like "and what is open" "$(cat ctl.out)" \
	'open now: 198\.18\.1\.1 tcp/443 for [0-9]+ (s|min) by allow-1, name www\.lab\.example, in use'
ctl_ends "of what is refused: 4, as --explain" 4 why other.lab.example
like "with the rule" "$(cat ctl.out)" 'default-deny'
like "and nothing open" "$(cat ctl.out)" 'open now: no address'
"$compiler" lab.toml --explain api.lab.example:443 --json >expected.json
is "as JSON the explanation is the compiler's" \
	"$(json 'a["explanation"]["ports"]' why api.lab.example:443)" \
	"$(python3 -c 'import json; print(json.load(open("expected.json"))["ports"])')"
ctl_ends "of an address, by the name that opened it" 0 why 198.18.40.1
ctl_ends "of no destination: usage" 2 why 'a b'

# --- Usage ---
ctl_ends "no command" 2
ctl_ends "no such command" 2 statsu
ctl_ends "an argument too many" 2 status www.lab.example
ctl_ends "an argument missing" 2 revoke
ctl_ends "a port where there is none to be" 2 revoke www.lab.example:443
like "which is said" "$(cat ctl.err)" 'without a port'
ctl_ends "both ways to say which" 2 --name lab --socket $socket status
ctl_ends "by name" 0 --name lab status
ctl_ends "by path" 0 --socket $socket status
ctl_ends "a name that is a path" 2 --name ../egress/lab status
ctl_ends "no resolver of that name" 3 --name other status
must touch /run/egress/more.sock
ctl_ends "several: usage" 2 status
like "and which there are" "$(cat ctl.err)" $'lab\nmore|more\nlab'
rm /run/egress/more.sock

# --- Who may ask ---
is "others may not" "$(setpriv --reuid 65533 --regid 65533 --clear-groups "$ctl" status 2>&1)" \
	"egress-ctl: $socket: Permission denied"
must chmod 666 $socket
setpriv --reuid 65533 --regid 65533 --clear-groups "$ctl" status >ctl.out 2>ctl.err
is "not even if they get through" $? 1
like "and are told so" "$(cat ctl.err)" 'only root and the user that the resolver was started by'
like "and logged" "$(cat "$resolver_log")" 'process [0-9]+ of user 65533 was refused'
must chmod 600 $socket

# --- Revoke ---
must hold www2 198.18.1.1 443
must hold api 198.18.1.2 443
must hold api6 2001:db8:1::2 443
must ask twin.lab.example
says "a name that was asked for before its twin has no lease of its own" 'a["leases"]' 0 \
	revoke www.lab.example
alive "so the connection goes on" www
says "the twin's is revoked, connections ended" '(a["leases"], a["connections"])' "(1, 2)" \
	revoke twin.lab.example
cut_off "at once" www
cut_off "all of them" www2
alive "another address's goes on" api
rejected "the address is closed" tcp 198.18.1.1 443
is "until the name is asked for again" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
reaches "which opens it" tcp 198.18.1.1 443
says "by address" '(a["leases"], a["connections"])' "(2, 1)" revoke 198.18.1.2
cut_off "which ends its connection" api
alive "and no other" api6
says "IPv6" '(a["leases"], a["connections"])' "(2, 1)" revoke 2001:db8:1::2
cut_off "the same" api6
must hold address 198.18.40.1 443
says "an address that an entry permits" 'a["leases"]' 0 revoke 198.18.40.1
alive "is not the leases' to close" address

# --- Flush ---
must hold www3 198.18.1.1 443
like "flush" "$(json 'a["leases"]' flush)" '^[0-9]+$'
says "nothing is leased" 'a["leases"]' 0 status
alive "connections go on" www3
rejected "new ones are refused" tcp 198.18.1.1 443
is "answers are asked for anew" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
reaches "and opened" tcp 198.18.1.1 443

# --- Reload ---
cp lab.toml good.toml
ctl_ends "reload" 0 reload
like "is done" "$(cat ctl.out)" '^reloaded: lab$'
says "and counted" '(a["reloads"]["count"], a["reloads"]["done"])' "(1, True)" status
echo 'hots = "www.lab.example"' >>lab.toml
ctl_ends "of a policy with a mistake" 1 reload
like "says where it is" "$(cat ctl.err)" 'lab\.toml:[0-9]+:1: error: unknown key'
like "with a caret" "$(cat ctl.err)" '\^~'
says "as JSON" 'a["reloaded"]' False reload
ctl_ends "with the same status" 1 reload --json
reaches "the old one stays" tcp 198.18.1.1 443
says "which status says" '(a["reloads"]["count"], a["reloads"]["done"])' "(1, False)" status
{
	cat good.toml
	printf '[[allow]]\nhost = "six.lab.example"\nports = ["tcp/77"]\n'
} >lab.toml
ctl_ends "of one whose ruleset is not loaded" 1 reload
like "says what to do" "$(cat ctl.err)" 'it has no "tcp-77-leases4"; load it with'
must lab_load lab
ctl_ends "and then" 0 reload
is "once it is answered the new one serves" "$(ask six.lab.example AAAA)" \
	"NOERROR 2001:db8:1::6"
for i in 1 2 3 4; do
	"$ctl" reload >"reload.$i" 2>&1 &
	reloads="$reloads $!"
done
failed=0
for pid in $reloads; do
	wait "$pid" || failed=1
done
is "several at once are all answered" $failed 0

# --- Names outlive keepers ---
must until_true 20 one_crew
must ask www.lab.example
must hold kept 198.18.1.1 443
before=$(keeper)
ctl_ends "one more reload" 0 reload
gone() {
	! kill -0 "$1" 2>/dev/null
}
check "another keeper serves" until_true 20 gone "$before"
must until_true 20 one_crew
says "which knows the names of leases" '[l["name"] for l in a["leases"]]' "['www.lab.example']" \
	leases 198.18.1.1
says "also of those asked for" 'len(a["leases"])' 1 leases www.lab.example
says "and closes them by name" '(a["leases"], a["connections"])' "(1, 2)" revoke www.lab.example
cut_off "with their connections" kept
cut_off "an older one, too" www3
rejected "for others, too" tcp 198.18.1.1 443
must ask www.lab.example
pid=$(keeper)
must kill -KILL "$pid"
check "a killed keeper" until_true 10 gone "$pid"
knows_www() {
	[ "$("$ctl" leases www.lab.example 2>/dev/null | grep -c '198\.18\.1\.1 .*www\.lab\.example$')" = 1 ]
}
check "is followed by one that lists them by name" until_true 30 knows_www
says "and closes them" 'a["leases"]' 1 revoke www.lab.example
rejected "at once" tcp 198.18.1.1 443

# --- What is taken back while another crew starts stays taken back ---
for ((i = 10; i < 20; i++)); do
	must ask t$i.fresh.lab.example
done
revoked=0
for ((i = 10; i < 20; i++)); do
	"$ctl" reload >/dev/null 2>&1 &
	reload_pid=$!
	sleep 0.0$((i - 10))
	revoked=$((revoked + $(json 'a["leases"]' revoke 198.18.1.$((100 + i)))))
	wait $reload_pid
done
is "what is revoked during a reload is revoked by one keeper" $revoked 10
# A keeper puts back what it misses within a second.
sleep 2
reopened=0
for ((i = 10; i < 20; i++)); do
	[[ $(probe tcp 198.18.1.$((100 + i)) 443) =~ $REJECTED ]] || reopened=$((reopened + 1))
done
is "and stays closed" $reopened 0

# --- Other places ---
lab_resolver_stop
check "the socket goes with the resolver" test ! -e $socket
ctl_ends "then none is reached" 3 status
must lab_resolver lab --control "$LAB/c.sock"
ctl_ends "another place" 0 --socket "$LAB/c.sock" status
check "is the only one" test ! -e $socket
kill -KILL "$resolver_pid"
wait "$resolver_pid" 2>/dev/null
check "what a killed one left" test -S "$LAB/c.sock"
ctl_ends "nobody listens at" 3 --socket "$LAB/c.sock" status
must lab_resolver lab --control "$LAB/c.sock"
ctl_ends "is replaced" 0 --socket "$LAB/c.sock" status
sed 's/^\[dns\]/&\nlisten = ["127.0.0.1:5399"]/' lab.toml >second.toml
in_client "$resolver" second.toml --user $LAB_USER --control "$LAB/c.sock" 2>second.err
is "a living one's is not" $? 3
like "which is said" "$(cat second.err)" 'another process listens there'
ctl_ends "and it answers on" 0 --socket "$LAB/c.sock" status
lab_resolver_stop
must touch c.file
in_client "$resolver" lab.toml --user $LAB_USER --control "$LAB/c.file" 2>second.err
is "nor is a file that is no socket" $? 3
must lab_resolver lab --control none
check "or none at all" test ! -e $socket
lab_resolver_stop
must chmod 777 /run/egress
must lab_resolver lab
like "in a folder that is anybody's there is none" "$(cat "$resolver_log")" 'no control socket'
is "and it goes on without" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
must chmod 755 /run/egress

lab_done

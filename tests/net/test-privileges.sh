#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the resolver's processes may still do: one holds CAP_NET_ADMIN and nothing else, the others
# below the first hold nothing, and the first no more than it needs. When it has ended, nothing of
# what it could do is left. What the systemd unit leaves to it is enough.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
	[[allow]]
	host_pattern = '^t[0-9]+\.fresh\.lab\.example$'
END
lab_start
lab_up lab --workers 2
is "it works" "$(ask www.lab.example)" "NOERROR 198.18.1.1"

field() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

NET_ADMIN=0000000000001000
NONE=0000000000000000
keepers=0
workers=0
for pid in $(pgrep -P "$resolver_pid"); do
	held=$(field "$pid" CapEff)
	case $held in
	"$NET_ADMIN") keepers=$((keepers + 1)) what="keeper" ;;
	"$NONE") workers=$((workers + 1)) what="worker $workers" ;;
	*) what="process with capabilities $held" ;;
	esac
	is "$what: permitted" "$(field "$pid" CapPrm)" "$held"
	for set in CapInh CapBnd CapAmb; do
		is "$what: $set" "$(field "$pid" $set)" $NONE
	done
	is "$what: user" "$(field "$pid" Uid)" "$(printf '%s\t%s\t%s\t%s' "$LAB_UID" "$LAB_UID" \
		"$LAB_UID" "$LAB_UID")"
	unlike "$what: group" "$(field "$pid" Gid)" '^0|	0'
	is "$what: no other groups" "$(field "$pid" Groups | tr -d ' ')" ""
	is "$what: gains nothing by exec" "$(field "$pid" NoNewPrivs)" 1
	is "$what: its system calls are filtered, twice" "$(field "$pid" Seccomp_filters)" 2
	is "$what: sees no files" "$(ls -A "/proc/$pid/root")" ""
done
is "one keeper" $keepers 1
is "two workers" $workers 2

# --- The first process ---
# dac_read_search, kill, setgid, setuid, setpcap, net_bind_service, net_admin, sys_chroot
is "the first: capabilities" "$(field "$resolver_pid" CapEff)" 00000000000415e4
is "the first: permitted" "$(field "$resolver_pid" CapPrm)" 00000000000415e4
for set in CapInh CapBnd CapAmb; do
	is "the first: $set" "$(field "$resolver_pid" $set)" $NONE
done
is "the first: gains nothing by exec" "$(field "$resolver_pid" NoNewPrivs)" 1
is "the first: its system calls are filtered" "$(field "$resolver_pid" Seccomp_filters)" 1

# Its way to the upstream servers is there while it runs.
marks() {
	in_client nft list set inet egress-lab resolver | grep -c "elements"
}
is "its mark is in the ruleset" "$(marks)" 1
check "it ends as told" lab_resolver_stop
is "its mark is gone" "$(marks)" 0

# --- As systemd starts it: another user, with what the unit leaves to it ---
unit=$here/../../contrib/systemd/egress-resolver@.service.in
capabilities=$(sed -n 's/^AmbientCapabilities=//p' "$unit" | tr '[:upper:] ' '[:lower:],' |
	sed 's/cap_/+/g')
is "the unit has a user" "$(sed -n 's/^User=//p' "$unit")" egress
is "it has no capability besides" "$(sed -n 's/^CapabilityBoundingSet=//p' "$unit")" \
	"$(sed -n 's/^AmbientCapabilities=//p' "$unit")"
filter=
if command -v systemd-analyze >/dev/null; then
	"$here/../policies/unit-calls" "$unit" >unit.calls
	filter="$(program tests/kernel/calls) run $PWD/unit.calls"
	check "its system calls are limited" test "$(wc -l <unit.calls)" -gt 200
else
	ok "its system calls are limited # SKIP systemd-analyze is not installed"
fi

# as_service PROGRAM: a script that starts it so. LeakSanitizer alone would take ptrace(2).
as_service() {
	cat <<-END
		#!/bin/sh
		export ASAN_OPTIONS=detect_leaks=0
		exec setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups --no-new-privs \
			--bounding-set=-all,$capabilities --inh-caps=-all,$capabilities \
			--ambient-caps=-all,$capabilities $filter $1 "\$@"
	END
}
as_service "$resolver" >confined-resolver
as_service "$compiler" >confined-compiler
chmod +x confined-*
compiler=$PWD/confined-compiler
resolver=$PWD/confined-resolver
chmod 755 .
chmod 644 lab.toml
check "the unit's first step, loading the ruleset" in_client "$compiler" --apply lab.toml
check "it starts with the unit's capabilities" lab_resolver lab
is "and works" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
is "with patterns, too" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
reaches "and opens" tcp 198.18.1.1 443
must in_client setpriv --reuid "$LAB_UID" --clear-groups --bounding-set=-all kill -HUP "$resolver_pid"
check "it reloads" until_true 20 grep -q reloaded "$resolver_log"
is "and works then" "$(ask t2.fresh.lab.example)" "NOERROR 198.18.1.102"
unlike "nothing was refused to it" "$(cat "$resolver_log")" "not permitted"

# --- Without any ---
in_client setpriv --reuid "$LAB_UID" --regid "$LAB_UID" --clear-groups --bounding-set=-all --inh-caps=-all \
	timeout 20 "$(program src/egress-resolver)" --user "$LAB_UID" lab.toml 2>unprivileged.log
is "without a privilege it does not start" $? 3
like "and says what that takes" "$(cat unprivileged.log)" "takes CAP_NET_ADMIN: start it as root"

lab_done
